package node

import (
	"context"
	"io"
	"net/netip"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
)

const (
	probeTimeout = time.Second
	// eagerProbe is the interval until a manager is ready for the first time.
	eagerProbe = 50 * time.Millisecond
	// restProbe bounds the interval afterwards: a demo shows an outage soon.
	restProbe = time.Second
)

// probe answers whether a manager is ready. The pod's own probe runs a command
// in the image, which is not here; so what that command asks is asked directly:
// remoted answers a ping on 1514, authd accepts on 1515, or behind a gateway on a
// port of its own. How often, and how many
// failures it takes, is the pod's own.
type probe struct {
	loopback  netip.Addr
	authd     uint16 // where it listens
	none      bool   // a container without a readiness probe is ready once it runs
	period    time.Duration
	threshold int
	failures  int
	was       bool
}

func newProbe(container *corev1.Container, env map[string]string, loopback netip.Addr) *probe {
	p := &probe{loopback: loopback, authd: 1515, period: restProbe, threshold: 3}
	if port, err := strconv.ParseUint(env["SOCTALK_PORT_ENROLLMENT"], 10, 16); err == nil {
		p.authd = uint16(port) // as the command reads it
	}
	if container.ReadinessProbe == nil {
		p.none = true
		return p
	}
	if seconds := container.ReadinessProbe.PeriodSeconds; seconds > 0 {
		p.period = min(p.period, time.Duration(seconds)*time.Second)
	}
	if failures := container.ReadinessProbe.FailureThreshold; failures > 0 {
		p.threshold = int(failures)
	}
	return p
}

func (p *probe) interval(ready bool) time.Duration {
	if ready || p.none {
		return p.period
	}
	return eagerProbe
}

func (p *probe) ready(ctx context.Context) bool {
	if p.none {
		return true
	}
	if p.events(ctx) && p.enrollment(ctx) {
		p.failures, p.was = 0, true
		return true
	}
	p.failures++
	if p.failures >= p.threshold {
		p.was = false
	}
	return p.was
}

// The ping and its answer, each with its length in front; remoted answers
// without knowing who asks.
const (
	ping = "\x05\x00\x00\x00#ping"
	pong = "\x05\x00\x00\x00#pong"
)

func (p *probe) events(ctx context.Context) bool {
	conn, err := dialLoopback(ctx, p.loopback, 1514)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(probeTimeout))
	if _, err := io.WriteString(conn, ping); err != nil {
		return false
	}
	answer := make([]byte, len(pong))
	_, err = io.ReadFull(conn, answer)
	return err == nil && string(answer) == pong
}

func (p *probe) enrollment(ctx context.Context) bool {
	conn, err := dialLoopback(ctx, p.loopback, p.authd)
	if err != nil {
		return false
	}
	return conn.Close() == nil
}
