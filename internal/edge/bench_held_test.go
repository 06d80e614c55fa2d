package edge

import (
	"io"
	"net"
	"testing"
	"time"
)

// generationFigures are what 20 changes do to a proxy that carries sessions: at
// the start 5,000 are held, and 100 more agents come after each change.
type generationFigures struct {
	Idle           latencies `json:"newConnectionsIdle"`
	Changing       latencies `json:"newConnectionsDuringChanges"`
	MB             []float64 `json:"mbAfterEachChange"`
	Processes      int       `json:"processes"`
	BytesPerHeld   float64   `json:"haproxyBytesPerIdleConnection"`
	Kernel         kernelUse `json:"kernelBytesPerIdleConnection"`
	Held           int       `json:"held"`
	Lost           int       `json:"lost"`
	ChangesSeconds float64   `json:"changesSeconds"`
}

const (
	generationTenants = 1000
	generationHeld    = 5000
	generations       = 20
)

// subject is a proxy under a benchmark.
type subject struct {
	master int
	port   func(n int) string
	add    func()
}

func benchGenerations(t *testing.T, name string, with func(t *testing.T) subject) (out generationFigures) {
	t.Run("changes-"+name, func(t *testing.T) {
		agents := startHelper(t, "agents")
		proxy := with(t)
		agents.tell("hold %s 200", proxy.port(1)) // what is allocated once is not a connection's
		kernel := newKernelGroup(t, proxy.master)
		_, before := footprint(t, proxy.master)
		out.Kernel = kernel.during(generationHeld, func() {
			for n := range 50 {
				agents.tell("hold %s %d", proxy.port(n), generationHeld/50)
			}
		})
		_, after := footprint(t, proxy.master)
		out.BytesPerHeld = (after - before) * 1e6 / generationHeld
		prober := startHelper(t, "agents")
		idle := prober.probe(proxy.port(generationTenants - 1))
		time.Sleep(5 * time.Second)
		out.Idle = idle()
		out.MB = append(out.MB, after)
		changing, begin := prober.probe(proxy.port(generationTenants-1)), time.Now()
		for range generations {
			proxy.add()
			agents.tell("hold %s 100", proxy.port(2))
			processes, mb := footprint(t, proxy.master)
			out.Processes, out.MB = processes, append(out.MB, mb)
		}
		out.ChangesSeconds = time.Since(begin).Seconds()
		out.Changing = changing()
		out.Held, out.Lost = agents.tell("check")
	})
	return out
}

func oursWith(target string) func(t *testing.T) subject {
	return func(t *testing.T) subject {
		s := peopled(t, generationTenants, gated(target), ranged(generationTenants))
		master, err := s.edge.process.masterPID()
		if err != nil {
			t.Fatal(err)
		}
		n := generationTenants
		return subject{master: master, port: func(n int) string { return s.port(n, 0) }, add: func() {
			time.Sleep(time.Second) // the pace the reference needs
			route := routeFor(n, target)
			s.routes[route.Tenant] = route
			n++
			s.apply()
		}}
	}
}

func referenceWith(target string) func(t *testing.T) subject {
	return func(t *testing.T) subject {
		r := newReference(t, generationTenants, target)
		return subject{master: r.pid, port: r.port, add: func() { r.add() }}
	}
}

// heldFigures are what happens to as many sessions as the limit of files allows.
type heldFigures struct {
	Held            int       `json:"held"`
	Lost            int       `json:"lost"`
	Changes         int       `json:"changes"`
	Apply           spread    `json:"apply"`
	ResyncMs        float64   `json:"resyncMs"`
	Idle            latencies `json:"newConnectionsIdle"`
	Changing        latencies `json:"newConnectionsDuringChanges"`
	Suspend         suspendMs `json:"suspendUntilTheLastIsCutMs"`
	SameProcess     bool      `json:"sameProcess"`
	MBBefore        float64   `json:"mbBeforeChanges"`
	MBAfter         float64   `json:"mbAfterChanges"`
	ProcessesBefore int       `json:"processesBefore"`
	ProcessesAfter  int       `json:"processesAfter"`
}

