package policy

import (
	"cmp"
	"fmt"
	"time"
)

// Limits protect the gateway and the manager behind it. The zero value of each
// is its default; see [Limits.WithDefaults]. "Source" is one IPv4 address or one
// IPv6 /64 network, after the PROXY protocol has told it.
type Limits struct {
	// Connections at a time, and how many of them from one source.
	Connections          int `json:"connections,omitempty"`
	ConnectionsPerSource int `json:"connectionsPerSource,omitempty"`
	// UnprovenPerSource is how many connections of one source are served at a
	// time before they have shown a valid secret. Further ones wait their turn:
	// a site behind one address may start a thousand agents at once.
	UnprovenPerSource int `json:"unprovenPerSource,omitempty"`
	// FailuresPerMinute is what one source may get wrong before it is turned
	// away at the door; as many at once are forgiven.
	FailuresPerMinute int `json:"failuresPerMinute,omitempty"`
	// TenantFailuresPerMinute is the same for all sources together. Beyond it,
	// sources that failed lately are turned away; those that did not are served.
	TenantFailuresPerMinute int `json:"tenantFailuresPerMinute,omitempty"`
	// EnrollmentsPerMinute is how many requests of one source reach the manager,
	// EnrollmentBurst how many of them at once.
	EnrollmentsPerMinute int `json:"enrollmentsPerMinute,omitempty"`
	EnrollmentBurst      int `json:"enrollmentBurst,omitempty"`
	// Waiting is how many requests may queue for the manager.
	Waiting int `json:"waiting,omitempty"`
	// Line is the longest request, in bytes.
	Line int `json:"line,omitempty"`

	// Hello is how long a peer may take to say anything, its ClientHello
	// complete; Handshake until TLS stands; Request from then to the end of the
	// line; Queue for a turn at the manager; Total for everything.
	Hello     Duration `json:"hello,omitempty"`
	Handshake Duration `json:"handshake,omitempty"`
	Request   Duration `json:"request,omitempty"`
	Queue     Duration `json:"queue,omitempty"`
	Total     Duration `json:"total,omitempty"`
}

// maxLine is the size of authd's own request buffer.
const maxLine = 65536 + 4096

// WithDefaults fills in what is not set. An agent waits 60 seconds for its
// answer, so the queue must be done well before.
func (l Limits) WithDefaults() Limits {
	return Limits{
		Connections:             cmp.Or(l.Connections, 2048),
		ConnectionsPerSource:    cmp.Or(l.ConnectionsPerSource, 1024),
		UnprovenPerSource:       cmp.Or(l.UnprovenPerSource, 64),
		FailuresPerMinute:       cmp.Or(l.FailuresPerMinute, 60),
		TenantFailuresPerMinute: cmp.Or(l.TenantFailuresPerMinute, 1200),
		EnrollmentsPerMinute:    cmp.Or(l.EnrollmentsPerMinute, 600),
		EnrollmentBurst:         cmp.Or(l.EnrollmentBurst, 1000),
		Waiting:                 cmp.Or(l.Waiting, 1024),
		Line:                    cmp.Or(l.Line, 16<<10),
		Hello:                   cmp.Or(l.Hello, Duration(5*time.Second)),
		Handshake:               cmp.Or(l.Handshake, Duration(10*time.Second)),
		Request:                 cmp.Or(l.Request, Duration(5*time.Second)),
		Queue:                   cmp.Or(l.Queue, Duration(40*time.Second)),
		Total:                   cmp.Or(l.Total, Duration(60*time.Second)),
	}
}

// unbounded is more than a source gets wrong in a minute.
const unbounded = 1 << 30

// SourcesHidden are the limits where nobody's own address is seen, because whoever
// passes agents on puts its own in their place: one guesser would have everybody
// turned away that comes the same way. What holds the tenant together is left, and
// that secrets are too long to guess.
func SourcesHidden() Limits {
	all := Limits{}.WithDefaults().Connections
	return Limits{ConnectionsPerSource: all, UnprovenPerSource: all, FailuresPerMinute: unbounded, TenantFailuresPerMinute: unbounded}
}

// Duration is a time.Duration that reads and writes as "30s".
type Duration time.Duration

// D is the duration as package time wants it.
func (d Duration) D() time.Duration { return time.Duration(d) }

// MarshalText writes Go's form, such as 1m30s.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads Go's form.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("duration %q: want a form such as 30s or 2m", text)
	}
	*d = Duration(parsed)
	return nil
}
