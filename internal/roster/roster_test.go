package roster

import (
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func office() Known {
	return Known{
		Agents: []Agent{
			{ID: "1000", Name: "late", Status: "disconnected", Registered: noon.Add(-time.Hour), Groups: []string{"default"}, Version: "v4.9.0"},
			{ID: "001", Name: "web-01", Status: "active", Registered: noon.Add(-time.Hour), Groups: []string{"default", "linux"}, Version: "v4.14.7"},
			{ID: "002", Name: "laptop-7", Status: "never_connected", Registered: noon.Add(-time.Minute)},
			{ID: "003", Name: "forgotten", Status: "never_connected", Registered: noon.Add(-48 * time.Hour)},
		},
		Enrollments: []Enrollment{
			{At: noon.Add(-72 * time.Hour), ID: "001", Name: "somebody-else", Credential: "secret"},
			{At: noon.Add(-time.Hour), ID: "001", Name: "web-01", Credential: "token", Token: "berlin", Source: "192.0.2.1"},
			{At: noon.Add(-time.Minute), ID: "002", Name: "laptop-7", Credential: "previous", Source: "192.0.2.2"},
			{At: noon.Add(-time.Hour), ID: "003", Name: "before-it", Credential: "secret"},
			{At: noon.Add(-2 * time.Second), ID: "004", Name: "newest", Credential: "secret"},
			{At: noon.Add(-time.Hour), ID: "005", Name: "deleted", Credential: "secret"},
		},
		Sightings: []Sighting{
			{ID: "001", Source: "198.51.100.1", At: noon.Add(-time.Minute)},
			{ID: "001", Source: "198.51.100.2", At: noon.Add(-2 * time.Minute), Open: true},
			{ID: "002", Source: "198.51.100.3", At: noon.Add(-time.Hour)}, // another agent's, when it had this id
		},
	}
}

func TestJoin(t *testing.T) {
	var got []string
	for _, row := range Join(office(), noon) {
		with := "-"
		if row.Enrollment != nil {
			with = row.Enrollment.With()
		}
		got = append(got, strings.Join([]string{row.ID, row.Name, row.State, with, row.SeenFrom}, " "))
	}
	want := []string{
		"001 web-01 active token berlin 198.51.100.2",
		"002 laptop-7 enrolled previous secret ",
		"003 forgotten never_connected - ",
		"004 newest enrolled secret ",
		"1000 late disconnected - ",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if counts := Counts(Join(office(), noon)); counts[StateEnrolled] != 2 || counts["active"] != 1 {
		t.Errorf("counts %v", counts)
	}
}

func TestSelect(t *testing.T) {
	rows := Join(office(), noon)
	for text, want := range map[string]string{
		"name=WEB-*":                      "001",
		"group=linux":                     "001",
		"group!=linux,status!=enrolled":   "003 1000",
		"version=4.14.*":                  "001",
		"version=v4.9.0":                  "1000",
		"status=never_connected":          "002 003",
		"status=enrolled,name=laptop-?":   "002",
		"token=berlin":                    "001",
		"id=00?":                          "001 002 003 004",
		"name=nobody":                     "",
		" name=late , status=disconnect*": "1000",
	} {
		s, err := ParseSelector(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		var ids []string
		for _, row := range Select(rows, s) {
			ids = append(ids, row.ID)
		}
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("%s: chose %q, want %q", text, got, want)
		}
	}
	// A selector that cannot be read must not choose everybody.
	for _, text := range []string{"", "name", "name=", "=x", "nmae=web-01", "name=web-01,", "name=[a", "status=conected", "status!=x*"} {
		if s, err := ParseSelector(text); err == nil {
			t.Errorf("%q was read as %v", text, s)
		}
	}
}

func TestFind(t *testing.T) {
	rows := append(Join(office(), noon), Row{Agent: Agent{ID: "2000", Name: "Late"}})
	for called, want := range map[string]string{"002": "002", "LAPTOP-7": "002", "late": "", "nobody": "", "": ""} {
		row, err := Find(rows, called)
		if row.ID != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", called, row.ID, err)
		}
	}
	if _, err := Find(rows, "late"); !strings.Contains(err.Error(), "1000, 2000") {
		t.Errorf("an ambiguous name: %v", err)
	}
}

func FuzzSelector(f *testing.F) {
	f.Add("name=berlin-*,status!=active")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSelector(text)
		if err != nil {
			return
		}
		for _, row := range Join(office(), noon) {
			s.Match(row)
		}
	})
}
