package haproxy

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var testConfig = Config{First: 15140, Last: 15339, Dir: "/var/lib/soctalk-edge", MaxFiles: 4096}

func TestCheckRefuses(t *testing.T) {
	self := []netip.Addr{netip.MustParseAddr("198.51.100.10")}
	good := func() Route {
		return Route{Tenant: "acme", Slot: 0, Ports: []Port{
			{Name: PortEvents, Public: 15140, Target: netip.MustParseAddrPort("10.2.0.11:1514")},
			{Name: PortEnrollment, Public: 15141, Target: netip.MustParseAddrPort("10.2.0.11:1515")},
		}}
	}
	if err := good().Check(testConfig, self); err != nil {
		t.Fatalf("a good route is refused: %v", err)
	}
	for want, spoil := range map[string]func(*Route){
		`tenant "Acme"`:               func(r *Route) { r.Tenant = "Acme" },
		"slot -1":                     func(r *Route) { r.Slot = -1 },
		"slot 65536":                  func(r *Route) { r.Slot = 65536 },
		`both "events"`:               func(r *Route) { r.Ports = r.Ports[:1] },
		`"events" is there twice`:     func(r *Route) { r.Ports[1].Name = PortEvents },
		`name "syslog"`:               func(r *Route) { r.Ports = append(r.Ports, Port{Name: "syslog"}) },
		"outside the edge's range":    func(r *Route) { r.Ports[0].Public = 15340 },
		"no address and port":         func(r *Route) { r.Ports[0].Target = netip.AddrPort{} },
		`"0.0.0.0:1514"`:              func(r *Route) { r.Ports[0].Target = netip.MustParseAddrPort("0.0.0.0:1514") },
		`"[::ffff:10.2.0.11]:1514"`:   func(r *Route) { r.Ports[0].Target = netip.MustParseAddrPort("[::ffff:10.2.0.11]:1514") },
		"go round for ever":           func(r *Route) { r.Ports[0].Target = netip.MustParseAddrPort("198.51.100.10:15200") },
		"only an enrollment gateway":  func(r *Route) { r.Ports[0].Proxy = true },
		"limit rate -1":               func(r *Route) { r.Ports[0].Limits.Rate = -1 },
		"an IPv6 network may have 80": func(r *Route) { r.Allowed = []netip.Prefix{netip.MustParsePrefix("2001:db8::/96")} },
		"is no network":               func(r *Route) { r.Allowed = []netip.Prefix{{}} },
	} {
		route := good()
		spoil(&route)
		if err := route.Check(testConfig, self); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say %q", err, want)
		}
	}
}

func TestConfigCheckRefuses(t *testing.T) {
	for want, spoil := range map[string]func(*Config){
		"ports 2-1":          func(c *Config) { c.First, c.Last = 2, 1 },
		"dir \"/x\\n user\"": func(c *Config) { c.Dir = "/x\n user" },
		"user \"a b\"":       func(c *Config) { c.User = "a b" },
		"raise the limit":    func(c *Config) { c.MaxFiles = 700 },
		"chroot":             func(c *Config) { c.Chroot = "x" },
		"is doubled":         func(c *Config) { c.Addresses = []netip.Addr{netip.IPv4Unspecified(), netip.IPv4Unspecified()} },
	} {
		config := testConfig
		spoil(&config)
		if _, err := Render(config, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say %q", err, want)
		}
	}
}

// drawRoutes makes tenants that hold pairs of the range, some of them pinned.
func drawRoutes(t *rapid.T) []Route {
	target := rapid.Custom(func(t *rapid.T) netip.Addr {
		if rapid.Bool().Draw(t, "v6") {
			return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: rapid.Byte().Draw(t, "b")})
		}
		return netip.AddrFrom4([4]byte{10, rapid.Byte().Draw(t, "b"), rapid.Byte().Draw(t, "c"), 1})
	})
	network := rapid.Custom(func(t *rapid.T) netip.Prefix {
		if rapid.Bool().Draw(t, "v6") {
			address := netip.AddrFrom16([16]byte{0x20, 1, rapid.Byte().Draw(t, "a"), rapid.Byte().Draw(t, "b")})
			return netip.PrefixFrom(address, rapid.SampledFrom([]int{0, 32, 48, 64, 80, 128}).Draw(t, "bits"))
		}
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{rapid.Byte().Draw(t, "a"), rapid.Byte().Draw(t, "b"), 3, 4}), rapid.IntRange(0, 32).Draw(t, "bits"))
	})
	ports := rapid.Permutation([]int32{15140, 15141, 15142, 15143, 15144, 15145, 15150, 15151, 15160, 15163, 15170, 15171}).Draw(t, "ports")
	var routes []Route
	for i := range rapid.IntRange(0, len(ports)/2).Draw(t, "tenants") {
		events, enrollment, address := ports[2*i], ports[2*i+1], target.Draw(t, "target")
		routes = append(routes, Route{
			Tenant: fmt.Sprintf("t%d", i), Slot: SlotFor(15140, events, enrollment), Suspended: rapid.Bool().Draw(t, "suspended"),
			Allowed: rapid.SliceOfN(network, 0, 4).Draw(t, "allowed"),
			Ports: []Port{
				{Name: PortEvents, Public: events, Target: netip.AddrPortFrom(address, 1514)},
				{Name: PortEnrollment, Public: enrollment, Target: netip.AddrPortFrom(address, 1515), Proxy: rapid.Bool().Draw(t, "proxy")},
			},
		})
	}
	return routes
}

