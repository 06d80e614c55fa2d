package edge

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/haproxies"
	"github.com/soctalk/soctalk-ingress/internal/haproxy"
)

// revoke cuts an agent of a tenant on the site, now.
func (s *site) revoke(n int, id string, manager *echo) {
	s.Helper()
	s.tenant(n, manager.address(), manager.address(), func(r *haproxy.Route) { r.Cut = []haproxy.Cut{{ID: id, Before: time.Now()}} })
	s.apply()
}

// One agent is revoked: its sessions end, also one that a reload left in an old
// worker. The same id of another tenant, the neighbour behind the same address,
// and the agent itself when it comes back are left alone.
func TestCutOneAgentAndNobodyElse(t *testing.T) { haproxies.Each(t, testCutOneAgentAndNobodyElse) }

func testCutOneAgentAndNobodyElse(t *testing.T) {
	s := newSite(t)
	manager := newEcho(t, "127.10.0.1", "m")
	for n := range 2 {
		s.tenant(n, manager.address(), manager.address())
	}
	s.apply()
	open := func(n int, id string) net.Conn {
		t.Helper()
		conn, answer, err := talk(t, "127.0.0.9", s.port(n, 0), frame(id))
		if err != nil || answer == "" {
			t.Fatalf("agent %s of tenant %d is not served: %v", id, n, err)
		}
		return conn
	}
	old := open(0, "017")
	oldNeighbour := open(0, "018")
	s.stop()
	s.options.Config.Timeouts.Idle = 25 * time.Minute // another configuration, so another worker
	s.begin()
	victim, neighbour, namesake := open(0, "017"), open(0, "018"), open(1, "017")
	s.revoke(0, "017", manager)
	for what, conn := range map[string]net.Conn{"in the old worker": old, "in the new worker": victim} {
		if !ended(t, conn) {
			t.Errorf("the revoked agent's session %s goes on", what)
		}
	}
	for what, conn := range map[string]net.Conn{"the neighbour": neighbour, "the neighbour in the old worker": oldNeighbour, "the namesake": namesake} {
		if !answers(t, conn) {
			t.Errorf("%s was cut too", what)
		}
	}
	// A session that begins later than the revocation is the manager's to judge, as far as HAProxy's ages tell: they are wrong by up to a second, both ways.
	s.eventually("no age can be mistaken", func() bool { return time.Since(s.routes["t0"].Cut[0].Before) > 2*time.Second })
	again := open(0, "017")
	if err := s.edge.cutAgents(t.Context(), s.edge.routes()); err != nil {
		t.Fatal(err)
	}
	if !answers(t, again) {
		t.Error("the agent was cut although it came back after the revocation")
	}
	s.exact()
}

// An edge that was away for the revocation carries it out when it is back.
func TestARevocationIsNotMissed(t *testing.T) { haproxies.Each(t, testARevocationIsNotMissed) }

func testARevocationIsNotMissed(t *testing.T) {
	s := newSite(t, func(o *Options) { o.Check = 50 * time.Millisecond })
	manager := newEcho(t, "127.10.0.1", "m")
	s.tenant(0, manager.address(), manager.address())
	s.apply()
	conn, _, err := talk(t, "127.0.0.1", s.port(0, 0), frame("003"))
	if err != nil {
		t.Fatal(err)
	}
	// Saved, and then the edge was killed before it had cut anything.
	route := s.tenant(0, manager.address(), manager.address(), func(r *haproxy.Route) { r.Cut = []haproxy.Cut{{ID: "003", Before: time.Now()}} })
	s.stop()
	if _, err := s.edge.files.save([]haproxy.Route{route.WithDefaults()}); err != nil {
		t.Fatal(err)
	}
	s.begin() // the source says nothing
	if !ended(t, conn) {
		t.Error("the session outlives the revocation")
	}
}

// Where agents came from is told by tenant, also after their sessions; and a
// slot's next tenant is not told its former tenant's agents.
func TestSightingsBelongToTheirTenant(t *testing.T) {
	haproxies.Each(t, testSightingsBelongToTheirTenant)
}

