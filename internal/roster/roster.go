// Package roster answers "who are this tenant's agents": what the manager says of
// each, how it got its key, and where it was seen coming from, in one row.
//
// The three are told apart because they differ: a manager knows neither the
// address an agent connects from nor the token it enrolled with, and says
// "never connected" of one that enrolled a second ago. [Join] puts them together
// and [Selector] chooses among the rows; neither asks anybody anything.
package roster

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Agent is an agent as its manager describes it; what it does not know is empty.
type Agent struct {
	ID, Name, Version, OS, Status string
	Groups                        []string
	Registered, LastKeepAlive     time.Time
	// ReportedIP is what the agent says of itself, RegisterIP the address column of its key.
	ReportedIP, RegisterIP string
}

// Enrollment is how an agent got its key, as the gateway wrote it down.
type Enrollment struct {
	At       time.Time
	ID, Name string
	// Credential is the kind of secret that was shown: secret, previous or token.
	Credential string
	// Token is the name of the token, if it was one.
	Token string
	// Source is the address it came from, Via the proxy that said so.
	Source, Via string
}

// With says in a word or two what was shown.
func (e Enrollment) With() string {
	switch {
	case e.Token != "":
		return "token " + e.Token
	case e.Credential == "previous":
		return "previous secret"
	}
	return e.Credential
}

// Sighting is where somebody came from who called itself agent ID on the events port.
type Sighting struct {
	ID, Source string
	At         time.Time
	// Open is true while a session is.
	Open bool
}

// StateEnrolled is the state of an agent that has a key and was not heard of yet.
const StateEnrolled = "enrolled"

// neverConnected is what a manager calls it, for good.
const neverConnected = "never_connected"

// freshFor is how long an agent may take from its key to its first message: it
// waits 20 s by itself, and a roll-out restarts services.
const freshFor = 10 * time.Minute

// Row is one agent.
type Row struct {
	Agent
	// State is the manager's status, or StateEnrolled for one that just enrolled.
	State string
	// Enrollment is nil where nobody wrote it down.
	Enrollment *Enrollment
	// SeenFrom is the address of its latest session; empty where nobody looks.
	SeenFrom string
	// SeenAt is when that was.
	SeenAt time.Time
}

// Known is everything that is known of a tenant's agents.
type Known struct {
	Agents      []Agent
	Enrollments []Enrollment
	Sightings   []Sighting
}

// Join makes the rows, in the order of the ids. An agent that enrolled a moment
// ago has a row even if the manager does not list it yet.
func Join(known Known, now time.Time) []Row {
	latest := map[string]Enrollment{}
	for _, e := range known.Enrollments {
		if held, ok := latest[e.ID]; !ok || held.At.Before(e.At) {
			latest[e.ID] = e
		}
	}
	seen := map[string]Sighting{}
	for _, s := range known.Sightings {
		if held, ok := seen[s.ID]; !ok || !held.Open && s.Open || held.Open == s.Open && held.At.Before(s.At) {
			seen[s.ID] = s
		}
	}
	var rows []Row
	listed := map[string]bool{}
	for _, agent := range known.Agents {
		listed[agent.ID] = true
		row := Row{Agent: agent, State: agent.Status}
		// Ids are given out again: another name was another agent.
		if e, ok := latest[agent.ID]; ok && e.Name == agent.Name {
			row.Enrollment = &e
		}
		if agent.Status == neverConnected && now.Sub(row.keySince()) < freshFor {
			row.State = StateEnrolled
		}
		if s, ok := seen[agent.ID]; ok && !s.At.Before(agent.Registered) {
			row.SeenFrom, row.SeenAt = s.Source, s.At
		}
		rows = append(rows, row)
	}
	for id, e := range latest {
		const listingLag = 5 * time.Second // longer, and an agent just deleted would be shown
		if !listed[id] && now.Sub(e.At) < listingLag {
			rows = append(rows, Row{Agent: Agent{ID: id, Name: e.Name, Registered: e.At}, State: StateEnrolled, Enrollment: &e})
		}
	}
	slices.SortFunc(rows, func(a, b Row) int { return byNumber(a.ID, b.ID) })
	return rows
}

// keySince is when the agent got its key.
func (r Row) keySince() time.Time {
	if r.Enrollment != nil {
		return r.Enrollment.At
	}
	return r.Registered
}

func byNumber(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

// Counts are how many agents there are in each state, in a line such as
// "3 agents: 2 active, 1 enrolled".
func Counts(rows []Row) map[string]int {
	counts := map[string]int{}
	for _, row := range rows {
		counts[row.State]++
	}
	return counts
}
