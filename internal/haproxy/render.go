package haproxy

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"text/template"
	"time"
)

//go:embed haproxy.cfg.tmpl
var configTemplate string

// routeShape is what every value of the route map looks like. HAProxy compiles
// it too: no {n,m} with quotes, no spaces.
const routeShape = `^[0-9]{1,5}/([0-9]{1,3}([.][0-9]{1,3}){3}|[0-9a-f:]*:[0-9a-f:]*)/[1-9][0-9]{0,4}/[1-9][0-9]{0,6}/[1-9][0-9]{0,6}/[0-9]{1,7}/[AS]/(ev|en|ep|tl)$`

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
	PerBackend  int
	Spent       []string
}

// Render writes the static configuration. Equal configurations give equal bytes.
func Render(config Config) ([]byte, error) {
	config = config.WithDefaults()
	if err := config.Check(); err != nil {
		return nil, err
	}
	page := page{Config: config, Shape: routeShape, PerBackend: SlotsPerBackend, Description: "{description}", T: config.Timeouts.texts(),
		Spent: []string{"r", "ip", "to", "cap", "rate", "brake", "key", "who", "hex", "host"}}
	if config.Transparent {
		page.Source = "\n    source 0.0.0.0 usesrc clientip"
	}
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
	return bytes.Replace(out.Bytes(), []byte("{description}"), []byte(describe(out.Bytes())), 1), nil
}

// describe names a configuration by its contents.
func describe(text []byte) string {
	sum := sha256.Sum256(text)
	return "soctalk-edge-" + hex.EncodeToString(sum[:6])
}

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
		"First": text(t.First), "Enrollment": text(t.Enrollment), "Queue": text(t.Queue),
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
