package handover

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

// Limits of presses of the button. A token cannot be guessed (256 bits); they
// protect the API server behind us.
const (
	perSource      = 10 // at once, and one more every sourceRefill
	sourceRefill   = 6 * time.Second
	perSite        = 100 // for everybody together, and siteRate a second
	siteRate       = 20
	rememberedPeer = 10_000
)

// limits are the buckets of every source seen lately, and one for all.
type limits struct {
	mu      sync.Mutex
	sources *lru.Cache[netip.Prefix, *rate.Limiter]
	all     *rate.Limiter
}

func newLimits() *limits {
	sources, err := lru.New[netip.Prefix, *rate.Limiter](rememberedPeer)
	if err != nil {
		panic(err) // a positive size is always accepted
	}
	return &limits{sources: sources, all: rate.NewLimiter(siteRate, perSite)}
}

// allow takes from the source's bucket first, so that one address cannot empty
// everybody's.
func (l *limits) allow(source netip.Addr, now time.Time) bool {
	bits := 32
	if source.Is6() {
		bits = 64 // one subscriber's network
	}
	network, err := source.Prefix(bits)
	if err != nil {
		network = netip.Prefix{} // nobody we can name: one bucket for all of those
	}
	l.mu.Lock()
	bucket, ok := l.sources.Get(network)
	if !ok {
		bucket = rate.NewLimiter(rate.Every(sourceRefill), perSource)
		l.sources.Add(network, bucket)
	}
	l.mu.Unlock()
	return bucket.AllowN(now, 1) && l.all.AllowN(now, 1)
}

// clientOf is the address a request came from. A proxy's word counts only where
// the proxy is known, and of the chain it names, the last address that is not a
// proxy of ours: what stands before that, the client wrote itself.
func clientOf(r *http.Request, proxies []netip.Prefix) netip.Addr {
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
