package gateway_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/gateway/policy"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// measured is one side of the comparison.
type measured struct {
	perSecond float64
	p50, p99  time.Duration
}

const (
	benchRounds = 3 // alternating, so that a busy machine slows both sides
	benchRound  = 3 * time.Second
)

// BenchmarkEnrollment compares enrolling through the gateway with enrolling at
// the bare manager, in one run and by turns; what counts are the ratios. Each
// round has its own pair, because authd rewrites all keys for each agent.
// `make bench-gateway` runs it once; b.N does not matter.
func BenchmarkEnrollment(b *testing.B) {
	for _, clients := range []int{1, 16} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			var bare, through measured
			for range benchRounds {
				s := newSite(b, generous(), func(s *site) { s.config.Log = slog.New(slog.DiscardHandler) })
				addresses := map[*measured][2]string{
					&bare: {s.manager.Addresses().Enroll, internalSecret}, &through: {s.gateway.Addresses().Enrollment, tenantSecret},
				}
				for into, at := range addresses {
					into.add(load(b, at[0], at[1], clients))
				}
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(bare.perSecond, "bare/s")
			b.ReportMetric(through.perSecond, "gateway/s")
			b.ReportMetric(through.perSecond/bare.perSecond, "rate-ratio")
			b.ReportMetric(ms(bare.p50), "bare-p50-ms")
			b.ReportMetric(ms(through.p50), "gateway-p50-ms")
			b.ReportMetric(ms(bare.p99), "bare-p99-ms")
			b.ReportMetric(ms(through.p99), "gateway-p99-ms")
			b.ReportMetric(float64(through.p50)/float64(bare.p50), "p50-ratio")
			b.ReportMetric(float64(through.p99)/float64(bare.p99), "p99-ratio")
		})
	}
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// add keeps the mean over rounds.
func (m *measured) add(o measured) {
	m.perSecond += o.perSecond / benchRounds
	m.p50 += o.p50 / benchRounds
	m.p99 += o.p99 / benchRounds
}

func generous() *policy.Policy {
	p := basic()
	p.Limits = policy.Limits{EnrollmentsPerMinute: 1_000_000, EnrollmentBurst: 1_000_000}
	return p
}

var benchNames atomic.Int64

// load enrolls with so many clients for a round.
func load(b *testing.B, address, secret string, clients int) measured {
	b.Helper()
	var mu sync.Mutex
	var took []time.Duration
	var wait sync.WaitGroup
	begin := time.Now()
	for range clients {
		wait.Go(func() {
			for time.Since(begin) < benchRound {
				request := agent(fmt.Sprintf("host-%d", benchNames.Add(1)))
				request.Password = wazuh.NewSecret(secret)
				asked := time.Now()
				if _, err := wazuh.Enroll(context.Background(), wazuh.EnrollOptions{Address: address, Request: request}); err != nil {
					b.Error(err)
					return
				}
				mu.Lock()
				took = append(took, time.Since(asked))
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	slices.Sort(took)
	if len(took) == 0 {
		b.Fatal("nobody enrolled")
	}
	return measured{
		perSecond: float64(len(took)) / time.Since(begin).Seconds(), p50: took[len(took)/2], p99: took[len(took)*99/100],
	}
}
