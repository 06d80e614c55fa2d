package upstream

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/soctalk/soctalk-ingress/internal/wazuh"
	"github.com/soctalk/soctalk-ingress/internal/wazuhsim/manager"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// First come, first served; not too many, not too long.
func TestTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		take := func(most int, patience time.Duration) error { return q.take(t.Context(), most, patience) }
		if err := take(0, time.Second); err != nil {
			t.Fatal(err)
		}
		if err := take(0, time.Second); !errors.Is(err, ErrQueueFull) {
			t.Errorf("behind nobody: got %v", err)
		}
		if err := take(1, time.Second); !errors.Is(err, ErrQueueTimeout) {
			t.Errorf("after a second: got %v", err)
		}
		order := make(chan int, 3)
		for i := range 3 {
			go func() {
				if err := take(5, time.Hour); err != nil {
					t.Error(err)
				}
				order <- i
			}()
			synctest.Wait()
		}
		for i := range 3 {
			q.give()
			if got := <-order; got != i {
				t.Errorf("number %d had its turn, want %d", got, i)
			}
		}
		q.give()
		if q.waiting.Load() != 0 {
			t.Error("somebody still waits")
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_ = take(0, time.Second)
		if err := q.take(ctx, 1, time.Second); !errors.Is(err, context.Canceled) {
			t.Errorf("when stopped: got %v", err)
		}
	})
}

func start(t *testing.T, faults ...string) (*manager.Manager, *Client) {
	t.Helper()
	return startVersion(t, wazuh.DefaultVersion, faults...)
}

func startVersion(t *testing.T, version string, faults ...string) (*manager.Manager, *Client) {
	t.Helper()
	m, err := manager.Start(manager.Options{Root: t.TempDir(), Version: version, Faults: faults})
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(Options{
		Address: m.Addresses().Enroll, Password: func() wazuh.Secret { return wazuh.Secret{} }, Exchange: 2 * time.Second, RetryPause: time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = m.Close()
		c.Close()
	})
	return m, c
}

func ask(c *Client, name string) (Answer, error) {
	return c.Enroll(context.Background(), Wait{Behind: 10, Patience: time.Minute}, func() (wazuh.EnrollRequest, error) {
		return wazuh.EnrollRequest{Name: name}, nil
	})
}

// An answer in two records, which agents don't understand, leaves us in one.
func TestASplitAnswerIsJoined(t *testing.T) {
	_, c := start(t, string(manager.FaultAuthdSplit))
	a, err := ask(c, "web-01")
	if err != nil || a.ID != "001" || a.Name != "web-01" || !strings.HasSuffix(string(a.Bytes()), "'") {
		t.Errorf("got %+v, %v", a.ID, err)
	}
	a, err = ask(c, "web-01")
	if err != nil || a.Refused == nil || string(a.Bytes()) != "ERROR: Duplicate agent name: web-01. Unable to add agent" {
		t.Errorf("got %q, %v", a.Bytes(), err)
	}
}

// A refusal in two texts, as managers before 4.13 send it, is one to us, and to the agent.
func TestAnOlderRefusal(t *testing.T) {
	_, c := startVersion(t, "v4.3.11")
	if err := c.Check(t.Context(), Wait{Patience: time.Minute}); err != nil {
		t.Errorf("a healthy authd: %v", err)
	}
	if a, err := ask(c, "web-01"); err != nil || a.ID != "001" {
		t.Errorf("got %q, %v", a.ID, err)
	}
	a, err := ask(c, "web-01")
	if err != nil || a.Refused == nil || a.Refused.Reason != "Duplicate agent name: web-01" ||
		string(a.Bytes()) != "ERROR: Duplicate agent name: web-01. Unable to add agent" {
		t.Errorf("got %q, %v", a.Bytes(), err)
	}
}

// Only what was surely not asked is asked again: else an agent would be refused
// as a duplicate of itself.
func TestTroubleIsTold(t *testing.T) {
	m, c := start(t)
	if err := c.Check(t.Context(), Wait{Patience: time.Minute}); err != nil {
		t.Errorf("a healthy authd: %v", err)
	}
	for fault, want := range map[manager.Fault]error{manager.FaultAuthdFull: ErrDown, manager.FaultAuthdSilent: ErrSilent} {
		if err := m.SetFault(fault, true); err != nil {
			t.Fatal(err)
		}
		if _, err := ask(c, "web-01"); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", fault, err, want)
		}
		if err := m.SetFault(fault, false); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := New(Options{Address: "nowhere"}); err == nil {
		t.Error("an address without a port was accepted")
	}
}

func FuzzUnderstand(f *testing.F) {
	f.Add([]byte("OSSEC K:'001 web-01 any " + strings.Repeat("ab", 32) + "'"))
	f.Add([]byte("ERROR: Invalid password. Unable to add agent"))
	f.Add([]byte("ERROR: Inva"))
	f.Add([]byte("ERROR: Invalid passwordERROR: Unable to add agent"))
	f.Fuzz(func(t *testing.T, text []byte) {
		a, whole := understand(text)
		if whole && (a.Refused == nil) == (a.ID == "") {
			t.Errorf("%q: neither key nor refusal, or both", text)
		}
	})
}
