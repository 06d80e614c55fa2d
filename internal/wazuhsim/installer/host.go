// Package installer reads the commands that install an agent the way the
// programs they call would: sudo drops the environment, the packages' scripts
// know certain variables and put their values through sed, msiexec has its own
// quotes, agent-auth its own flags. What the real ones forgive in silence is an
// error here: an unknown variable, a file the agent may not read, a secret in an
// argument.
//
// A [Host] starts bare. [Host.Run] and [Host.RunPowerShell] run commands on it;
// what came of them is [Host.Agent], the agent as its configuration makes it,
// ready to try against a manager. Nothing of the real machine changes: absolute
// paths lead into a folder of the host's own.
package installer

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/soctalk/soctalk-ingress/internal/wazuh"
	"github.com/soctalk/soctalk-ingress/internal/wazuhsim/agent"
)

// System is a kind of endpoint.
type System string

// The systems.
const (
	Debian    System = "debian"
	RedHat    System = "redhat"
	SUSE      System = "suse"
	MacOS     System = "macos"
	Windows   System = "windows"
	container System = "container"
)

// Host is one endpoint.
type Host struct {
	System System
	// Secret must appear in no process's arguments; empty checks nothing.
	Secret string
	// PublicCA is what the system keeps of public authorities.
	PublicCA []byte
	// Dial reaches the tenant's ports; nil reaches nothing.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Input is what a person types.
	Input string

	root, work string
	owners     map[string]owner // by path on the host
	downloads  map[string]string
	installed  bool
	started    bool
	containers map[string]*Host
	out        bytes.Buffer
}

// owner and mode, which the real file of this machine cannot have.
type owner struct {
	user, group string
	mode        os.FileMode
}

// New makes a host in a folder that is there and empty.
func New(folder string, system System) (*Host, error) {
	h := &Host{
		System: system, root: filepath.Join(folder, "root"), work: filepath.Join(folder, "work"),
		owners: map[string]owner{}, downloads: map[string]string{}, containers: map[string]*Host{},
	}
	for _, path := range []string{h.work, filepath.Join(h.root, "tmp"), filepath.Join(h.root, "dev")} {
		if err := os.MkdirAll(path, 0o755); err != nil {
			return nil, fmt.Errorf("make a host: %w", err)
		}
	}
	return h, nil
}

// Work is the folder commands run in.
func (h *Host) Work() string { return h.work }

// Output is everything the commands printed.
func (h *Host) Output() string { return h.out.String() }

// Started is true once the agent runs.
func (h *Host) Started() bool { return h.started }

// home is where the agent lives on this system.
func (h *Host) home() string {
	switch h.System {
	case MacOS:
		return "/Library/Ossec/"
	case Windows:
		return windowsHome
	}
	return "/var/ossec/"
}

// config is the agent's configuration file.
func (h *Host) config() string {
	if h.System == Windows {
		return h.home() + "ossec.conf"
	}
	return h.home() + "etc/ossec.conf"
}

