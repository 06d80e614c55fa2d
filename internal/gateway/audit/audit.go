// Package audit keeps the enrollment log: one line for each attempt, with who,
// from where, what came of it and why. Never a secret, never a key.
//
// Lines go to a logger for good and to a ring in memory, from which the operator
// reads what is new ([Log.After]) to show how an agent got in.
package audit

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/gateway/policy"
)

// Outcomes of an attempt.
const (
	// Enrolled: the agent has its key.
	Enrolled = "enrolled"
	// Refused: the agent was told no, by us or by the manager.
	Refused = "refused"
	// Failed: it may have been right, but could not be served.
	Failed = "failed"
	// Dropped: the connection was closed without an answer.
	Dropped = "dropped"
)

// Record is one attempt.
type Record struct {
	Seq    uint64    `json:"seq"`
	Time   time.Time `json:"time"`
	Source string    `json:"source"`
	// Via is the proxy that named the source, if one did.
	Via        string `json:"via,omitempty"`
	Name       string `json:"name,omitempty"`
	ID         string `json:"id,omitempty"`
	Version    string `json:"version,omitempty"`
	Groups     string `json:"groups,omitempty"`
	Credential string `json:"credential,omitempty"`
	Token      string `json:"token,omitempty"`
	// Ban is the ID of the ban the attempt falls under.
	Ban     string        `json:"ban,omitempty"`
	Outcome string        `json:"outcome"`
	Reason  policy.Reason `json:"reason"`
	// Detail is what the manager said, or how often this happened.
	Detail string  `json:"detail,omitempty"`
	Millis float64 `json:"ms"`
}

// Page is a part of the log.
type Page struct {
	// Instance changes when the gateway restarts and counts from one again.
	Instance string   `json:"instance"`
	Records  []Record `json:"records"`
	// Next is what to ask for next time.
	Next uint64 `json:"next"`
	// Missed says that older records were asked for than are still kept.
	Missed bool `json:"missed,omitempty"`
}

// Log is the enrollment log. It is safe for concurrent use.
type Log struct {
	log      *slog.Logger
	instance string

	mu   sync.Mutex
	ring []Record
	last uint64 // Seq of the newest
}

// New makes a log that keeps size records in memory.
func New(log *slog.Logger, instance string, size int) *Log {
	return &Log{log: log, instance: instance, ring: make([]Record, size)}
}

// maxText clips what a peer chose.
const maxText = 300

// Add writes a record down and gives it its number.
func (l *Log) Add(r Record) {
	r.Name, r.Version, r.Groups, r.Detail = clip(r.Name), clip(r.Version), clip(r.Groups), clip(r.Detail)
	l.mu.Lock()
	l.last++
	r.Seq = l.last
	l.ring[r.Seq%uint64(len(l.ring))] = r
	l.mu.Unlock()
	l.log.LogAttrs(context.Background(), slog.LevelInfo, "enrollment", r.attrs()...)
}

func clip(s string) string { return s[:min(len(s), maxText)] }

func (r Record) attrs() []slog.Attr {
	attrs := []slog.Attr{slog.String("source", r.Source), slog.String("outcome", r.Outcome), slog.String("reason", string(r.Reason))}
	for _, a := range []struct{ key, value string }{
		{"via", r.Via}, {"name", r.Name}, {"id", r.ID}, {"version", r.Version}, {"groups", r.Groups},
		{"credential", r.Credential}, {"token", r.Token}, {"ban", r.Ban}, {"detail", r.Detail},
	} {
		if a.value != "" {
			attrs = append(attrs, slog.String(a.key, a.value))
		}
	}
	return append(attrs, slog.Float64("ms", r.Millis), slog.Uint64("seq", r.Seq))
}

// After returns up to limit records newer than seq, oldest first.
func (l *Log) After(seq uint64, limit int) Page {
	l.mu.Lock()
	defer l.mu.Unlock()
	page := Page{Instance: l.instance, Records: []Record{}, Next: min(seq, l.last)}
	oldest := uint64(1)
	if kept := uint64(len(l.ring)); l.last > kept {
		oldest = l.last - kept + 1
	}
	first := page.Next + 1
	if first < oldest {
		page.Missed, first = true, oldest
	}
	for n := first; n <= l.last && len(page.Records) < limit; n++ {
		page.Records = append(page.Records, l.ring[n%uint64(len(l.ring))])
		page.Next = n
	}
	return page
}

// Last is the number of the newest record.
func (l *Log) Last() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}
