package edge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/haproxy"
)

// Options of an edge. Name, Config and Source must be set.
type Options struct {
	// Name tells the edges of a Region apart; usually the host's.
	Name   string
	Config haproxy.Config
	Source Source
	// Program is HAProxy's; empty means haproxy on the PATH.
	Program string
	// External leaves starting HAProxy to systemd.
	External bool
	// Self are addresses that lead to this edge from elsewhere, besides those of
	// the machine's own interfaces: a NAT's, say. No route may lead to one.
	Self []netip.Addr
	// Check is the time between two comparisons with the running process; 0 means 30 s.
	Check time.Duration
	// Second is when sessions of a tenant that ends are cut once more, for
	// connections that were on their way; 0 means 1 s.
	Second time.Duration
	// LeaseDuration is how long the operator takes the edge for alive after it was heard
	// of last, in whole seconds; 0 means a minute. The edge says so three times in it.
	LeaseDuration time.Duration
	// Metrics is where /metrics and /healthz are served; empty means nowhere.
	Metrics string
	// Admin is where /status and /agents are served besides the edge's own socket:
	// a port on loopback, which is reached with the right to forward ports to the
	// edge's pod. Empty means nowhere.
	Admin string
	Log   *slog.Logger
}

// Edge is one HAProxy and what it should carry.
type Edge struct {
	options Options
	config  haproxy.Config
	self    []netip.Addr
	files   *store
	process *process
	runtime runtime
	static  []byte                      // the static part of the configuration
	tail    map[string][]haproxy.Server // by tenant, in the part that changes
	log     *slog.Logger

	news    chan struct{} // there is something to report
	wishes  *wishes       // what the source has said
	acting  sync.Mutex    // one change or comparison at a time
	looking sync.Mutex    // one look at HAProxy's counters at a time

	// unknown is true until somebody has said what the routes are.
	unknown bool
	// told is true once the source has said so to this edge; silent is true when
	// something was left closed because it has not.
	told, silent bool

	// turned is when the loop that serves last began a turn, in nanoseconds.
	turned atomic.Int64

	// Below is changed by who acts; others read it under the lock.
	mu     sync.RWMutex
	board  *haproxy.Board
	inStep bool
	// failing is true from an error until what it was about is repaired; inStep is
	// false while a change is under way, too.
	failing bool
	// freed are slots whose tenant left a while ago, and of whom HAProxy may still
	// know something.
	freed map[int32]time.Time
	// faults are what went wrong with what is done again and again, until it goes well.
	faults map[string]error
	// unwritten is what the disk does not know; nil while it knows everything.
	unwritten *unwritten
	counts    Counts
	ledger    *ledger
	worker    string
	old       []OldWorker
	slotsOf   string // the worker that has the slots its configuration does not hold
	seen      *sightings
	left      map[netip.AddrPort]bool // where sessions led that were cut while there may be foreign workers
	again     []later
	hashes    map[string]string // of the specs last given, by tenant
	heartbeat Heartbeat
	unsaid    map[string]bool // tenants of whom the source has not been told how they are doing
}

// Counts are what happened since this edge started.
type Counts struct {
	Changes int64 `json:"changes"` // tenants added, changed, suspended, removed
	Drift   int64 `json:"drift"`   // comparisons that found HAProxy or a file other than it should be
	Resyncs int64 `json:"resyncs"` // maps replaced as a whole
	Starts  int64 `json:"starts"`  // of HAProxy, or reloads
	Errors  int64 `json:"errors"`
}

// New checks the options and prepares the folder. HAProxy is not touched yet.
func New(options Options) (*Edge, error) {
	if options.Name == "" {
		return nil, errors.New("name: give the edge a name, such as its host's")
	}
	if options.Source == nil {
		return nil, errors.New("source: say where the routes come from")
	}
	if options.Program == "" {
		options.Program = "haproxy"
	}
	if options.Check == 0 {
		options.Check = 30 * time.Second
	}
	if options.Second == 0 {
		options.Second = time.Second
	}
	if options.LeaseDuration == 0 {
		options.LeaseDuration = beatLasts
	}
	if err := CheckLease(options.LeaseDuration); err != nil {
		return nil, err
	}
	if host, _, err := net.SplitHostPort(options.Admin); options.Admin != "" && (err != nil || !isLoopback(host)) {
		return nil, fmt.Errorf("admin address %q: use a port of 127.0.0.1 or [::1]; it tells from where every agent comes, and asks nobody who he is", options.Admin)
	}
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	config := options.Config.WithDefaults()
	static, err := haproxy.Head(config)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(config.Dir, 0o755); err != nil {
		return nil, err
	}
	self, err := selfAddresses(config, options.Self)
	if err != nil {
		return nil, err
	}
	process := &process{program: options.Program, config: config, external: options.External, log: options.Log}
	e := &Edge{
		options: options, config: config, self: self, files: newStore(config), process: process, runtime: process.runtime(),
		static: static, log: options.Log, board: haproxy.NewBoard(config, self), wishes: newWishes(), failing: true,
		ledger: newLedger(), seen: newSightings(), freed: map[int32]time.Time{}, left: map[netip.AddrPort]bool{}, hashes: map[string]string{}, unsaid: map[string]bool{}, faults: map[string]error{}, news: make(chan struct{}, 1),
	}
	return e, err
}

