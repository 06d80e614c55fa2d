package gateway_test

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/gateway/audit"
	"github.com/soctalk/soctalk-ingress/internal/gateway/policy"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// While one address guesses secrets as fast as it can, others enroll; and of
// thousands of guesses only a few are even listened to.
func TestGuessingDelaysOnlyTheGuesser(t *testing.T) {
	// The clock stands still, so that a slow machine forgives no mistakes.
	s := newSite(t, basic(), func(s *site) { s.clock.still = time.Now() })
	const guesses = 2000
	var made atomic.Int64
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for made.Add(1) <= guesses {
				_, _ = s.tryEnroll(wrongSecret, agent("guess"), "127.0.0.66")
			}
		})
	}
	s.eventually("the flood", func() bool { return made.Load() > 100 })
	for i := range 20 {
		s.want("", tenantSecret, agent(fmt.Sprintf("good-%d", i)), "127.0.0.7")
	}
	if made.Load() >= guesses {
		t.Log("the flood was over before the good enrollments were")
	}
	wait.Wait()
	heard, _ := strconv.Atoi(s.metric(attempts(audit.Refused, policy.ReasonUnknownSecret)))
	turned, _ := strconv.Atoi(s.metric(attempts(audit.Dropped, policy.ReasonTooManyFailures)))
	// Eight at a time may already be inside when the limit is reached.
	if heard > 60+8 || heard+turned < guesses {
		t.Errorf("%d guesses were listened to and %d turned away of %d; want about 60 and the rest", heard, turned, guesses)
	}
	if n := len(s.gateway.Enrollments(0, 100_000).Records); n > 200 {
		t.Errorf("the flood left %d records in the audit", n)
	}
	// An hour later the guesser may try again.
	s.clock.advance(time.Hour)
	s.want("", tenantSecret, agent("repentant"), "127.0.0.66")
}

// Guessing from everywhere does not shut the door on those who did nothing wrong.
func TestGuessingFromEverywhere(t *testing.T) {
	p := basic()
	p.Limits.TenantFailuresPerMinute = 20
	s := newSite(t, p, func(s *site) { s.clock.still = time.Now() })
	for i := range 30 {
		_, _ = s.tryEnroll(wrongSecret, agent("guess"), fmt.Sprintf("127.0.5.%d", 1+i))
	}
	if _, err := s.tryEnroll(tenantSecret, agent("guess"), "127.0.5.1"); err == nil {
		t.Error("a source that failed is served while the tenant is under attack")
	}
	if got := s.metric(attempts(audit.Dropped, policy.ReasonUnderAttack)); got != "1" {
		t.Errorf("%q were turned away as part of the attack, want 1", got)
	}
	s.want("", tenantSecret, agent("good"), "127.0.6.1")
}

// One address holds as many connections as it can, and says nothing.
func TestSilentConnectionsDelayOnlyTheirOwn(t *testing.T) {
	p := basic()
	p.Limits = policy.Limits{Connections: 150, ConnectionsPerSource: 100, UnprovenPerSource: 5, Hello: policy.Duration(time.Minute), FailuresPerMinute: 1000}
	s := newSite(t, p)
	for range 120 {
		s.dial("127.0.0.66")
	}
	s.eventually("twenty of them turned away", func() bool {
		return s.metric(attempts(audit.Dropped, policy.ReasonTooManyFromSource)) == "20"
	})
	if open := s.gateway.State().Connections; open != 100 {
		t.Errorf("%d connections are open, want 100", open)
	}
	s.want("", tenantSecret, agent("good"), "127.0.0.7")
}

// The whole gateway has a limit too.
func TestConnectionsAreLimited(t *testing.T) {
	p := basic()
	p.Limits = policy.Limits{Connections: 3}
	s := newSite(t, p)
	conns := []interface{ Close() error }{s.dial(), s.dial(), s.dial()}
	s.eventually("three connections", func() bool { return s.gateway.State().Connections == 3 })
	if _, err := s.tryEnroll(tenantSecret, agent("one-more")); err == nil {
		t.Error("a fourth connection was served")
	}
	_ = conns[0].Close()
	s.eventually("one gone", func() bool { return s.gateway.State().Connections == 2 })
	s.want("", tenantSecret, agent("now"))
}

// With the right secret one can still only enroll so many.
func TestEnrollmentsPerSource(t *testing.T) {
	p := basic()
	p.Limits = policy.Limits{EnrollmentsPerMinute: 1, EnrollmentBurst: 2}
	s := newSite(t, p)
	s.want("", tenantSecret, agent("a1"))
	s.want("", tenantSecret, agent("a2"))
	s.want(wazuh.ReasonInternalAdd("a3"), tenantSecret, agent("a3"))
	s.wantReason("a3", policy.ReasonTooManyEnrollments)
	s.want("", tenantSecret, agent("a3"), "127.0.0.7")
}
