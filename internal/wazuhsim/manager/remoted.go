package manager

import (
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// remoted is the events service. It never tells a peer what was wrong; it closes the connection.
type remoted struct {
	m        *Manager
	listener net.Listener
	conns    *connections
	served   sync.WaitGroup
	ended    chan struct{}
	sessions atomic.Int64 // open connections when they were counted last
	pool     wazuh.Pool

	mu      sync.Mutex
	bound   map[string]binding
	counter wazuh.Counter // one for all agents: each sees gaps
}

// binding says which connection an agent id was last heard on, and when.
type binding struct {
	conn  net.Conn
	heard time.Time
}

func (m *Manager) startRemoted(address string) (*remoted, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("remoted: %w", err)
	}
	r := &remoted{m: m, listener: l, conns: newConnections(0), bound: map[string]binding{}, ended: make(chan struct{})}
	r.served.Go(r.accept)
	r.served.Go(r.keepState)
	return r, nil
}

// keepState counts the connections now and then, as remoted writes its state file: who asks learns a
// number of before.
func (r *remoted) keepState() {
	ticker := time.NewTicker(r.m.o.StateInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			r.sessions.Store(int64(r.conns.count()))
		case <-r.ended:
			return
		}
	}
}

func (r *remoted) stop() {
	close(r.ended)
	_ = r.listener.Close()
	r.conns.closeAll()
	r.served.Wait()
}

func (r *remoted) accept() {
	for {
		conn, err := r.listener.Accept()
		if err != nil {
			return
		}
		if r.m.faults.has(FaultRemotedDown) || !r.conns.add(conn) {
			_ = conn.Close()
			continue
		}
		r.served.Go(func() {
			defer r.conns.remove(conn)
			r.serve(conn)
		})
	}
}

// serve handles one connection until something about it is wrong. A silent one stays for ever.
func (r *remoted) serve(conn net.Conn) {
	p := &peer{r: r, conn: conn, source: addrOf(conn.RemoteAddr())}
	defer p.unbind()
	frames := wazuh.NewFrameReader(conn)
	for {
		payload, err := frames.Next()
		if err == nil {
			err = p.receive(payload)
		}
		if err != nil {
			r.m.log.Debug("close agent connection", "source", p.source, "why", err)
			return
		}
	}
}

// claim binds an id to the connection it was heard on. Of two connections, the older one keeps the
// id for as long as it was heard within the overtake time; then the newer one takes it.
func (r *remoted) claim(id string, conn net.Conn) error {
	now := r.m.store.now()
	overtake := r.m.conf.Remote.Overtake
	r.mu.Lock()
	defer r.mu.Unlock()
	b, held := r.bound[id]
	if held && b.conn != conn {
		if overtake == 0 || now.Sub(b.heard) <= overtake {
			return fmt.Errorf("agent key already in use: agent %q", id)
		}
		_ = b.conn.Close()
	}
	return nil
}

func (r *remoted) bind(id string, conn net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bound[id] = binding{conn: conn, heard: r.m.store.now()}
}

// heard notes a message of an agent on the connection that its id is bound to.
func (r *remoted) heard(id string, conn net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if b, ok := r.bound[id]; ok && b.conn == conn {
		r.bound[id] = binding{conn: conn, heard: r.m.store.now()}
	}
}

func (r *remoted) release(id string, conn net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.bound[id].conn == conn {
		delete(r.bound, id)
	}
}

// frame seals a message of the manager with the counter that all agents share.
func (r *remoted) frame(key wazuh.Key, msg []byte) ([]byte, error) {
	r.mu.Lock()
	last := r.counter
	r.counter = last.Next()
	r.mu.Unlock()
	seal, err := wazuh.NewManagerSealer(key, wazuh.SealOptions{Counter: last, Pool: &r.pool})
	if err != nil {
		return nil, err
	}
	return seal.AppendFrame(nil, msg)
}

// sendTo sends to an agent that is connected; the API's reconnect and restart need that.
func (r *remoted) sendTo(id string, msg []byte) error {
	r.mu.Lock()
	b, ok := r.bound[id]
	r.mu.Unlock()
	if !ok {
		return fmt.Errorf("agent %q isn't connected", id)
	}
	r.m.store.mu.Lock()
	key := r.m.store.keys[id]
	r.m.store.mu.Unlock()
	frame, err := r.frame(key, msg)
	if err != nil {
		return err
	}
	_, err = b.conn.Write(frame)
	return err
}