// benchHeld holds 9,000 sessions through 1,000 additions, 1,000 removals, a
// resynchronisation and five suspensions.
func benchHeld(t *testing.T, target string) (out heldFigures) {
	const tenants, held, changes = 100, 9000, 1000
	t.Run("held", func(t *testing.T) {
		s := peopled(t, tenants, gated(target), ranged(400), unhurried)
		agents := startHelper(t, "agents")
		for n := range 50 {
			agents.tell("hold %s %d", s.port(n, 0), held/50)
		}
		master, err := s.edge.process.masterPID()
		if err != nil {
			t.Fatal(err)
		}
		worker := s.worker()
		out.ProcessesBefore, out.MBBefore = footprint(t, master)
		prober := startHelper(t, "agents")
		idle := prober.probe(s.port(tenants-1, 0))
		time.Sleep(10 * time.Second)
		out.Idle = idle()
		changing := prober.probe(s.port(tenants-1, 0))
		out.Changes, out.Apply = s.churn(tenants, changes, 200, target, pace)
		begin := time.Now()
		if err := s.edge.resync(t.Context(), s.wanted()); err != nil {
			t.Fatal(err)
		}
		out.ResyncMs = float64(time.Since(begin).Microseconds()) / 1000
		out.Changing = changing()
		for range 5 {
			s.suspendOnce(tenants-2, target, &out.Suspend)
		}
		out.Held, out.Lost = agents.tell("check")
		out.SameProcess = s.worker() == worker
		out.ProcessesAfter, out.MBAfter = footprint(t, master)
		s.exact()
	})
	return out
}

// enrolling is a session whose agent has said hello, with all that an echo says to it.
func enrolling(t *testing.T, address string) (net.Conn, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	const header = 16 + 12 + 3 + 5 // PROXY v2, two IPv4 addresses and ports, the public port
	say := hello(t)
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := conn.Write(say); err != nil {
		return nil, err
	}
	_, err = io.ReadFull(conn, make([]byte, header+len(say)))
	return conn, err
}

// suspendMs is how long it takes from the source's word until the last of 100
// events sessions has ended, and an enrollment by way of a gateway, for which HAProxy
// has to list all sessions there are.
type suspendMs struct {
	Events     []float64 `json:"events"`
	Enrollment []float64 `json:"enrollment"`
}

// suspendOnce suspends a tenant with such sessions; then it resumes.
func (s *site) suspendOnce(n int, target string, out *suspendMs) {
	s.Helper()
	watch := func(conn net.Conn, err error, ends chan<- time.Time) {
		if err != nil {
			s.Fatal(err)
		}
		go func() {
			_ = conn.SetDeadline(time.Now().Add(time.Minute))
			_, _ = conn.Read(make([]byte, 1)) // the cut, in whatever form
			ends <- time.Now()
			_ = conn.Close()
		}()
	}
	events, enrollment := make(chan time.Time, 100), make(chan time.Time, 1)
	for range cap(events) {
		conn, err := session(s.port(n, 0))
		watch(conn, err, events)
	}
	conn, err := enrolling(s.T, s.port(n, 1))
	watch(conn, err, enrollment)
	route := routeFor(n, target)
	route.Suspended = true
	begin := time.Now()
	if err := s.edge.Apply(s.Context(), adding(route)); err != nil {
		s.Fatal(err)
	}
	last := <-events
	for range cap(events) - 1 {
		if end := <-events; end.After(last) {
			last = end
		}
	}
	since := func(end time.Time) float64 { return float64(end.Sub(begin).Microseconds()) / 1000 }
	out.Events, out.Enrollment = append(out.Events, since(last)), append(out.Enrollment, since(<-enrollment))
	if err := s.edge.Apply(s.Context(), adding(routeFor(n, target))); err != nil {
		s.Fatal(err)
	}
}
