package manager

import (
	"net"
	"sync"
)

// connections are the open ones of a service, so that stopping it can close them.
type connections struct {
	limit int // 0: none

	mu     sync.Mutex
	open   map[net.Conn]bool
	closed bool
}

func newConnections(limit int) *connections {
	return &connections{limit: limit, open: map[net.Conn]bool{}}
}

// add reports whether there was room.
func (c *connections) add(conn net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.limit > 0 && len(c.open) >= c.limit {
		return false
	}
	c.open[conn] = true
	return true
}

// remove closes conn and frees its place.
func (c *connections) remove(conn net.Conn) {
	_ = conn.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, conn)
}

func (c *connections) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open)
}

func (c *connections) closeAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for conn := range c.open {
		_ = conn.Close()
	}
}

// dropAll closes what is open now; new connections are welcome.
func (c *connections) dropAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.open {
		_ = conn.Close()
	}
}
