package onboard_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/soctalk/soctalk-ingress/internal/onboard"
	"github.com/soctalk/soctalk-ingress/internal/onboard/kit"
	"github.com/soctalk/soctalk-ingress/internal/wazuhsim/agent"
	"github.com/soctalk/soctalk-ingress/internal/wazuhsim/installer"
)

// Every platform's commands, one after another on a bare host, give an agent that
// enrolls and connects, and the last of them shows it.
func TestEveryPlatformsCommandsBringAnAgentIn(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *tenantWorld, sheet onboard.Sheet, public bool) {
		for _, platform := range sheet.Platforms {
			for _, system := range systemsOf(platform.ID) {
				t.Run(platform.ID+" on "+string(system), func(t *testing.T) {
					host := w.endpoint(t, system, w.handedOver(public)...)
					last := len(platform.Steps) - 1
					perform(t, host, platform.Steps[:last]...)
					agentsHost := host
					if platform.ID == "container" {
						var err error
						if agentsHost, err = host.Container("wazuh-agent"); err != nil {
							t.Fatal(err)
						}
					}
					if !agentsHost.Started() {
						t.Fatal("the agent was never started")
					}
					arrives(t, agentsHost, strings.ReplaceAll(platform.ID, "_", "-")+"-"+string(system))
					perform(t, host, platform.Steps[last])
					if out := host.Output() + agentsHost.Output(); !strings.Contains(out, "Valid key received") || !strings.Contains(out, "Connected to the server") {
						t.Errorf("the last command does not show the agent:\n%s", out)
					}
					if _, err := os.Stat(filepath.Join(host.Work(), onboard.SecretFile)); err == nil {
						t.Error("the secret's file is left behind")
					}
				})
			}
		}
	})
}

// A sheet has commands for what there is of the version it installs, says why it has
// none for the rest, and every one it has brings an agent in.
func TestAnOldVersionsSheet(t *testing.T) {
	w := newTenantWorld(t, 15142, 15143)
	for version, missing := range map[string][]string{
		"4.3.11": {"macos-intel", "macos-arm", "container"},
		"4.5.0":  {"macos-intel", "macos-arm", "container"},
		"4.5.1":  {"container"},
		"4.12.0": {"container"},
		"4.13.0": nil,
	} {
		t.Run(version, func(t *testing.T) {
			in := w.input(false)
			in.AgentVersion = version
			sheet, err := onboard.NewSheet(in)
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range onboard.PlatformIDs() {
				_, err := sheet.Only(id)
				if gone := slices.Contains(missing, id); gone != (err != nil) {
					t.Errorf("%s: got %v, missing is %t", id, err, gone)
				}
				if err != nil && !strings.Contains(strings.Join(sheet.Notes, "\n"), strings.SplitN(err.Error(), ": ", 2)[1]) {
					t.Errorf("%s: no note says %q", id, err)
				}
			}
			for _, platform := range sheet.Platforms {
				host := w.endpoint(t, systemsOf(platform.ID)[0], w.handedOver(false)...)
				perform(t, host, platform.Steps[:len(platform.Steps)-1]...)
			}
		})
	}
}

// The scripts of the bundle do the same alone, with the secret beside them or typed.
func TestTheBundlesScriptsBringAnAgentIn(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *tenantWorld, sheet onboard.Sheet, _ bool) {
		for _, given := range []string{"beside", "typed"} {
			var beside []byte
			if given == "beside" {
				beside = []byte(secret)
			}
			files, err := kit.Files(sheet, beside)
			if err != nil {
				t.Fatal(err)
			}
			for _, platform := range sheet.Platforms {
				t.Run(platform.ID+", secret "+given, func(t *testing.T) {
					host := w.endpoint(t, systemsOf(platform.ID)[0], files...)
					host.Input = secret + "\n"
					runScript(t, host, files, "install-"+platform.ID)
					if platform.ID == "container" {
						host, err = host.Container("wazuh-agent")
						if err != nil {
							t.Fatal(err)
						}
					}
					arrives(t, host, "script-"+given+"-"+strings.ReplaceAll(platform.ID, "_", "-"))
				})
			}
		}
	})
}

func runScript(t *testing.T, host *installer.Host, files []kit.File, name string) {
	t.Helper()
	at := slices.IndexFunc(files, func(file kit.File) bool {
		return file.Name == name || file.Name == name+".sh" || file.Name == name+".ps1"
	})
	if at < 0 {
		t.Fatalf("the bundle has no %s", name)
	}
	var err error
	if strings.HasSuffix(files[at].Name, ".ps1") {
		err = host.RunPowerShell(t.Context(), string(files[at].Data))
	} else {
		err = host.Run(t.Context(), "sh "+files[at].Name)
	}
	if err != nil {
		t.Fatalf("%s: %v\n%s", files[at].Name, err, host.Output())
	}
}

