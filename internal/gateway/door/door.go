// Package door decides, before a byte is read, whether a connection is served.
//
// It counts connections and mistakes per source and for the whole tenant, so
// that whoever guesses secrets or holds connections open delays only itself. A
// source is one IPv4 address or one IPv6 /64. What is remembered of sources is
// bounded: the least recently seen is forgotten first. Start with [Door.Enter].
package door

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"

	"github.com/soctalk/soctalk-ingress/internal/gateway/policy"
)

// remembered sources; far more than connections at a time, so that one with an
// open connection is forgotten only if thousands of others came since. Then its
// count begins anew, which the limit on all connections bounds.
const remembered = 16384

// quiet is how often a source that is turned away is written into the audit.
const quiet = time.Minute

// Door keeps the counts. It is safe for concurrent use.
type Door struct {
	now func() time.Time

	mu       sync.Mutex
	limits   policy.Limits
	open     int
	sources  *simplelru.LRU[netip.Prefix, *source]
	failures *rate.Limiter // of the whole tenant
}

type source struct {
	open        int
	unproven    chan struct{}
	failures    *rate.Limiter
	enrollments *rate.Limiter

	reported   time.Time
	suppressed int
}

// New makes a door; limits have their defaults filled in.
func New(limits policy.Limits, now func() time.Time) *Door {
	// The only error is about a size that isn't positive.
	sources, err := simplelru.NewLRU[netip.Prefix, *source](remembered, nil)
	if err != nil {
		panic(err)
	}
	d := &Door{now: now, sources: sources}
	d.SetLimits(limits)
	return d
}

// SetLimits changes the limits. If they differ, every source starts afresh.
func (d *Door) SetLimits(limits policy.Limits) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if limits == d.limits {
		return
	}
	d.limits = limits
	d.failures = perMinute(limits.TenantFailuresPerMinute, limits.TenantFailuresPerMinute)
	d.sources.Purge()
}

func perMinute(n, burst int) *rate.Limiter { return rate.NewLimiter(rate.Limit(float64(n)/60), burst) }

// Count takes a connection in before its source is known, and reports whether
// there is room. A true must be followed by Uncount.
func (d *Door) Count() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open >= d.limits.Connections {
		return false
	}
	d.open++
	return true
}

// Uncount says that a counted connection has ended.
func (d *Door) Uncount() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open--
}

// Open is how many connections there are.
func (d *Door) Open() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.open
}

// Refusal says that a connection is to be closed at once.
type Refusal struct {
	Reason policy.Reason
	// Report says that this one should be written into the audit, and for how
	// many others it speaks.
	Report     bool
	Suppressed int
}

// Enter lets a connection in, after a wait if its source has many that have not
// shown a secret. It returns a Pass to be given back with Leave, or a Refusal.
func (d *Door) Enter(ctx context.Context, from netip.Addr) (*Pass, *Refusal) {
	s, refusal := d.enter(from)
	if refusal != nil {
		return nil, refusal
	}
	pass := &Pass{door: d, source: s}
	select {
	case s.unproven <- struct{}{}:
		pass.unproven = true
		return pass, nil
	case <-ctx.Done():
		pass.Leave()
		return nil, d.turnAway(s, policy.ReasonTooManyFromSource)
	}
}

func (d *Door) enter(from netip.Addr) (*source, *Refusal) {
	now := d.now()
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.find(from)
	left := s.failures.TokensAt(now)
	switch {
	case left < 1:
		return nil, s.turnAway(now, policy.ReasonTooManyFailures)
	case d.failures.TokensAt(now) < 1 && left < float64(s.failures.Burst())-0.5:
		return nil, s.turnAway(now, policy.ReasonUnderAttack)
	case s.open >= d.limits.ConnectionsPerSource:
		return nil, s.turnAway(now, policy.ReasonTooManyFromSource)
	}
	s.open++
	return s, nil
}

func (d *Door) turnAway(s *source, reason policy.Reason) *Refusal {
	d.mu.Lock()
	defer d.mu.Unlock()
	return s.turnAway(d.now(), reason)
}

func (s *source) turnAway(now time.Time, reason policy.Reason) *Refusal {
	if !s.reported.IsZero() && now.Sub(s.reported) < quiet {
		s.suppressed++
		return &Refusal{Reason: reason}
	}
	refusal := &Refusal{Reason: reason, Report: true, Suppressed: s.suppressed}
	s.reported, s.suppressed = now, 0
	return refusal
}

func (d *Door) find(from netip.Addr) *source {
	key := Source(from)
	if s, ok := d.sources.Get(key); ok {
		return s
	}
	s := &source{
		unproven:    make(chan struct{}, d.limits.UnprovenPerSource),
		failures:    perMinute(d.limits.FailuresPerMinute, d.limits.FailuresPerMinute),
		enrollments: perMinute(d.limits.EnrollmentsPerMinute, d.limits.EnrollmentBurst),
	}
	d.sources.Add(key, s)
	return s
}

// Source is what counts as one source: whoever has an IPv6 network has 2^64
// addresses to come from.
func Source(address netip.Addr) netip.Prefix {
	address = address.Unmap().WithZone("")
	bits := address.BitLen()
	if address.Is6() {
		bits = 64
	}
	prefix, err := address.Prefix(bits)
	if err != nil { // the zero address: all unknown peers are one source
		return netip.Prefix{}
	}
	return prefix
}