// Whatever the tenants: each pair is complete, every line passes the guard that
// HAProxy applies, nobody shares a slot, and removing one changes no line of another.
func TestInvariants(t *testing.T) {
	guard := regexp.MustCompile(routeShape)
	rapid.Check(t, func(t *rapid.T) {
		routes := drawRoutes(t)
		good, refused := CheckAll(routes, testConfig, nil)
		if len(refused) > 0 {
			t.Fatalf("refused: %v", refused)
		}
		files := DataFiles(testConfig, good)
		if strings.Contains(string(files.Routes), "ssl_sni") {
			t.Fatal("routes by SNI")
		}
		entries, err := ParseRouteFile(string(files.Routes))
		if err != nil || len(entries) != 2*len(routes) {
			t.Fatalf("%d lines for %d tenants: %v", len(entries), len(routes), err)
		}
		slots := map[string]int{}
		for _, entry := range entries {
			if !guard.MatchString(entry.Value) {
				t.Fatalf("HAProxy would refuse %q", entry.Value)
			}
			key, _, _ := strings.Cut(entry.Value, "/")
			slots[key[1:]]++
		}
		for slot, ports := range slots {
			if ports != 2 {
				t.Fatalf("slot %s has %d ports", slot, ports)
			}
		}
		if len(routes) == 0 {
			return
		}
		gone := rapid.IntRange(0, len(good)-1).Draw(t, "gone")
		fewer, _ := CheckAll(slices.Delete(slices.Clone(good), gone, gone+1), testConfig, nil)
		left := DataFiles(testConfig, fewer)
		var own []string
		for _, entry := range good[gone].Entries(testConfig) {
			own = append(own, entry.Key+" "+entry.Value)
		}
		checkOnlyGone(t, string(files.Routes), string(left.Routes), own)
		checkOnlyGone(t, string(files.Allow), string(left.Allow), good[gone].AllowLines())
		checkOnlyGone(t, string(files.Hosts), string(left.Hosts), good[gone].HostLines())
	})
}

// checkOnlyGone wants before to be after and the lines that are gone.
func checkOnlyGone(t *rapid.T, before, after string, gone []string) {
	all := append(strings.Fields(after), strings.Fields(strings.Join(gone, "\n"))...)
	want := strings.Fields(before)
	slices.Sort(all)
	slices.Sort(want)
	if !slices.Equal(all, want) {
		t.Fatalf("more changed than one tenant:\nbefore %q\nafter  %q\ngone   %q", before, after, gone)
	}
}

func TestAConfigNeverNamesATenantOrSNI(t *testing.T) {
	for _, format := range Formats() {
		text, err := RenderFor(format, testConfig, nil)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "ssl_sni") {
			t.Errorf("%s routes by SNI, which agents do not send", format)
		}
	}
}

// The one in force keeps slot and port; the newcomer is told whose they are.
func TestANewcomerStealsNothing(t *testing.T) {
	pair := func(tenant string, slot, events int32) Route {
		target := netip.MustParseAddr("10.2.0.11")
		return Route{Tenant: tenant, Slot: slot, Ports: []Port{
			{Name: PortEvents, Public: events, Target: netip.AddrPortFrom(target, 1514)},
			{Name: PortEnrollment, Public: events + 1, Target: netip.AddrPortFrom(target, 1515)},
		}}
	}
	zeta, alpha := pair("zeta", 0, 15140), pair("alpha", 0, 15142)
	board := NewBoard(testConfig, nil)
	settle := func(routes ...Route) { board.Commit(board.Settle(routes, nil, nil)) }
	settle(zeta)
	settle(alpha)
	if len(board.Routes()) != 1 || !strings.Contains(fmt.Sprint(board.Refused("alpha")), `slot 0 belongs to tenant "zeta"`) {
		t.Errorf("in force %v, alpha is refused: %v", board.Routes(), board.Refused("alpha"))
	}
	settle(pair("alpha", 5, 15141))
	if !strings.Contains(fmt.Sprint(board.Refused("alpha")), `port 15141 belongs to tenant "zeta"`) {
		t.Errorf("alpha is refused: %v", board.Refused("alpha"))
	}
}
