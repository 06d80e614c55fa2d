// Package onboard says everything the administrator of a customer must know to
// bring agents in: name, address and ports, what the firewall must let out, which
// authority to trust, and complete commands for each platform.
//
// [NewSheet] makes it from data, and the command line, the console and the
// documents show the same [Sheet]. It is pure, and it never sees the enrollment
// secret: commands take it from a file, and the one that cannot has a placeholder.
package onboard

import (
	"fmt"
	"slices"
	"strings"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// Input is what a sheet is made from.
type Input struct {
	// Tenant with its status, which names hostname, address and ports.
	Tenant v1alpha1.Tenant `json:"tenant"`
	// Region the tenant belongs to.
	Region v1alpha1.Region `json:"region"`
	// Coming is what is to be otherwise than the status says.
	Coming []Change `json:"coming,omitempty"`
	// AuthorityPEM is the certificate of the authority that signed the
	// certificate on the enrollment port. Empty means a public authority, which
	// the endpoints' systems know.
	AuthorityPEM string `json:"authorityPEM,omitempty"`
	// AgentVersion to install, such as 4.14.7; empty means the manager's own.
	AgentVersion string `json:"agentVersion,omitempty"`
	// AgentGroup the agents join; empty leaves it to the manager.
	AgentGroup string `json:"agentGroup,omitempty"`
}

// Sheet is what the customer's administrator is given.
type Sheet struct {
	Tenant      string `json:"tenant"`
	DisplayName string `json:"displayName,omitempty"`
	Region      string `json:"region"`
	Mode        string `json:"mode"`
	// Notes come first: what is not as it should be, or needs a decision.
	Notes []string `json:"notes,omitempty"`
	// Coming is what agents and firewalls will meet in place of what the sheet says.
	Coming []Change `json:"coming,omitempty"`
	// Hostname agents are given, and the addresses it leads to.
	Hostname  string   `json:"hostname"`
	Addresses []string `json:"addresses"`
	// Ports agents connect to.
	Ports []Port `json:"ports"`
	// AgentVersion the commands install.
	AgentVersion string   `json:"agentVersion"`
	Firewall     Firewall `json:"firewall"`
	Trust        Trust    `json:"trust"`
	Secret       Secret   `json:"secret"`
	// Checks to run before anything is installed.
	Checks []Step `json:"checks"`
	// Platforms with the commands that install an agent.
	Platforms []Platform `json:"platforms"`
	// Installed is for agents of version 4 that are there already.
	Installed []Installed `json:"installed"`
	// Plain is the shortest command that enrolls, and why another is better.
	Plain Step `json:"plain"`
}

// Change is one thing of a tenant that is to be otherwise than it is.
type Change struct {
	// What changes: hostname, address, ports or certificate.
	What string `json:"what"`
	// Now is how it is, and Coming what is asked for.
	Now    string `json:"now"`
	Coming string `json:"coming"`
}

// Port is one port agents connect to.
type Port struct {
	Name    string `json:"name"`
	Port    int32  `json:"port"`
	Purpose string `json:"purpose"`
}

// Shells a step can be for.
const (
	ShellSh         = "sh"
	ShellPowerShell = "powershell"
)

// Step is something to run.
type Step struct {
	// Title in a few words.
	Title string `json:"title"`
	// Shell that understands Run: sh or powershell.
	Shell string `json:"shell"`
	// Run is complete; it may have several lines.
	Run string `json:"run"`
	// Remark tells what to expect, or to mind.
	Remark string `json:"remark,omitempty"`
}

// Platform is one kind of endpoint and how an agent gets onto it.
type Platform struct {
	// ID is stable: deb-amd64, windows-msi.
	ID string `json:"id"`
	// Name as people write it.
	Name string `json:"name"`
	// System whose paths it has, as in Installed; empty for a container.
	System string `json:"system,omitempty"`
	// Package is where the agent comes from: a URL, or an image.
	Package string `json:"package"`
	Steps   []Step `json:"steps"`
}

// Installed is how an agent that is there already is pointed at the tenant.
type Installed struct {
	// System in words.
	System string `json:"system"`
	// Config is the agent's configuration file, and ClientXML the element that
	// replaces <client> there.
	Config    string `json:"config"`
	ClientXML string `json:"clientXML"`
	Steps     []Step `json:"steps"`
}

// Missing says what a tenant lacks before its agents can be told anything.
type Missing struct {
	// Tenant by its slug.
	Tenant string
	// What is missing, such as "hostname".
	What []string
	// Why, as the tenant's Ready condition says; empty when it says nothing.
	Why string
}

// Error names the tenant and what it lacks.
func (m *Missing) Error() string {
	text := fmt.Sprintf("tenant %q has no %s yet", m.Tenant, strings.Join(m.What, " and no "))
	if m.Why != "" {
		text += ": " + m.Why
	}
	return text
}

// facts is what the commands are made from.
type facts struct {
	host       string
	events     int32
	enrollment int32
	version    string
	group      string
	edge       bool
	trust      Trust
}

// NewSheet makes the sheet. The error is a *[Missing] while the tenant has no
// hostname or ports, and names the field when the input is wrong.
func NewSheet(in Input) (Sheet, error) {
	status := in.Tenant.Status
	if err := missing(in.Tenant); err != nil {
		return Sheet{}, err
	}
	version, versionNote, err := agentVersion(in)
	if err != nil {
		return Sheet{}, err
	}
	if err := checkGroup(in.AgentGroup); err != nil {
		return Sheet{}, err
	}
	trust, err := newTrust(in.AuthorityPEM)
	if err != nil {
		return Sheet{}, err
	}
	f := facts{
		host:       status.Hostname,
		events:     portOf(status, naming.PortEvents),
		enrollment: portOf(status, naming.PortEnrollment),
		version:    version,
		group:      in.AgentGroup,
		edge:       status.Mode == v1alpha1.ModeEdgeHAProxy,
		trust:      trust,
	}
	sheet := Sheet{
		Tenant:       in.Tenant.Name,
		DisplayName:  in.Tenant.Spec.DisplayName,
		Region:       status.Region,
		Mode:         string(status.Mode),
		Hostname:     status.Hostname,
		Addresses:    addresses(in),
		Coming:       in.Coming,
		Ports:        ports(status),
		AgentVersion: version,
		Trust:        trust,
		Secret:       newSecret(),
		Checks:       checks(f, addresses(in)),
		Platforms:    platforms(f),
		Installed:    installed(f),
		Plain:        plain(f),
	}
	sheet.Firewall = firewall(sheet)
	sheet.Notes = notes(in, sheet, versionNote)
	return sheet, nil
}

// Only keeps the platforms named by id, and their systems.
func (s Sheet) Only(ids ...string) (Sheet, error) {
	var kept []Platform
	var systems []string
	for _, id := range ids {
		at := slices.IndexFunc(s.Platforms, func(p Platform) bool { return p.ID == id })
		if at < 0 && slices.Contains(PlatformIDs(), id) {
			return s, fmt.Errorf("platform %q: %s", id, without(id, s.AgentVersion))
		}
		if at < 0 {
			return s, fmt.Errorf("platform %q: use one of %s", id, strings.Join(PlatformIDs(), ", "))
		}
		kept = append(kept, s.Platforms[at])
		systems = append(systems, s.Platforms[at].System)
	}
	s.Platforms = kept
	s.Installed = slices.DeleteFunc(slices.Clone(s.Installed), func(entry Installed) bool {
		return !slices.Contains(systems, entry.System)
	})
	return s, nil
}

func missing(tenant v1alpha1.Tenant) error {
	var what []string
	if tenant.Status.Hostname == "" {
		what = append(what, "hostname")
	}
	for _, name := range []string{naming.PortEvents, naming.PortEnrollment} {
		if portOf(tenant.Status, name) == 0 {
			what = append(what, name+" port")
		}
	}
	if what == nil {
		return nil
	}
	return &Missing{Tenant: tenant.Name, What: what, Why: notReady(tenant)}
}

func portOf(status v1alpha1.TenantStatus, name string) int32 {
	for _, port := range status.Ports {
		if port.Name == name {
			return port.Port
		}
	}
	return 0
}

func ports(status v1alpha1.TenantStatus) []Port {
	var out []Port
	for _, port := range status.Ports {
		out = append(out, Port{Name: port.Name, Port: port.Port, Purpose: purpose(port.Name)})
	}
	return out
}

func purpose(port string) string {
	switch port {
	case naming.PortEvents:
		return "events, all the time; Wazuh's own encryption, not TLS"
	case naming.PortEnrollment:
		return "enrollment, once per agent; TLS"
	case naming.PortHTTPS:
		return "agents of version 5 only, enrollment and events; TLS"
	}
	return port
}

// addresses agents may be sent to: every address of an edge, or the tenant's own.
func addresses(in Input) []string {
	status := in.Tenant.Status
	if edge := in.Region.Spec.Edge; status.Mode == v1alpha1.ModeEdgeHAProxy && edge != nil && (status.Address == "" || slices.Contains(edge.Addresses, status.Address)) {
		return edge.Addresses
	}
	if status.Address == "" {
		return nil
	}
	return []string{status.Address}
}
