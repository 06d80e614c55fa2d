package manager

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// FromConfig as a port means: the one in ossec.conf. Zero means any free one.
const FromConfig = -1

const apiPort = 55000

// Options say where the manager lives. Root must be set; the rest has defaults.
type Options struct {
	Root     string // a folder like the container's "/"; what is missing in it is made
	Hostname string // no agent may have this name; alerts carry it as manager.name. Default: wazuh-manager
	Version  string // default: wazuh.DefaultVersion

	Listen                                       string // IP; default 127.0.0.1
	EventsPort, EnrollPort, APIPort, ControlPort int

	APIUser     string // default: wazuh, with the password wazuh
	APIPassword wazuh.Secret

	Faults        []string
	KeyReload     time.Duration    // between remoted's looks at client.keys; 0 is the real 10 s, less than 0 is at once
	StateInterval time.Duration    // between remoted counting its connections; 0 is the real 5 s
	Now           func() time.Time // default: time.Now
	Log           *slog.Logger     // default: none
}

func (o Options) withDefaults() Options {
	o.Hostname = cmp.Or(o.Hostname, "wazuh-manager")
	o.Version = cmp.Or(o.Version, wazuh.DefaultVersion)
	o.Listen = cmp.Or(o.Listen, "127.0.0.1")
	o.KeyReload = cmp.Or(o.KeyReload, 10*time.Second)
	o.StateInterval = cmp.Or(o.StateInterval, 5*time.Second)
	if o.APIUser == "" {
		o.APIUser, o.APIPassword = "wazuh", wazuh.NewSecret("wazuh")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Manager is a running simulated manager.
type Manager struct {
	o       Options
	root    root
	place   place
	log     *slog.Logger
	conf    config // of everything but authd, which reads its own at each start
	faults  faultSet
	store   *store
	alerts  *analysis
	journal journal

	remoted *remoted
	api     *api
	control *control

	mu       sync.Mutex // guards authd and restarting it
	authd    *authd
	authdUp  atomic.Bool // readable while a restart holds mu
	enrollAt string      // stays the same over restarts
	ended    bool
	restarts sync.WaitGroup
}

// Addresses are where the manager listens.
type Addresses struct {
	Events  string `json:"events"`
	Enroll  string `json:"enroll"`
	API     string `json:"api"`
	Control string `json:"control"`
}

// Start starts every service. The manager must be closed.
func Start(o Options) (*Manager, error) {
	o = o.withDefaults()
	if o.Root == "" {
		return nil, errors.New("root is empty: want a folder laid out like the container's /")
	}
	if err := checkAPIUser(o.APIUser, o.APIPassword); err != nil {
		return nil, err
	}
	m := &Manager{o: o, log: o.Log}
	m.place = placeOf(m.before(5, 0))
	m.root = root{o.Root, m.place.home}
	m.alerts = &analysis{m: m}
	for _, f := range o.Faults {
		if err := m.faults.set(f, true); err != nil {
			return nil, err
		}
	}
	err := m.prepare()
	if err == nil {
		err = m.listen()
	}
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// prepare does what the image does before it starts the daemons.
func (m *Manager) prepare() error {
	if err := m.copyConfigMount(); err != nil {
		return err
	}
	text, err := m.root.read(m.place.conf)
	if missing(err) {
		text = []byte(m.place.template)
		err = m.root.replace(m.place.conf, text)
	}
	if err != nil {
		return err
	}
	if m.conf, err = m.parse(text); err != nil {
		return err
	}
	if err := m.lookAtAuthority(); err != nil {
		return err
	}
	reload := max(m.o.KeyReload, 0)
	m.store, err = openStore(m.root, m.o.Now, reload)
	return err
}

func (m *Manager) listen() (err error) {
	if m.remoted, err = m.startRemoted(m.address(m.o.EventsPort, m.conf.Remote.Port)); err != nil {
		return err
	}
	if m.api, err = m.startAPI(m.address(m.o.APIPort, apiPort)); err != nil {
		return err
	}
	m.enrollAt = m.address(m.o.EnrollPort, m.conf.Auth.Port)
	if m.authd, err = m.startAuthd(m.enrollAt, nil); err != nil {
		return err
	}
	if m.authd != nil {
		m.enrollAt = m.authd.listener.Addr().String()
		m.authdUp.Store(true)
	}
	m.control, err = m.startControl(net.JoinHostPort("127.0.0.1", strconv.Itoa(max(m.o.ControlPort, 0))))
	return err
}

func (m *Manager) address(port, configured int) string {
	if port == FromConfig {
		port = configured
	}
	return net.JoinHostPort(m.o.Listen, strconv.Itoa(port))
}

// Addresses returns where the manager listens.
func (m *Manager) Addresses() Addresses {
	return Addresses{
		Events: m.remoted.listener.Addr().String(), Enroll: m.enrollAt,
		API: m.api.listener.Addr().String(), Control: m.control.listener.Addr().String(),
	}
}

// RestartAuthd stops authd and starts it again, with the certificate, password and settings that
// are on file now. Agents' connections are remoted's, and stay.
func (m *Manager) RestartAuthd() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended {
		return errors.New("restart authd: the manager is closed")
	}
	old := m.authd
	m.authdUp.Store(false)
	if old != nil {
		old.stop()
		m.authd = nil // an authd that can't start stays down, as in the container
	}
	started, err := m.startAuthd(m.enrollAt, old)
	if err != nil {
		return fmt.Errorf("restart authd: %w", err)
	}
	m.authd = started
	m.authdUp.Store(started != nil)
	return nil
}

// Restart drops every agent, as a restart of all daemons does.
func (m *Manager) Restart() error {
	m.remoted.conns.dropAll()
	return m.RestartAuthd()
}

// requestRestart restarts everything, after the answer to the request has gone out.
func (m *Manager) requestRestart() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended {
		return
	}
	m.restarts.Go(func() {
		if err := m.Restart(); err != nil {
			m.log.Error("restart", "error", err)
		}
	})
}

func (m *Manager) authdRuns() bool { return m.authdUp.Load() }

// SetFault turns a fault on or off.
func (m *Manager) SetFault(f Fault, on bool) error { return m.faults.set(string(f), on) }

// Close stops every service and waits for them.
func (m *Manager) Close() error {
	m.mu.Lock()
	m.ended = true
	m.mu.Unlock()
	m.restarts.Wait()
	if m.control != nil {
		m.control.stop()
	}
	if m.api != nil {
		m.api.stop()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.authd != nil {
		m.authd.stop()
		m.authd = nil
	}
	if m.remoted != nil {
		m.remoted.stop()
		m.remoted = nil
	}
	return nil
}

// copyConfigMount does what the image does with /wazuh-config-mount at each start: it copies what
// is in there over the installation. Names with two dots are a Secret volume's own furniture.
func (m *Manager) copyConfigMount() error {
	return m.copyTree("/wazuh-config-mount", m.root.home)
}

func (m *Manager) copyTree(from, to string) error {
	dir, err := m.root.resolve(from)
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if missing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		source, target := from+"/"+e.Name(), to+"/"+e.Name()
		switch {
		case len(e.Name()) > 2 && e.Name()[:2] == "..":
			continue
		case m.root.isDir(source):
			err = m.copyTree(source, target)
		default:
			err = m.copyFile(source, target)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (m *Manager) copyFile(from, to string) error {
	content, err := m.root.read(from)
	if err != nil {
		return err
	}
	return m.root.replace(to, content)
}
