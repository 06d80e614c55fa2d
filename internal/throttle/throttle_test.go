package throttle

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"
)

// A client cannot choose its own address, and so neither its bucket nor what the
// audit says, by writing the header itself.
func TestTheAddressOfACaller(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.42.0.0/16")}
	for name, c := range map[string]struct {
		peer    string
		headers []string
		want    string
	}{
		"directly":                               {"203.0.113.7:1", nil, "203.0.113.7"},
		"directly, with a header of its own":     {"203.0.113.7:1", []string{"198.51.100.1"}, "203.0.113.7"},
		"through a proxy":                        {"10.42.0.9:1", []string{"203.0.113.7"}, "203.0.113.7"},
		"through a proxy, and one it made up":    {"10.42.0.9:1", []string{"198.51.100.1, 203.0.113.7"}, "203.0.113.7"},
		"through two proxies":                    {"10.42.0.9:1", []string{"203.0.113.7, 10.42.0.5"}, "203.0.113.7"},
		"through a proxy that adds a header":     {"10.42.0.9:1", []string{"198.51.100.1", "203.0.113.7"}, "203.0.113.7"},
		"through a proxy that says nothing":      {"10.42.0.9:1", nil, "10.42.0.9"},
		"through a proxy that repeats a riddle":  {"10.42.0.9:1", []string{"unknown"}, "10.42.0.9"},
		"IPv4 in IPv6, from the proxy's network": {"[::ffff:10.42.0.9]:1", []string{"2001:db8::7"}, "2001:db8::7"},
	} {
		request := httptest.NewRequest(http.MethodPost, "/kit/open", nil)
		request.RemoteAddr = c.peer
		for _, value := range c.headers {
			request.Header.Add("X-Forwarded-For", value)
		}
		if got := Client(request, proxies); got.String() != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestOneSourceDoesNotUseUpEverybodysAttempts(t *testing.T) {
	limits := Limits{Burst: 10, Refill: 6 * time.Second, Site: 100, SiteRate: 20}
	l, now := New(limits), time.Now()
	loud, quiet := netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("203.0.113.8")
	passed := 0
	for range 1000 {
		if l.Allow(loud, now) {
			passed++
		}
	}
	if passed != limits.Burst {
		t.Errorf("%d of 1000 attempts at once passed, want %d", passed, limits.Burst)
	}
	if !l.Allow(quiet, now) {
		t.Error("another address is refused")
	}
	if !l.Allow(loud, now.Add(limits.Refill)) {
		t.Error("the loud one is refused after its pause")
	}
	a, b := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	for range limits.Burst {
		l.Allow(a, now)
	}
	if l.Allow(b, now) {
		t.Error("one IPv6 network has a bucket for each of its addresses")
	}
}

// However many addresses somebody has, what stands behind is asked no more often.
func TestAllSourcesTogetherAreLimited(t *testing.T) {
	l, now := New(Limits{Burst: 10, Refill: time.Hour, Site: 30, SiteRate: 2}), time.Now()
	passed := 0
	for i := range 200 {
		if l.Allow(netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), now) {
			passed++
		}
	}
	if passed != 30 {
		t.Errorf("%d of 200 sources passed at once, want 30", passed)
	}
	if !l.Allow(netip.MustParseAddr("198.51.100.1"), now.Add(time.Second)) {
		t.Error("nobody passes a second later")
	}
}
