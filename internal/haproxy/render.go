package haproxy

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"text/template"
	"time"
)

//go:embed haproxy.cfg.tmpl
var configTemplate string

// routeShape is what every value of the route map looks like. HAProxy compiles
// it too: no {n,m} with quotes, no spaces.
const routeShape = `^[sept][0-9]{1,5}/[AOS]/([0-9]{1,3}([.][0-9]{1,3}){3}|[0-9a-f:]*:[0-9a-f:]*)/([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])/(ev_[0-9]{1,4}|more|en|ep)/[1-9][0-9]{0,6}/[1-9][0-9]{0,6}/[0-9]{1,7}$`

// group is one backend's share of the slots.
type group struct{ Name, First, Last int }

// page is what the template sees.
type page struct {
	Config
	Description string
	Shape       string
	Source      string
	T           map[string]string
	GroupList   []group
	Spent       []string
	AgentMemory string
}

// Render writes the configuration as it is started with: [Head] and [Tail].
func Render(config Config, routes []Route) ([]byte, error) {
	head, err := Head(config)
	if err != nil {
		return nil, err
	}
	return append(head, Tail(config, routes)...), nil
}

// Head is the static part, which is a matter of the edge alone. Equal
// configurations give equal bytes.
func Head(config Config) ([]byte, error) {
	config = config.WithDefaults()
	if err := config.Check(); err != nil {
		return nil, err
	}
	page := page{Config: config, Shape: routeShape, Description: "{description}", T: config.Timeouts.texts(),
		Spent:  []string{"slot", "who", "hex", "brake", "host"},
		Source: config.sourceLine(), AgentMemory: fmt.Sprintf("%ds", int(AgentMemory.Seconds()))}
	for i := range config.Groups() {
		page.GroupList = append(page.GroupList, group{Name: i, First: i * SlotsPerBackend, Last: min((i+1)*SlotsPerBackend, config.Slots()) - 1})
	}
	parsed, err := template.New(FileConfig).Funcs(template.FuncMap{"bind": bindText}).Parse(configTemplate)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, page); err != nil {
		return nil, err
	}
	// The hash of the rest names the file, so that a running process can be
	// asked which one it was started with.
	name := describe(append(bytes.Clone(out.Bytes()), Tail(config, nil)...))
	return bytes.Replace(out.Bytes(), []byte("{description}"), []byte(name), 1), nil
}

// Tail has the servers that are there for those who need one: slots beyond the
// range's, third ports, and enrollment at a manager itself. In a running process
// they are added; the file is for the next one, which must not wait for the edge
// to know them.
func Tail(config Config, routes []Route) []byte {
	var servers []Server
	for _, route := range routes {
		servers = append(servers, route.Added(config)...)
	}
	return TailOf(config, servers)
}

// TailOf is the tail with those servers.
func TailOf(config Config, servers []Server) []byte {
	config = config.WithDefaults()
	lines := map[string][]string{}
	for _, server := range servers {
		lines[server.Backend] = append(lines[server.Backend], "    server "+server.Name+" 0.0.0.0 "+server.Options+"\n")
	}
	var out bytes.Buffer
	backend := func(name, rules string) {
		fmt.Fprintf(&out, "backend %s\n%s    use-server %%[var(sess.r),field(1,/)] if { always_true }%s\n", name, rules, config.sourceLine())
		slices.Sort(lines[name])
		for _, line := range lines[name] {
			out.WriteString(line)
		}
	}
	out.WriteString("# Slots beyond the range's, and third ports. A running process has been given\n" +
		"# them; a new one reads them here.\n")
	backend(backendMore, "")
	out.WriteString("# Enrollment at the manager itself, one after the other. A silent one holds its\n" +
		"# tenant's turn; \"timeout server\" would end with the first bytes. Before the\n" +
		"# manager's first bytes a rule measures the silence: HAProxy 3 would count an\n" +
		"# agent's from before its wait in the queue.\n")
	backend(backendDirect, "    timeout tunnel "+config.Timeouts.texts()["Enrollment"]+"\n"+config.Timeouts.turnRules())
	return out.Bytes()
}

// turnRules end an enrollment whose manager says nothing, or stays after the agent left.
func (t Timeouts) turnRules() string {
	silence := t.texts()["Enrollment"]
	return "    timeout server-fin " + fmt.Sprintf("%dms", min(t.Fin, t.Enrollment).Milliseconds()) + "\n" +
		"    tcp-response inspect-delay " + silence + "\n" +
		"    tcp-response content accept if { res.len gt 0 }\n" +
		"    tcp-response content close\n"
}

// sourceLine has managers see the agents' own addresses.
func (c Config) sourceLine() string {
	if c.Transparent {
		return "\n    source 0.0.0.0 usesrc clientip"
	}
	return ""
}

// layout is raised when tables, servers or the map's values get other names or
// shapes: what one edge reads, an edge of another layout does not understand.
const layout = "soctalk-edge-v2-"

// describe names a configuration by its contents.
func describe(text []byte) string {
	sum := sha256.Sum256(text)
	return layout + hex.EncodeToString(sum[:6])
}

// Readable is true for the description of a process whose tables and servers are
// named as this version of the edge names them.
func Readable(description string) bool { return strings.HasPrefix(description, layout) }

// Description finds in a rendered configuration the name a process started with
// it answers to.
func Description(config []byte) string {
	for line := range strings.Lines(string(config)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "description "); ok {
			return name
		}
	}
	return ""
}

func bindText(address netip.Addr) string {
	if address.Is6() {
		return "[" + address.String() + "]"
	}
	return address.String()
}

// texts are the timeouts as HAProxy reads them.
func (t Timeouts) texts() map[string]string {
	text := func(d time.Duration) string { return fmt.Sprintf("%dms", d.Milliseconds()) }
	return map[string]string{
		"Idle": text(t.Idle), "Connect": text(t.Connect), "Fin": text(t.Fin),
		"First": text(t.First), "Enrollment": text(t.Enrollment), "Queue": text(t.Queue), "Gateway": text(t.Gateway),
	}
}

// SelfList are the addresses a route must not lead back to, one per line.
func SelfList(addresses []netip.Addr) []byte {
	var out bytes.Buffer
	for _, address := range addresses {
		fmt.Fprintln(&out, address.Unmap())
	}
	return out.Bytes()
}
