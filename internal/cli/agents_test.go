package cli

import (
	"bytes"
	"path/filepath"
	"testing"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/golden"
	"github.com/soctalk/soctalk-ingress/internal/roster"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

func someAgents(now time.Time) []roster.Row {
	return roster.Join(roster.Known{
		Agents: []roster.Agent{
			{
				ID: "001", Name: "web-01", ReportedIP: "10.0.0.5", RegisterIP: "any", Status: wazuh.StatusActive, Version: "v4.14.7",
				Groups: []string{"default", "linux"}, Registered: now.Add(-48 * time.Hour), LastKeepAlive: now.Add(-12 * time.Second),
				OS: "Debian GNU/Linux 12",
			},
			{ID: "002", Name: "laptop-7", RegisterIP: "any", Status: wazuh.StatusNeverConnected, Registered: now.Add(-time.Minute)},
			{ID: "003", Name: "old-one", RegisterIP: "any", Status: wazuh.StatusNeverConnected, Registered: now.Add(-time.Hour)},
		},
		Enrollments: []roster.Enrollment{{At: now.Add(-time.Minute), ID: "002", Name: "laptop-7", Credential: "token", Token: "berlin", Source: "203.0.113.9", Via: "10.0.0.2"}},
		Sightings:   []roster.Sighting{{ID: "001", Source: "203.0.113.5", At: now.Add(-time.Hour), Open: true}},
	}, now)
}

func TestAgentsInEveryFormat(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, format := range []string{formatTable, formatWide, formatJSON, formatYAML, formatName} {
		var out, errOut bytes.Buffer
		s := newSession(Program{Streams: IOStreams{Out: &out, ErrOut: &errOut}})
		if err := s.printAgents(&output{format: format}, "acme", someAgents(now), now); err != nil {
			t.Fatal(err)
		}
		golden.Compare(t, filepath.Join("testdata/agents", format+".txt"), out.Bytes())
		if errOut.Len() > 0 {
			t.Errorf("%s: on standard error: %s", format, errOut.String())
		}
	}
}

func TestNoAgentsIsAnAnswer(t *testing.T) {
	for format, want := range map[string]string{formatTable: "", formatJSON: "[]\n", formatYAML: "[]\n", formatName: ""} {
		var out, errOut bytes.Buffer
		s := newSession(Program{Streams: IOStreams{Out: &out, ErrOut: &errOut}})
		if err := s.printAgents(&output{format: format}, "acme", nil, time.Time{}); err != nil {
			t.Fatal(err)
		}
		if out.String() != want {
			t.Errorf("%s: got %q, want %q", format, out.String(), want)
		}
	}
}