// An agent that is there already is pointed at the tenant, and agent-auth works
// with the flags it knows.
func TestAnInstalledAgentIsMoved(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *tenantWorld, sheet onboard.Sheet, public bool) {
		for at, system := range []installer.System{installer.Debian, installer.RedHat, installer.MacOS, installer.Windows} {
			t.Run(string(system), func(t *testing.T) {
				host := w.endpoint(t, system, w.handedOver(public)...)
				if err := host.AlreadyInstalled(); err != nil {
					t.Fatal(err)
				}
				if err := host.ReplaceClient(sheet.Installed[at].ClientXML); err != nil {
					t.Fatal(err)
				}
				perform(t, host, sheet.Installed[at].Steps...)
				arrives(t, host, "moved-"+string(system))
			})
		}
	})
}

// The form of the specification works; it is the one that shows the secret.
func TestThePlainFormEnrolls(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *tenantWorld, sheet onboard.Sheet, _ bool) {
		host := w.endpoint(t, installer.Debian)
		if err := host.AlreadyInstalled(); err != nil {
			t.Fatal(err)
		}
		step := sheet.Plain
		step.Run = strings.Replace(step.Run, "<authd-shared-secret>", secret, 1)
		if err := host.Run(t.Context(), step.Run); err == nil || !strings.Contains(err.Error(), "argument") {
			t.Errorf("the judge does not see the secret in the arguments: %v", err)
		}
		host.Secret = ""
		perform(t, host, step)
		if !strings.Contains(host.Output(), "Valid key received") {
			t.Error("no key")
		}
	})
}

// The checks find a sound way in, and a broken one.
func TestTheChecks(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *tenantWorld, sheet onboard.Sheet, public bool) {
		for _, system := range []installer.System{installer.Debian, installer.Windows} {
			host := w.endpoint(t, system, w.handedOver(public)...)
			for _, step := range sheet.Checks {
				if (step.Shell == onboard.ShellPowerShell) != (system == installer.Windows) {
					continue
				}
				// Of a public authority the real openssl looks into the real system's bundle,
				// where the test's authority is not.
				if public && strings.Contains(step.Run, "openssl") {
					continue
				}
				perform(t, host, step)
			}
			if system == installer.Debian && !strings.Contains(host.Output(), "#pong") {
				t.Errorf("the manager does not answer the check:\n%s", host.Output())
			}
			if system == installer.Debian && !public && !strings.Contains(host.Output(), "Verify return code: 0 (ok)") {
				t.Errorf("openssl does not accept the certificate:\n%s", host.Output())
			}
		}
		files, err := kit.Files(sheet, nil)
		if err != nil {
			t.Fatal(err)
		}
		host := w.endpoint(t, installer.Debian, files...)
		runScript(t, host, files, "check.sh")
		if failed := strings.Contains(host.Output(), "FAILED"); failed && !public {
			t.Errorf("the check fails on a sound way in:\n%s", host.Output())
		}
		closed := w.endpoint(t, installer.Debian, files...)
		closed.Dial = nil
		runScript(t, closed, files, "check.sh")
		if strings.Count(closed.Output(), "FAILED") != 4 || !strings.Contains(closed.Output(), "FAILED: port "+fmt.Sprint(w.enrollment)) {
			t.Errorf("the check does not find a firewall:\n%s", closed.Output())
		}
	})
}

