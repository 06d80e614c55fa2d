package onboard

import (
	"encoding/xml"
	"os/exec"
	"testing"
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
