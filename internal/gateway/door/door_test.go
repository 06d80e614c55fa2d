package door

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/gateway/policy"
)

var home = netip.MustParseAddr("192.0.2.1")

func limits(change func(*policy.Limits)) policy.Limits {
	l := policy.Limits{}.WithDefaults()
	change(&l)
	return l
}

// enter goes in or fails the test.
func enter(t *testing.T, d *Door, from netip.Addr) *Pass {
	t.Helper()
	pass, refusal := d.Enter(t.Context(), from)
	if refusal != nil {
		t.Fatalf("%s was turned away: %s", from, refusal.Reason)
	}
	return pass
}

func refused(t *testing.T, d *Door, from netip.Addr, want policy.Reason) *Refusal {
	t.Helper()
	pass, refusal := d.Enter(t.Context(), from)
	if refusal == nil {
		pass.Leave()
		t.Fatalf("%s was let in, want %s", from, want)
	}
	if refusal.Reason != want {
		t.Fatalf("%s was turned away: %s, want %s", from, refusal.Reason, want)
	}
	return refusal
}

// Mistakes are forgiven with time, and only their own.
func TestMistakesOfOneSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(limits(func(l *policy.Limits) { l.FailuresPerMinute = 3 }), time.Now)
		for range 3 {
			pass := enter(t, d, home)
			pass.Failed()
			pass.Leave()
		}
		if r := refused(t, d, home, policy.ReasonTooManyFailures); !r.Report || r.Suppressed != 0 {
			t.Errorf("the first refusal is not reported: %+v", r)
		}
		if r := refused(t, d, home, policy.ReasonTooManyFailures); r.Report {
			t.Error("the second refusal within a minute is reported")
		}
		enter(t, d, netip.MustParseAddr("192.0.2.2")).Leave()
		time.Sleep(21 * time.Second) // of the bubble: a third of a minute forgives one
		pass := enter(t, d, home)
		pass.Failed()
		pass.Leave()
		refused(t, d, home, policy.ReasonTooManyFailures)
		time.Sleep(10 * time.Minute)
		for range 3 {
			pass := enter(t, d, home)
			pass.Failed()
			pass.Leave()
		}
		if r := refused(t, d, home, policy.ReasonTooManyFailures); !r.Report || r.Suppressed != 2 {
			t.Errorf("after a while, the refusal should speak for the 2 before: %+v", r)
		}
	})
}

// A thousand agents behind one address come in a few at a time, and those that
// have shown a secret make room.
func TestTheUnprovenWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(limits(func(l *policy.Limits) { l.UnprovenPerSource = 2 }), time.Now)
		first, second := enter(t, d, home), enter(t, d, home)
		third := make(chan *Pass)
		go func() {
			pass, _ := d.Enter(t.Context(), home)
			third <- pass
		}()
		synctest.Wait()
		select {
		case <-third:
			t.Fatal("a third one was served")
		default:
		}
		first.Proven()
		pass := <-third
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, refusal := d.Enter(ctx, home); refusal == nil || refusal.Reason != policy.ReasonTooManyFromSource {
			t.Errorf("a fourth one, after a minute: got %+v", refusal)
		}
		for _, p := range []*Pass{first, second, pass} {
			p.Leave()
		}
		enter(t, d, home).Leave()
		enter(t, d, home).Leave()
	})
}

func TestTooManyFromOneSource(t *testing.T) {
	d := New(limits(func(l *policy.Limits) { l.ConnectionsPerSource = 1 }), time.Now)
	pass := enter(t, d, home)
	refused(t, d, home, policy.ReasonTooManyFromSource)
	pass.Leave()
	enter(t, d, home).Leave()
}

func TestAllTogether(t *testing.T) {
	d := New(limits(func(l *policy.Limits) { l.Connections = 2 }), time.Now)
	for n, want := range []bool{true, true, false} {
		if got := d.Count(); got != want {
			t.Errorf("room for connection %d: %v, want %v", n+1, got, want)
		}
	}
	d.Uncount()
	if !d.Count() || d.Open() != 2 {
		t.Error("want room for one more")
	}
}

// Somebody with an IPv6 network has more addresses than we have memory.
func TestSourcesAreBounded(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.1": "192.0.2.1/32", "::ffff:192.0.2.1": "192.0.2.1/32", "2001:db8::1:2:3:4": "2001:db8::/64", "fe80::1%eth0": "fe80::/64",
	} {
		if got := Source(netip.MustParseAddr(text)).String(); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
	d := New(policy.Limits{}.WithDefaults(), time.Now)
	for i := range remembered + 1000 {
		enter(t, d, netip.MustParseAddr(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255))).Leave()
	}
	if n := d.sources.Len(); n != remembered {
		t.Errorf("%d sources are remembered, want %d", n, remembered)
	}
	enter(t, d, netip.Addr{}).Leave() // unknown peers are one source
}

// New limits start everybody afresh; the same ones don't.
func TestNewLimits(t *testing.T) {
	old := limits(func(l *policy.Limits) { l.FailuresPerMinute = 1 })
	d := New(old, time.Now)
	pass := enter(t, d, home)
	pass.Failed()
	pass.Leave()
	d.SetLimits(old)
	refused(t, d, home, policy.ReasonTooManyFailures)
	d.SetLimits(limits(func(l *policy.Limits) { l.FailuresPerMinute = 2 }))
	enter(t, d, home).Leave()
}