func testSightingsBelongToTheirTenant(t *testing.T) {
	s := newSite(t)
	manager := newEcho(t, "127.10.0.1", "m")
	s.tenant(0, manager.address(), manager.address())
	s.apply()
	for _, from := range []string{"127.1.0.1", "127.1.0.2"} {
		conn, _, err := talk(t, from, s.port(0, 0), frame("005"))
		if err != nil {
			t.Fatal(err)
		}
		if from == "127.1.0.1" {
			_ = conn.Close()
		}
	}
	var agents []Agent
	s.eventually("one session is open and one was", func() bool {
		if err := s.edge.count(t.Context()); err != nil {
			t.Fatal(err)
		}
		agents = s.edge.Agents("t0")
		return len(agents) == 2 && agents[0].Current == 1 && agents[1].Current == 0
	})
	if agents[0].Source != netip.MustParseAddr("127.1.0.2") || agents[0].Total != 1 || agents[1].Total != 1 {
		t.Errorf("sightings: %+v", agents)
	}
	// Another tenant takes the slot and the ports in the same breath.
	route := s.routes["t0"]
	delete(s.routes, "t0")
	route.Tenant = "heir"
	s.routes["heir"] = route
	s.apply()
	if err := s.edge.count(t.Context()); err != nil {
		t.Fatal(err)
	}
	if agents := s.edge.Agents(""); len(agents) != 0 {
		t.Errorf("the next tenant is told %+v", agents)
	}
	if _, _, err := talk(t, "127.1.0.3", s.port(0, 0), frame("005")); err != nil {
		t.Fatal(err)
	}
	if err := s.edge.count(t.Context()); err != nil {
		t.Fatal(err)
	}
	counted := s.edge.Status().Tenants[0].Counters[haproxy.PortEvents]
	if counted.Total != 1 {
		t.Errorf("the next tenant is told of %d connections, and had 1", counted.Total)
	}
	if agents := s.edge.Agents("heir"); len(agents) != 1 || agents[0].Source != netip.MustParseAddr("127.1.0.3") {
		t.Errorf("the next tenant's own agent: %+v", agents)
	}
}

// Somebody who makes ids up fills his tenant's memory and nobody else's, and only so far.
// HAProxy keeps no row of an ended session that has been counted: its own forgetting
// costs the more the more agents are connected, so nothing may be left to it.
func TestEndedSessionsAreTakenOut(t *testing.T) { haproxies.Each(t, testEndedSessionsAreTakenOut) }

func testEndedSessionsAreTakenOut(t *testing.T) {
	s := newSite(t)
	manager := newEcho(t, "127.10.0.1", "m")
	s.tenant(0, manager.address(), manager.address())
	s.apply()
	stays, _, err := talk(t, "127.1.0.1", s.port(0, 0), frame("005"))
	if err != nil {
		t.Fatal(err)
	}
	const ended = 400 // more than fit into one line of commands
	for range ended {
		conn, _, err := talk(t, "127.1.0.2", s.port(0, 0), frame("006"))
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
	}
	rows := func() []haproxy.AgentRow {
		agents, _, err := s.edge.readTables(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return agents
	}
	if before := len(rows()); before != ended+1 {
		t.Fatalf("%d rows before anybody has counted, want %d", before, ended+1)
	}
	s.eventually("one row is left", func() bool {
		if err := s.edge.count(t.Context()); err != nil {
			t.Fatal(err)
		}
		return len(rows()) == 1
	})
	if left := rows()[0]; left.ID != "005" || !left.Open || left.Source.String() != stays.LocalAddr().String() {
		t.Errorf("left is %+v, and not the session that is open", left)
	}
	agents := s.edge.Agents("t0")
	if len(agents) != 2 || agents[0].Current != 1 || agents[1].Current != 0 || agents[1].Total != ended {
		t.Errorf("the edge itself remembers %+v", agents)
	}
}

func TestSightingsAreBounded(t *testing.T) {
	seen := newSightings()
	begin := time.Unix(1_700_000_000, 0)
	tenants := map[int32]string{1: "loud", 2: "quiet"}
	rows := []haproxy.AgentRow{{Row: "s2", Slot: 2, ID: "001", Source: netip.MustParseAddrPort("192.0.2.1:1")}}
	seen.look(begin, rows, tenants)
	for i := range sightingsPerTenant + 500 {
		source := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 1)
		rows = append(rows, haproxy.AgentRow{Row: "s1", Slot: 1, ID: "001", Source: source})
	}
	seen.look(begin.Add(time.Minute), rows, tenants)
	if loud, quiet := len(seen.list("loud")), len(seen.list("quiet")); loud != sightingsPerTenant || quiet != 1 {
		t.Errorf("%d and %d sightings, want %d and 1", loud, quiet, sightingsPerTenant)
	}
	seen.look(begin.Add(sightingsKept+2*time.Minute), nil, tenants)
	if left := len(seen.list("")); left != 0 {
		t.Errorf("%d sightings are left after a day", left)
	}
}