// real is where a path of the host lies on this machine.
func (h *Host) real(path string) string {
	if h.System == Windows {
		path = "/" + strings.NewReplacer(`\`, "/", ":", "").Replace(path)
	}
	return filepath.Join(h.root, filepath.FromSlash(path))
}

// resolve turns a word of a command into a place on this machine.
func (h *Host) resolve(dir, path string) string {
	if strings.HasPrefix(path, "/") && !strings.HasPrefix(path, h.work) && !strings.HasPrefix(path, h.root) {
		return h.real(path)
	}
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

func (h *Host) write(path string, text []byte) error {
	real := h.real(path)
	if err := os.MkdirAll(filepath.Dir(real), 0o755); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return os.WriteFile(real, text, 0o600)
}

// AddPublicCA puts the system's own file of authorities where the system has it.
func (h *Host) AddPublicCA() error {
	path := map[System]string{
		Debian: "/etc/ssl/certs/ca-certificates.crt", RedHat: "/etc/pki/tls/certs/ca-bundle.crt", SUSE: "/etc/ssl/ca-bundle.pem",
		MacOS: "/etc/ssl/cert.pem", container: "/etc/pki/tls/certs/ca-bundle.crt",
	}[h.System]
	if path == "" {
		return nil // Windows keeps no such file
	}
	return h.write(path, h.PublicCA)
}

// AlreadyInstalled makes a host that has had an agent for years.
func (h *Host) AlreadyInstalled() error {
	return h.install(map[string]string{"WAZUH_MANAGER": "old.example.com"})
}

// Log adds a line to the agent's log.
func (h *Host) Log(line string) error {
	path := h.home() + "logs/ossec.log"
	if h.System == Windows {
		path = h.home() + "ossec.log"
	}
	before, err := os.ReadFile(h.real(path))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return h.write(path, append(before, line+"\n"...))
}

// Container is one the commands started, as a host of its own.
func (h *Host) Container(name string) (*Host, error) {
	if inside := h.containers[name]; inside != nil {
		return inside, nil
	}
	return nil, fmt.Errorf("no container %q was started", name)
}

// start is what the service does first: read the configuration, and what it names.
func (h *Host) start() error {
	if !h.installed {
		return errors.New("the service does not exist: no package is installed")
	}
	if _, err := h.Agent("probe"); err != nil {
		return fmt.Errorf("the agent starts and cannot enroll: %w", err)
	}
	h.started = true
	return nil
}

// Agent is the agent as the configuration makes it.
func (h *Host) Agent(name string) (agent.Options, error) {
	settings, err := h.Settings()
	if err != nil {
		return agent.Options{}, err
	}
	secret, err := h.secretOf(settings)
	if err != nil {
		return agent.Options{}, err
	}
	roots, err := h.rootsOf(settings.CA)
	if err != nil {
		return agent.Options{}, err
	}
	if settings.Name != "" {
		name = settings.Name
	}
	return agent.Options{
		Name: name, Group: settings.Groups, Password: wazuh.NewSecret(secret), CA: roots,
		EnrollAddress: settings.enrollment(), EventsAddress: settings.events(), Dial: h.Dial,
	}, nil
}

// secretOf reads what the agent shows when it enrolls.
func (h *Host) secretOf(settings Settings) (string, error) {
	path := h.inHome(settings.SecretFile)
	text, err := os.ReadFile(h.real(path))
	if err != nil {
		return "", fmt.Errorf("the agent finds no enrollment secret in %s: %w", path, err)
	}
	if err := h.readable(path); err != nil {
		return "", err
	}
	line, rest, ended := strings.Cut(string(text), "\n")
	if line == "" || !ended || rest != "" || strings.ContainsAny(line, "\r ") {
		return "", fmt.Errorf("%s is not one line that ends with one newline", path)
	}
	return line, nil
}

func (h *Host) rootsOf(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, errors.New("no authority is configured: the agent would enroll with whoever answers")
	}
	path = h.inHome(path)
	text, err := os.ReadFile(h.real(path))
	if err != nil {
		return nil, fmt.Errorf("the agent finds no authority in %s: %w", path, err)
	}
	if err := h.readable(path); err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate", path)
	}
	return roots, nil
}

// readable judges files that install(1) placed: the agent runs as user wazuh, and
// nobody else is to read the secret.
func (h *Host) readable(path string) error {
	held, placed := h.owners[path]
	switch {
	case !placed:
		return nil
	case held.group != "wazuh" || held.mode&0o040 == 0:
		return fmt.Errorf("%s belongs to %s:%s with mode %o; the agent may not read it", path, held.user, held.group, held.mode)
	case held.mode&0o007 != 0:
		return fmt.Errorf("%s has mode %o; every user of the host may read it", path, held.mode)
	}
	return nil
}

// inHome resolves a path as the agent does: relative to its home.
func (h *Host) inHome(path string) string {
	if strings.HasPrefix(path, "/") || h.System == Windows && strings.Contains(path, ":") {
		return path
	}
	return h.home() + path
}