// A judge that lets everything pass proves nothing: each of these is a mistake
// somebody could make in a command.
func TestTheJudgeFindsWrongCommands(t *testing.T) {
	w := newTenantWorld(t, 15142, 15143)
	sheet, err := onboard.NewSheet(w.input(false))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ platform, old, new, want string }{
		"a variable's wrong name":      {"deb-amd64", "WAZUH_REGISTRATION_PORT", "WAZUH_ENROLLMENT_PORT", "does not know"},
		"a deprecated name":            {"deb-amd64", "WAZUH_MANAGER=", "WAZUH_MANAGER_IP=", "does not know"},
		"no events port":               {"deb-amd64", "  WAZUH_MANAGER_PORT='15142' \\\n", "", "refused"},
		"no enrollment port":           {"rpm-x86_64", "  WAZUH_REGISTRATION_PORT='15143' \\\n", "", "refused"},
		"no authority":                 {"rpm-x86_64", "  WAZUH_REGISTRATION_CA='/var/ossec/etc/soctalk-ca.pem' \\\n", "", "no authority"},
		"an authority in another file": {"deb-amd64", "WAZUH_REGISTRATION_CA='/var", "WAZUH_REGISTRATION_CA='/opt", "finds no authority"},
		"without sudo":                 {"deb-amd64", "sudo \\\n  WAZUH_MANAGER=", "WAZUH_MANAGER=", "only root"},
		"a variable before sudo":       {"deb-amd64", "sudo \\\n  WAZUH_MANAGER='" + hostname + "'", "WAZUH_MANAGER='" + hostname + "' sudo", "no server"},
		"a value sed takes apart":      {"deb-amd64", "WAZUH_AGENT_GROUP='default'", "WAZUH_AGENT_GROUP='a#b'", "sed"},
		"the secret in a variable":     {"deb-amd64", "WAZUH_AGENT_GROUP='default'", "WAZUH_REGISTRATION_PASSWORD='" + secret + "'", "argument"},
		"a secret everybody reads":     {"deb-amd64", "install -m 640 -o root -g wazuh authd.pass", "install -m 644 -o root -g wazuh authd.pass", "every user"},
		"a secret nobody reads":        {"deb-amd64", "install -m 640 -o root -g wazuh authd.pass", "install -m 600 -o root -g root authd.pass", "may not read"},
		"an open quote":                {"deb-amd64", "WAZUH_AGENT_GROUP='default'", "WAZUH_AGENT_GROUP='default", "shell"},
		"a package that is not there":  {"deb-amd64", "/apt/pool/", "/deb/pool/", "nothing at"},
		"macOS: an older package":      {"macos-arm", "4.14.7", "4.3.11", "nothing at"},
		"container: an older image":    {"container", "4.14.7", "4.12.0", "no image"},
		"macOS: variables for all":     {"macos-arm", "install -m 600 /dev/null", "install -m 666 /dev/null", "becomes root"},
		"macOS: a wrong name":          {"macos-arm", "WAZUH_MANAGER=", "WAZUH_SERVER=", "does not know"},
		"msiexec: a blank unquoted":    {"windows-msi", `WAZUH_AGENT_GROUP="default"`, `WAZUH_AGENT_GROUP=a b`, "no property"},
		"msiexec: a small letter":      {"windows-msi", "WAZUH_MANAGER=", "wazuh_manager=", "no property"},
		"msiexec: a wrong name":        {"windows-msi", "WAZUH_MANAGER_PORT", "WAZUH_PORT", "does not know"},
		"msiexec: no events port":      {"windows-msi", `$arguments += 'WAZUH_MANAGER_PORT="15142"'` + "\n", "", "refused"},
		"msiexec: it asks":             {"windows-msi", "'/q'", "'/passive'", "/q"},
		"container: a package's name":  {"container", "WAZUH_MANAGER_SERVER=", "WAZUH_MANAGER=", "does not know"},
		"container: no authority":      {"container", "sed -i", "true -i", "no authority"},
		"container: nothing mounted":   {"container", `-v "$PWD/soctalk-ca.pem:/soctalk-ca.pem:ro"`, `-v "$PWD/ca.pem:/soctalk-ca.pem:ro"`, "empty folder"},
	} {
		t.Run(name, func(t *testing.T) {
			one, err := sheet.Only(c.platform)
			if err != nil {
				t.Fatal(err)
			}
			host := w.endpoint(t, systemsOf(c.platform)[0], w.handedOver(false)...)
			got, changed := tryPlatform(t, host, one.Platforms[0], c.old, c.new)
			if !changed {
				t.Fatalf("the commands have no %q to spoil", c.old)
			}
			if got == nil || !strings.Contains(got.Error(), c.want) {
				t.Errorf("got %v, want %q", got, c.want)
			}
		})
	}
}

// tryPlatform runs a platform's commands with something replaced, and lets the
// agent try its luck.
func tryPlatform(t *testing.T, host *installer.Host, platform onboard.Platform, before, after string) (err error, changed bool) {
	t.Helper()
	for _, step := range platform.Steps[:len(platform.Steps)-1] {
		text := strings.Replace(step.Run, before, after, 1)
		changed = changed || text != step.Run
		run := host.Run
		if step.Shell == onboard.ShellPowerShell {
			run = host.RunPowerShell
		}
		if err := run(t.Context(), text); err != nil {
			return err, changed
		}
	}
	if platform.ID == "container" {
		if host, err = host.Container("wazuh-agent"); err != nil {
			return err, changed
		}
	}
	options, err := host.Agent("spoilt")
	if err != nil {
		return err, changed
	}
	options.TimeScale = 2000
	made, err := agent.New(options)
	if err != nil {
		return err, changed
	}
	return made.Once(t.Context()), changed
}

// The archive is the same bytes each time, and its sums are right.
func TestTheBundleIsReproducible(t *testing.T) {
	w := newTenantWorld(t, 1514, 1515)
	sheet, err := onboard.NewSheet(w.input(false))
	if err != nil {
		t.Fatal(err)
	}
	var archives [2]bytes.Buffer
	for i := range archives {
		files, err := kit.Files(sheet, []byte(secret))
		if err != nil {
			t.Fatal(err)
		}
		if err := kit.WriteZip(&archives[i], kit.Folder(sheet), files); err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if file.Name != onboard.SecretFile && bytes.Contains(file.Data, []byte(secret)) {
				t.Errorf("%s shows the secret", file.Name)
			}
			if file.Name == onboard.SecretFile && file.Mode != 0o600 {
				t.Errorf("the secret's file has mode %o", file.Mode)
			}
		}
	}
	if !bytes.Equal(archives[0].Bytes(), archives[1].Bytes()) {
		t.Error("two archives of one kit differ")
	}
}
