package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/gateway/admin"
	"github.com/soctalk/soctalk-ingress/internal/gateway/audit"
	"github.com/soctalk/soctalk-ingress/internal/gateway/door"
	"github.com/soctalk/soctalk-ingress/internal/gateway/policy"
	"github.com/soctalk/soctalk-ingress/internal/gateway/upstream"
	"github.com/soctalk/soctalk-ingress/internal/gateway/uses"
)

// kept is how many records of the enrollment log stay in memory.
const kept = 8192

// Gateway is a running gateway.
type Gateway struct {
	c        Config
	log      *slog.Logger
	started  time.Time
	instance string

	tls         *tls.Config
	certificate certificate
	adminCert   certificate
	policies    *policies
	// judging is held for reading from the last judgement of a request until the
	// manager has answered it.
	judging    sync.RWMutex
	door       *door.Door
	uses       *uses.Ledger
	upstream   *upstream.Client
	audit      *audit.Log
	metrics    *metrics
	manager    managerHealth
	password   reloaded
	adminToken reloaded
	trust      atomic.Pointer[upstream.Trust]

	listener net.Listener
	servers  []*server

	cutOff  context.CancelFunc // of visits
	visits  sync.WaitGroup
	quit    context.CancelFunc // of everything in the background
	helpers sync.WaitGroup
}

// Run runs a gateway until ctx ends, and then lets what is under way finish.
func Run(ctx context.Context, c Config) error {
	g, err := Start(c)
	if err != nil {
		return err
	}
	<-ctx.Done()
	return g.Close()
}

// Start starts a gateway. It must be closed.
func Start(c Config) (*Gateway, error) {
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	now := c.Now()
	g := &Gateway{c: c, log: c.Log, started: now, instance: strconv.FormatInt(now.UnixNano(), 36)}
	g.tls = tlsFor(&g.certificate)
	g.tls.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if s, ok := hello.Conn.(*stream); ok {
			s.onHello()
		}
		return nil, nil
	}
	if err := g.prepare(); err != nil {
		return nil, errors.Join(fmt.Errorf("gateway: %w", err), g.Close())
	}
	if err := g.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("gateway: %w", err), g.Close())
	}
	return g, nil
}

// prepare reads everything once; what is missing now is an error, what goes
// missing later isn't.
func (g *Gateway) prepare() (err error) {
	g.door = door.New(policy.Limits{}.WithDefaults(), g.c.Now)
	g.policies, err = newPolicies(g.c.StateDir, func(p *policy.Policy) { g.door.SetLimits(p.Limits.WithDefaults()) })
	if err != nil {
		return err
	}
	if err := g.readFiles(); err != nil {
		return err
	}
	if g.uses, err = uses.Open(g.c.StateDir); err != nil {
		return err
	}
	options := upstream.Options{
		Address: g.c.Manager, Password: g.password.get,
		Exchange: 10 * time.Second, RetryPause: 250 * time.Millisecond,
	}
	if g.c.ManagerCAFile != "" {
		options.Trust = g.trust.Load
	}
	g.upstream, err = upstream.New(options)
	if err != nil {
		return err
	}
	g.audit = audit.New(g.log, g.instance, kept)
	g.metrics = newMetrics(g)
	return nil
}

func (g *Gateway) open() (err error) {
	if g.listener, err = net.Listen("tcp", g.c.Listen); err != nil {
		return err
	}
	if err := g.serveHTTP(); err != nil {
		return err
	}
	visits, cutOff := context.WithCancel(context.Background())
	background, quit := context.WithCancel(context.Background())
	g.cutOff, g.quit = cutOff, quit
	g.helpers.Go(func() { g.accept(visits) })
	g.follow(background)
	g.helpers.Go(func() { g.watchManager(background) })
	g.log.Info("gateway is open", "enrollment", g.listener.Addr().String(), "manager", g.c.Manager, "generation", g.policies.get().Generation)
	return nil
}

// accept takes connections in until the listener is closed.
func (g *Gateway) accept(ctx context.Context) {
	const pause = 50 * time.Millisecond
	for {
		conn, err := g.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of file descriptors, for example; it passes
			g.log.Error("accept a connection", "error", err)
			time.Sleep(pause)
			continue
		}
		tcp, ok := conn.(*net.TCPConn)
		if !ok || !g.door.Count() {
			_ = conn.Close()
			g.metrics.attempts.WithLabelValues(audit.Dropped, string(policy.ReasonTooManyConnections)).Inc()
			continue
		}
		g.visits.Go(func() {
			defer g.door.Uncount()
			g.receive(ctx, tcp)
		})
	}
}

// Close stops taking connections in, lets enrollments under way finish for as
// long as the configuration grants, and then cuts them.
func (g *Gateway) Close() error {
	if g.listener != nil {
		_ = g.listener.Close()
	}
	if g.quit != nil {
		g.quit()
		g.helpers.Wait()
		timer := time.AfterFunc(g.c.Grace, g.cutOff)
		g.visits.Wait()
		timer.Stop()
		g.cutOff()
	}
	var errs []error
	for _, s := range g.servers {
		errs = append(errs, s.stop())
	}
	if g.upstream != nil {
		g.upstream.Close()
	}
	if g.uses != nil {
		errs = append(errs, g.uses.Close())
	}
	return errors.Join(errs...)
}

// Addresses are where the gateway listens.
type Addresses struct{ Enrollment, Admin, Metrics string }

// Addresses returns where the gateway listens.
func (g *Gateway) Addresses() Addresses {
	return Addresses{
		Enrollment: g.listener.Addr().String(), Admin: g.servers[0].listener.Addr().String(), Metrics: g.servers[1].listener.Addr().String(),
	}
}

// Offer puts a policy in force. When it returns, no enrollment judged by an
// older one is still on its way to the manager.
func (g *Gateway) Offer(text []byte) (admin.Pushed, error) {
	pushed, err := g.offer(text, fromPush)
	if err != nil {
		return pushed, err
	}
	g.judging.Lock() // waits for the one request that may be at the manager
	defer g.judging.Unlock()
	return pushed, nil
}

func (g *Gateway) offer(text []byte, from string) (admin.Pushed, error) {
	result, err := g.policies.offer(text, from)
	if err != nil {
		return admin.Pushed{}, err
	}
	if !result.persisted {
		g.log.Error("the policy counts, but could not be kept on disk; a restart would lose it", "folder", g.c.StateDir)
	}
	if result.changed {
		g.log.Info("policy in force", "generation", result.generation, "from", from)
	}
	return admin.Pushed{Generation: result.generation, Persisted: result.persisted}, nil
}
