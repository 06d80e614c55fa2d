package haproxy

import (
	"errors"
	"fmt"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"time"
)

// Names of the files in [Config.Dir].
const (
	FileConfig = "haproxy.cfg"
	FileRoutes = "route.map"
	FileAllow  = "allow.lst"
	FileHosts  = "hosts.lst"
	FileSelf   = "self.lst"
	FileSocket = "admin.sock"
	FileMaster = "master.sock"
	FilePID    = "haproxy.pid"
)

// Names of the stick tables, as the runtime socket knows them.
const (
	TableTenants = "st_tenant"
	TableSources = "st_source"
	TableAgents  = "st_agent"
	TableEnrolls = "st_enroll"
)

// Backends besides those of the slots.
const (
	// BackendGateway is where enrollments by way of a gateway are, all tenants' alike.
	BackendGateway = "ep"
	backendDirect  = "en"   // enrollment at managers
	backendMore    = "more" // slots beyond the range's, and third ports
)

// AgentMemory is after how long HAProxy forgets the source of an agent by itself.
// The edge takes out whoever has gone each time it looks, and remembers longer; so
// nothing is left to be forgotten, which is meant: among 4,000 sessions older than this a
// new connection costs HAProxy 2.6 three times the CPU, and 3.0 more than twice.
// It cannot count further than 24 days.
const AgentMemory = 20 * 24 * time.Hour

// SlotsPerBackend keeps the list HAProxy searches for a slot's server short: up
// to 2.9 it is searched from its beginning.
const SlotsPerBackend = 32

// Config is what one edge is started with. None of it belongs to one tenant.
type Config struct {
	// Addresses to listen on; empty means every address of both families.
	Addresses []netip.Addr `json:"addresses,omitempty"`
	// First and Last port of the range, both included.
	First int32 `json:"first"`
	Last  int32 `json:"last"`
	// Dir holds the configuration, the maps and the sockets.
	Dir string `json:"dir"`
	// MaxFiles is the limit of open files HAProxy will run with.
	MaxFiles int `json:"maxFiles"`
	// User, Group and Chroot, when HAProxy is started as root.
	User   string `json:"user,omitempty"`
	Group  string `json:"group,omitempty"`
	Chroot string `json:"chroot,omitempty"`
	// Threads is nbthread; 0 leaves it to HAProxy.
	Threads int `json:"threads,omitempty"`
	// EnrollmentsAtOnce per tenant; the others queue. Managers of 4.14 damage
	// their database when two happen at a time, so 0 means 1.
	EnrollmentsAtOnce int `json:"enrollmentsAtOnce,omitempty"`
	// Transparent shows managers the agents' addresses. It needs CAP_NET_ADMIN
	// and managers whose way back leads through the edge.
	Transparent bool `json:"transparent,omitempty"`
	// Timeouts; zero fields take the advised value.
	Timeouts Timeouts `json:"timeouts,omitzero"`
}

// Timeouts of the data path.
type Timeouts struct {
	// Idle bounds a silent events session. Agents speak every 20 s unless told
	// otherwise; managers call one disconnected after 15 minutes.
	Idle time.Duration `json:"idle,omitempty"`
	// Connect to a manager.
	Connect time.Duration `json:"connect,omitempty"`
	// Fin bounds how long one leg outlives the other.
	Fin time.Duration `json:"fin,omitempty"`
	// First is how long a client may take to say its first bytes.
	First time.Duration `json:"first,omitempty"`
	// Enrollment bounds a silent enrollment session, which holds the tenant's turn.
	Enrollment time.Duration `json:"enrollment,omitempty"`
	// Queue bounds the wait for an enrollment's turn.
	Queue time.Duration `json:"queue,omitempty"`
	// Gateway bounds a silent enrollment by way of a gateway, which holds nobody
	// up: agents wait for one another there, for 60 s at most.
	Gateway time.Duration `json:"gateway,omitempty"`
}

