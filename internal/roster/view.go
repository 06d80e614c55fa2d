package roster

import "time"

// View is an agent as the command line and the console write it for programs; what nobody knows of an agent is
// left out. Status is the manager's word, state ours.
type View struct {
	ID            string          `json:"id"`
	Name          string          `json:"name"`
	Groups        []string        `json:"groups,omitempty"`
	Version       string          `json:"version,omitempty"`
	OS            string          `json:"os,omitempty"`
	State         string          `json:"state"`
	Status        string          `json:"status,omitempty"`
	LastKeepAlive *time.Time      `json:"lastKeepAlive,omitempty"`
	Registered    *time.Time      `json:"registered,omitempty"`
	IP            string          `json:"ip,omitempty"`
	RegisterIP    string          `json:"registerIP,omitempty"`
	SeenFrom      string          `json:"seenFrom,omitempty"`
	SeenAt        *time.Time      `json:"seenAt,omitempty"`
	Enrollment    *EnrollmentView `json:"enrollment,omitempty"`
}

// EnrollmentView is how an agent got its key.
type EnrollmentView struct {
	At         time.Time `json:"at"`
	Credential string    `json:"credential"`
	Token      string    `json:"token,omitempty"`
	Source     string    `json:"source"`
	Via        string    `json:"via,omitempty"`
}

// ViewOf writes a row so.
func ViewOf(row Row) View {
	view := View{
		ID: row.ID, Name: row.Name, Groups: row.Groups, Version: row.Version, OS: row.OS, State: row.State, Status: row.Status,
		LastKeepAlive: known(row.LastKeepAlive), Registered: known(row.Registered),
		IP: row.ReportedIP, RegisterIP: row.RegisterIP, SeenFrom: row.SeenFrom, SeenAt: known(row.SeenAt),
	}
	if e := row.Enrollment; e != nil {
		view.Enrollment = &EnrollmentView{At: e.At, Credential: e.Credential, Token: e.Token, Source: e.Source, Via: e.Via}
	}
	return view
}

func known(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	return &at
}