// Run serves until the context ends. HAProxy goes on serving after it.
func (e *Edge) Run(ctx context.Context) error {
	release, err := e.alone()
	if err != nil {
		return err
	}
	defer release()
	if err := e.begin(ctx); err != nil {
		return err
	}
	stop, err := e.serveStatus()
	if err != nil {
		return err
	}
	defer stop()
	updates := make(chan Update)
	source := make(chan error, 1)
	go func() { source <- e.options.Source.Watch(ctx, updates) }()
	go e.report(ctx)
	e.turned.Store(time.Now().UnixNano())
	go e.live(ctx)
	check, watch := time.NewTicker(e.options.Check), time.NewTicker(time.Second)
	defer check.Stop()
	defer watch.Stop()
	for {
		e.turned.Store(time.Now().UnixNano())
		select {
		case <-ctx.Done():
			return e.end()
		case err := <-source:
			if ctx.Err() != nil {
				return e.end()
			}
			return fmt.Errorf("source of the routes: %w", err)
		case update := <-updates:
			e.note("apply the routes", e.Apply(ctx, update))
			e.heard(update)
		case <-e.process.exited:
			e.note("start haproxy again", e.revive(ctx))
		case <-watch.C:
			if !e.serving(ctx) {
				e.note("start haproxy again", e.revive(ctx))
			}
		case <-check.C:
			e.note("compare with haproxy", e.Check(ctx))
			e.note("count", e.count(ctx))
			e.note("cut revoked agents", e.cutAgents(ctx, e.routes()))
			e.tellAll()
		}
	}
}

// begin serves from disk: the source is not asked, it may be away.
func (e *Edge) begin(ctx context.Context) error {
	routes, err := e.files.load()
	known := err == nil
	if err != nil {
		// Serving what HAProxy has is better than serving nothing, so nothing is
		// compared until the source has told.
		e.acting.Lock()
		e.unknown = true
		e.acting.Unlock()
		e.note("read the routes from disk", err)
	}
	e.wishes.granted(routes)
	e.update(func() {
		e.board.Commit(e.board.Settle(routes, nil, nil))
		e.ledger.load(e.files)
	})
	if known {
		_, err = e.checkFiles(e.routes())
	} else {
		_, err = e.checkOwnFiles(e.routes())
	}
	if err != nil { // with a disk that is full, what is there has to do
		e.note("write the files", &unwritten{cause: err})
	}
	if err := e.serve(ctx); err != nil {
		return err
	}
	if err = e.Check(ctx); isUnwritten(err) {
		e.note("compare with haproxy", err)
		err = nil
	}
	if known && err == nil {
		// Who came and went while no edge looked was of those who had the slots until
		// now, and the source may give them to others.
		if err := e.count(ctx); err != nil {
			e.log.Warn("what happened while no edge ran is not counted yet", "error", err.Error())
		}
	}
	return err
}

// serve makes HAProxy run with our configuration.
func (e *Edge) serve(ctx context.Context) error {
	fresh, err := e.process.ensure(ctx, haproxy.Description(e.static))
	if err != nil {
		return err
	}
	if fresh {
		e.update(func() { e.counts.Starts++ })
	}
	return nil
}

// revive brings HAProxy back after it ended: every file is written anew first,
// because nobody knows what ended it.
func (e *Edge) revive(ctx context.Context) error {
	e.process.exited = nil
	e.update(func() { e.inStep, e.failing = false, true })
	if err := e.rewrite(); err != nil { // the files of before are better than none
		e.log.Error("could not write the files anew", "error", err.Error())
	}
	if err := e.serve(ctx); err != nil {
		select { // a HAProxy that cannot start is not tried a hundred times a second
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
		return err
	}
	return e.Check(ctx)
}

// rewrite makes every file as it should be.
func (e *Edge) rewrite() error {
	e.acting.Lock()
	defer e.acting.Unlock()
	if e.unknown {
		return nil
	}
	_, err := e.checkFiles(e.routes())
	return err
}

// serving is true while master and worker answer.
func (e *Edge) serving(ctx context.Context) bool {
	if !e.process.external && !e.process.alive() {
		return false
	}
	info, err := e.runtime.info(ctx)
	if err != nil {
		return false
	}
	e.mu.RLock()
	known := e.worker
	e.mu.RUnlock()
	if info["Pid"] != known { // restarted or reloaded behind our back
		e.note("compare with haproxy", e.Check(ctx))
	}
	return true
}

// end keeps the counters; HAProxy stays.
func (e *Edge) end() error {
	ctx, cancel := context.WithTimeout(context.Background(), runtimeTimeout)
	defer cancel()
	return e.count(ctx)
}

// routes are those in force, by tenant.
func (e *Edge) routes() []haproxy.Route {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.board.Routes()
}

// update changes what others read.
func (e *Edge) update(change func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	change()
}

// note keeps an error for the status until the same goes well, and logs it. That
// the files are behind is no failure of HAProxy's, which carries what it should.
func (e *Edge) note(doing string, err error) {
	e.update(func() {
		if err == nil {
			delete(e.faults, doing)
			return
		}
		e.faults[doing] = err
		e.counts.Errors++
		e.inStep = false
		e.failing = e.failing || !isUnwritten(err)
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		e.log.Error("could not "+doing, "error", err.Error())
	}
}
