package onboard

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/soctalk/soctalk-ingress/internal/golden"
)

const cases = "testdata/sheet"

// knownVariables are those Wazuh's register_configure_agent.sh and
// InstallerScripts.vbs read, without the deprecated ones.
func knownVariables() []string {
	return []string{
		"WAZUH_MANAGER", "WAZUH_MANAGER_PORT", "WAZUH_PROTOCOL", "WAZUH_REGISTRATION_SERVER", "WAZUH_REGISTRATION_PORT",
		"WAZUH_REGISTRATION_PASSWORD", "WAZUH_KEEP_ALIVE_INTERVAL", "WAZUH_TIME_RECONNECT", "WAZUH_REGISTRATION_CA",
		"WAZUH_REGISTRATION_CERTIFICATE", "WAZUH_REGISTRATION_KEY", "WAZUH_AGENT_NAME", "WAZUH_AGENT_GROUP", "ENROLLMENT_DELAY",
	}
}

// containerVariables are those the image's init script reads.
func containerVariables() []string {
	return []string{
		"WAZUH_MANAGER_SERVER", "WAZUH_MANAGER_PORT", "WAZUH_REGISTRATION_SERVER", "WAZUH_REGISTRATION_PORT",
		"WAZUH_REGISTRATION_PASSWORD", "WAZUH_AGENT_NAME", "WAZUH_AGENT_GROUP",
	}
}

func TestSheets(t *testing.T) {
	golden.Folders(t, cases, func(t *testing.T, folder string) {
		golden.Why(t, filepath.Join(folder, "in.yaml"))
		sheet, err := sheetOf(t, folder)
		if err != nil {
			golden.Compare(t, filepath.Join(folder, "want-error.txt"), []byte(err.Error()+"\n"))
			return
		}
		var text bytes.Buffer
		if err := sheet.WriteText(&text); err != nil {
			t.Fatal(err)
		}
		golden.Compare(t, filepath.Join(folder, "want.txt"), text.Bytes())
		golden.Compare(t, filepath.Join(folder, "want.yaml"), golden.YAML(t, sheet))
	})
}

func sheetOf(t *testing.T, folder string) (Sheet, error) {
	t.Helper()
	var in Input
	golden.Read(t, filepath.Join(folder, "in.yaml"), &in)
	return NewSheet(in)
}

// eachSheet runs a test over every case that gives a sheet.
func eachSheet(t *testing.T, run func(t *testing.T, sheet Sheet)) {
	golden.Folders(t, cases, func(t *testing.T, folder string) {
		sheet, err := sheetOf(t, folder)
		if err != nil {
			t.Skip("an error case")
		}
		run(t, sheet)
	})
}

// allSteps are all steps of a sheet, wherever they stand.
func allSteps(sheet Sheet) []Step {
	steps := slices.Concat(sheet.Trust.Check, sheet.Secret.Make, sheet.Checks, []Step{sheet.Plain})
	for _, platform := range sheet.Platforms {
		steps = append(steps, platform.Steps...)
	}
	for _, entry := range sheet.Installed {
		steps = append(steps, entry.Steps...)
	}
	return steps
}

func TestShellUnderstandsEveryCommand(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash here")
	}
	eachSheet(t, func(t *testing.T, sheet Sheet) {
		judged := 0
		for _, step := range allSteps(sheet) {
			if step.Shell != ShellSh {
				continue
			}
			judged++
			command := exec.CommandContext(t.Context(), bash, "-n")
			command.Stdin = strings.NewReader(step.Run + "\n")
			if out, err := command.CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%s: bash -n: %v %s\n%s", step.Title, err, out, step.Run)
			}
		}
		if judged < 30 {
			t.Errorf("only %d commands for sh", judged)
		}
	})
}

func TestTheJudgeRefusesBrokenShell(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash here")
	}
	command := exec.CommandContext(t.Context(), bash, "-n")
	command.Stdin = strings.NewReader("sudo FOO='bar dpkg -i x\n")
	if err := command.Run(); err == nil {
		t.Error("bash -n accepts an open quote")
	}
}

var assignment = regexp.MustCompile(`(?m)(?:^|[\s'])((?:WAZUH|ENROLLMENT)_[A-Z_]+)=`)

