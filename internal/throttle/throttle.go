// Package throttle limits how often strangers may ask for something that costs more
// than its answer: each source by itself, and behind that everybody together. Start
// with [New]; [Client] says where a request came from.
package throttle

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// Limits say how much is let through.
type Limits struct {
	// Burst of one source at once, and one more every Refill.
	Burst  int
	Refill time.Duration
	// Site is the burst of all sources together, and SiteRate how many more a second.
	Site     int
	SiteRate rate.Limit
}

// remembered is how many sources are told apart; the rest begin anew.
const remembered = 10_000

// Throttle has a bucket for every source seen lately, and one for all.
type Throttle struct {
	limits  Limits
	mu      sync.Mutex
	sources *lru.Cache[netip.Prefix, *rate.Limiter]
	all     *rate.Limiter
}

// New makes full buckets.
func New(limits Limits) *Throttle {
	sources, err := lru.New[netip.Prefix, *rate.Limiter](remembered)
	if err != nil {
		panic(err) // a positive size is always accepted
	}
	return &Throttle{limits: limits, sources: sources, all: rate.NewLimiter(limits.SiteRate, limits.Site)}
}

// Allow takes from the source's bucket first, so that one address cannot empty
// everybody's.
func (t *Throttle) Allow(source netip.Addr, now time.Time) bool {
	bits := 32
	if source.Is6() {
		bits = 64 // one subscriber's network
	}
	network, err := source.Prefix(bits)
	if err != nil {
		network = netip.Prefix{} // nobody we can name: one bucket for all of those
	}
	t.mu.Lock()
	bucket, ok := t.sources.Get(network)
	if !ok {
		bucket = rate.NewLimiter(rate.Every(t.limits.Refill), t.limits.Burst)
		t.sources.Add(network, bucket)
	}
	t.mu.Unlock()
	return bucket.AllowN(now, 1) && t.all.AllowN(now, 1)
}

// Client is the address a request came from. A proxy's word counts only where
// the proxy is known, and of the chain it names, the last address that is not a
// proxy of ours: what stands before that, the client wrote itself.
func Client(r *http.Request, proxies []netip.Prefix) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	peer, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	peer = peer.Unmap().WithZone("")
	chain := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(chain) - 1; i >= 0 && within(peer, proxies); i-- {
		next, err := netip.ParseAddr(strings.TrimSpace(chain[i]))
		if err != nil {
			break
		}
		peer = next.Unmap().WithZone("")
	}
	return peer
}

func within(address netip.Addr, networks []netip.Prefix) bool {
	for _, network := range networks {
		if network.Contains(address) {
			return true
		}
	}
	return false
}
