package onboard

import (
	"encoding/xml"
	"os/exec"
	"testing"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
)

func hostile() []string {
	return []string{"", "plain", "two words", "it's", `"double"`, "$(id)", "`id`", "a;b&&c|d", "<x>&amp;", "*", "~", "-n", "new\nline", `back\slash`, "‘typographic’"}
}

// The real shell is the judge of what is quoted for it.
func TestShellQuoting(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash here")
	}
	for _, value := range hostile() {
		for name, quote := range map[string]func(string) string{"shWord": shWord, "shQuote": shQuote} {
			if value == "" && name == "shWord" {
				continue
			}
			out, err := exec.CommandContext(t.Context(), bash, "-c", "printf %s "+quote(value)).Output()
			if value == "-n" {
				continue // printf's own option, not a matter of quoting
			}
			if err != nil || string(out) != value {
				t.Errorf("%s(%q) gave %q, %v", name, value, out, err)
			}
		}
	}
}

func TestXMLText(t *testing.T) {
	for _, value := range hostile() {
		var got string
		if err := xml.Unmarshal([]byte("<v>"+xmlText(value)+"</v>"), &got); err != nil || got != value {
			t.Errorf("xmlText(%q) gave %q, %v", value, got, err)
		}
	}
}

func TestPowerShellQuoting(t *testing.T) {
	for value, want := range map[string]string{
		"plain": "'plain'", "it's": "'it''s'", "$(id)": "'$(id)'", "‘typographic’": "'‘‘typographic’’'",
	} {
		if got := psQuote(value); got != want {
			t.Errorf("psQuote(%q) = %s, want %s", value, got, want)
		}
	}
	if got, want := msiProperty("A", `b "c"`), `A="b ""c"""`; got != want {
		t.Errorf("msiProperty = %s, want %s", got, want)
	}
}

func TestWhatTheInstallerWouldMangleIsRefused(t *testing.T) {
	for _, group := range []string{"a b", "a#b", "a&b", `a\b`, "a,", "$(id)", "'"} {
		if err := checkGroup(group); err == nil {
			t.Errorf("group %q is accepted", group)
		}
	}
	for _, version := range []string{"5.0.0", "4.14", "4.14.7;id", "latest"} {
		if _, _, err := agentVersion(Input{AgentVersion: version}); err == nil {
			t.Errorf("version %q is accepted", version)
		}
	}
}

// A manager refuses agents newer than itself, the patch level aside.
func TestANewerAgentIsWarnedOf(t *testing.T) {
	for versions, warned := range map[[2]string]bool{
		{"4.14.7", "v4.12.0"}: true, {"4.10.0", "v4.9.2"}: true, {"4.12.2", "v4.12.0"}: false, {"4.3.11", "v4.14.7"}: false,
		{"4.14.7", "v5.0.0"}: false, {"4.14.7", ""}: false,
	} {
		in := Input{AgentVersion: versions[0], Tenant: v1alpha1.Tenant{Status: v1alpha1.TenantStatus{Manager: &v1alpha1.ManagerStatus{Version: versions[1]}}}}
		got, note, err := agentVersion(in)
		if err != nil || got != versions[0] || (note != "") != warned {
			t.Errorf("agents %s, manager %s: %q, %q, %v", versions[0], versions[1], got, note, err)
		}
	}
}