func TestInstallersKnowTheVariablesAndHearBothPorts(t *testing.T) {
	eachSheet(t, func(t *testing.T, sheet Sheet) {
		for _, platform := range sheet.Platforms {
			known, must := knownVariables(), []string{"WAZUH_MANAGER", "WAZUH_MANAGER_PORT", "WAZUH_REGISTRATION_SERVER", "WAZUH_REGISTRATION_PORT", "WAZUH_REGISTRATION_CA"}
			if platform.ID == "container" {
				known, must = containerVariables(), []string{"WAZUH_MANAGER_SERVER", "WAZUH_MANAGER_PORT", "WAZUH_REGISTRATION_SERVER", "WAZUH_REGISTRATION_PORT"}
			}
			var used []string
			for _, step := range platform.Steps {
				for _, match := range assignment.FindAllStringSubmatch(step.Run, -1) {
					used = append(used, match[1])
				}
			}
			for _, name := range used {
				if !slices.Contains(known, name) {
					t.Errorf("%s: the installer does not know %s", platform.ID, name)
				}
			}
			for _, name := range must {
				if !slices.Contains(used, name) {
					t.Errorf("%s: %s is not set", platform.ID, name)
				}
			}
			for _, port := range sheet.Ports[:2] {
				if !regexp.MustCompile(fmt.Sprintf(`_PORT=["']?%d\b`, port.Port)).MatchString(runs(platform.Steps)) {
					t.Errorf("%s: the %s port %d is not said", platform.ID, port.Name, port.Port)
				}
			}
			if platform.ID != "container" && strings.Contains(runs(platform.Steps), "WAZUH_REGISTRATION_PASSWORD") {
				t.Errorf("%s: the secret is in the arguments", platform.ID)
			}
		}
	})
}

// TestTheAuthorityIsAlwaysSet: an agent that is told none enrolls with anybody.
func TestTheAuthorityIsAlwaysSet(t *testing.T) {
	eachSheet(t, func(t *testing.T, sheet Sheet) {
		for _, platform := range sheet.Platforms {
			if !regexp.MustCompile(`WAZUH_REGISTRATION_CA=|<server_ca_path>/`).MatchString(runs(platform.Steps)) {
				t.Errorf("%s: no authority", platform.ID)
			}
		}
		for _, entry := range sheet.Installed {
			if !strings.Contains(entry.ClientXML, "<server_ca_path>") || !strings.Contains(runs(entry.Steps), " -v ") {
				t.Errorf("%s: no authority", entry.System)
			}
		}
	})
}

func TestClientXMLIsXML(t *testing.T) {
	eachSheet(t, func(t *testing.T, sheet Sheet) {
		for _, entry := range sheet.Installed {
			var client struct {
				Server struct {
					Address string `xml:"address"`
					Port    int32  `xml:"port"`
				} `xml:"server"`
				Enrollment struct {
					Address string `xml:"manager_address"`
					Port    int32  `xml:"port"`
				} `xml:"enrollment"`
			}
			if err := xml.Unmarshal([]byte(entry.ClientXML), &client); err != nil {
				t.Fatalf("%s: %v", entry.System, err)
			}
			if client.Server.Address != sheet.Hostname || client.Enrollment.Address != sheet.Hostname {
				t.Errorf("%s: both addresses must be the one name of the certificate: %+v", entry.System, client)
			}
			if client.Server.Port != sheet.Ports[0].Port || client.Enrollment.Port != sheet.Ports[1].Port {
				t.Errorf("%s: ports: %+v", entry.System, client)
			}
		}
	})
}

func TestMissingIsTyped(t *testing.T) {
	_, err := sheetOf(t, filepath.Join(cases, "not-placed"))
	var missing *Missing
	if !errors.As(err, &missing) {
		t.Fatalf("got %T %v", err, err)
	}
	if want := []string{"hostname", "events port", "enrollment port"}; !slices.Equal(missing.What, want) {
		t.Errorf("got %q, want %q", missing.What, want)
	}
}

func TestOnly(t *testing.T) {
	sheet, err := sheetOf(t, filepath.Join(cases, "edge-haproxy"))
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, platform := range sheet.Platforms {
		ids = append(ids, platform.ID)
	}
	if !slices.Equal(ids, PlatformIDs()) {
		t.Errorf("got %q, want %q", ids, PlatformIDs())
	}
	one, err := sheet.Only("windows-msi")
	if err != nil || len(one.Platforms) != 1 || len(one.Installed) != 1 || one.Installed[0].System != windowsName {
		t.Errorf("got %d platforms, %d systems, %v", len(one.Platforms), len(one.Installed), err)
	}
	if _, err := sheet.Only("amiga"); err == nil || !strings.Contains(err.Error(), "deb-amd64") {
		t.Errorf("the error does not name the choices: %v", err)
	}
}

func runs(steps []Step) string {
	var all []string
	for _, step := range steps {
		all = append(all, step.Run)
	}
	return strings.Join(all, "\n")
}

func TestGoldenSheetsHoldNoKey(t *testing.T) {
	err := filepath.WalkDir(cases, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if bytes.Contains(text, []byte("PRIVATE KEY")) {
			t.Errorf("%s holds a private key", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