// WithDefaults fills what is left out.
func (c Config) WithDefaults() Config {
	either := func(value *time.Duration, preset time.Duration) {
		if *value == 0 {
			*value = preset
		}
	}
	either(&c.Timeouts.Idle, 30*time.Minute)
	either(&c.Timeouts.Connect, 5*time.Second)
	either(&c.Timeouts.Fin, 30*time.Second)
	either(&c.Timeouts.First, 10*time.Second)
	either(&c.Timeouts.Enrollment, 10*time.Second)
	either(&c.Timeouts.Queue, 50*time.Second)
	either(&c.Timeouts.Gateway, 70*time.Second)
	if c.EnrollmentsAtOnce == 0 {
		c.EnrollmentsAtOnce = 1
	}
	return c
}

// Slots is how many slots the configuration holds: one for each pair of ports.
// Slots beyond are added to the running process, see [Route.Added].
func (c Config) Slots() int { return int(c.Last-c.First+1) / 2 }

// Groups is the number of backends the slots are divided into.
func (c Config) Groups() int { return (c.Slots() + SlotsPerBackend - 1) / SlotsPerBackend }

// Listeners is how many sockets HAProxy listens on: one per port and bind line.
func (c Config) Listeners() int {
	return int(c.Last-c.First+1) * len(c.Binds())
}

// MaxConn is the number of connections that fit into the open files: two files
// each, besides the listeners and what HAProxy needs for itself. HAProxy refuses
// to start when it is told more than fits.
func (c Config) MaxConn() int { return (c.MaxFiles - c.Listeners() - 200) / 2 }

// Binds are the addresses of the bind lines. The families never share a line: a
// v4v6 socket shows IPv4 clients as mapped IPv6, which no allow list would match.
func (c Config) Binds() []netip.Addr {
	if len(c.Addresses) > 0 {
		return c.Addresses
	}
	return []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}
}

// File is the full name of a file of the edge.
func (c Config) File(name string) string { return path.Join(c.Dir, name) }

var (
	safePath = regexp.MustCompile(`^/[-A-Za-z0-9_./]+$`)
	safeUser = regexp.MustCompile(`^[a-z_][-a-z0-9_]*$`)
)

// Check refuses a configuration HAProxy would refuse, or worse, accept.
func (c Config) Check() error {
	var found []error
	refuse := func(format string, args ...any) { found = append(found, fmt.Errorf(format, args...)) }
	if c.First < 1 || c.Last > 65535 || c.First >= c.Last {
		refuse("ports %d-%d: give a range within 1-65535 of two ports at least, such as 15140-25139", c.First, c.Last)
	}
	if !safePath.MatchString(c.Dir) || len(c.Dir) > 80 {
		refuse("dir %q: use an absolute path of at most 80 letters, digits and -_./ (it is written into the configuration, and a socket's path is short)", c.Dir)
	}
	if c.Chroot != "" && !safePath.MatchString(c.Chroot) {
		refuse("chroot %q: use an absolute path of letters, digits and -_./", c.Chroot)
	}
	for field, value := range map[string]string{"user": c.User, "group": c.Group} {
		if value != "" && !safeUser.MatchString(value) {
			refuse("%s %q: use a name of this machine, such as haproxy", field, value)
		}
	}
	for i, address := range c.Addresses {
		if !address.IsValid() || address.Zone() != "" || address.Is4In6() || slices.Contains(c.Addresses[:i], address) {
			refuse("addresses: %q is doubled, or no plain IPv4 or IPv6 address", address)
		}
	}
	if len(found) == 0 && c.MaxConn() < 100 {
		refuse("maxFiles %d: %d listening ports leave room for %d connections; raise the limit of open files (LimitNOFILE), or narrow the range of ports", c.MaxFiles, c.Listeners(), max(c.MaxConn(), 0))
	}
	return errors.Join(found...)
}
