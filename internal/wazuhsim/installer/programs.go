package installer

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// programs of a host, by the name a command calls them.
func programs() map[string]func(context.Context, *process) error {
	table := map[string]func(context.Context, *process) error{
		"sudo": sudo, "sh": sh, "unzip": unzip, "curl": curl, "install": install, "tee": tee, "systemctl": systemctl, "stty": nothing, "hostname": hostname,
		"dpkg": dpkg, "rpm": rpm, "installer": pkg, "docker": docker,
		"nslookup": nslookup, "nc": netcat, "openssl": openssl,
		"/var/ossec/bin/agent-auth": agentAuth, "/Library/Ossec/bin/agent-auth": agentAuth,
		"/Library/Ossec/bin/wazuh-control": wazuhControl,
	}
	for _, name := range []string{"cat", "grep", "sed", "mkdir", "rm", "tail", "dirname"} {
		table[name] = realProgram
	}
	return table
}

// unzip unpacks an archive where it lies.
func unzip(_ context.Context, p *process) error {
	if len(p.args) != 2 {
		return fmt.Errorf("want one archive: %q", p.args)
	}
	archive, err := zip.OpenReader(p.host.resolve(p.dir, p.args[1]))
	if err != nil {
		return err
	}
	defer archive.Close()
	return os.CopyFS(p.dir, archive)
}

func nothing(context.Context, *process) error { return nil }

func hostname(_ context.Context, p *process) error {
	_, err := fmt.Fprintln(p.stdout, "host-1")
	return err
}

// realProgram runs this machine's own, with the host's files.
func realProgram(ctx context.Context, p *process) error {
	args := slices.Clone(p.args[1:])
	for i, word := range args {
		if strings.HasPrefix(word, "/") {
			args[i] = p.host.resolve(p.dir, word)
		}
	}
	command := exec.CommandContext(ctx, p.args[0], args...)
	command.Dir, command.Stdin, command.Stdout, command.Stderr = p.dir, p.stdin, p.stdout, &p.host.out
	err := command.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return interp.ExitStatus(exit.ExitCode())
	}
	return err
}

var packageURL = regexp.MustCompile(`^https://packages\.wazuh\.com/4\.x/(apt/pool/main/w/wazuh-agent/wazuh-agent_4\.[0-9]+\.[0-9]+-1_(amd64|arm64)\.deb|` +
	`yum/wazuh-agent-4\.[0-9]+\.[0-9]+-1\.(x86_64|aarch64)\.rpm|macos/wazuh-agent-4\.[0-9]+\.[0-9]+-1\.(intel64|arm64)\.pkg|windows/wazuh-agent-4\.[0-9]+\.[0-9]+-1\.msi)$`)

func curl(_ context.Context, p *process) error {
	if len(p.args) != 3 || p.args[1] != "-fLO" {
		return fmt.Errorf("want -fLO URL, so that an error page is not taken for a package: %q", p.args)
	}
	return p.host.download(p.args[2], filepath.Join(p.dir, filepath.Base(p.args[2])))
}

// macPackage: packages for macOS have an architecture in their name since 4.5.1.
var macPackage = regexp.MustCompile(`/macos/wazuh-agent-4\.([0-9]+)\.([0-9]+)-`)

func (h *Host) download(url, to string) error {
	if !packageURL.MatchString(url) {
		return fmt.Errorf("there is nothing at %s", url)
	}
	if found := macPackage.FindStringSubmatch(url); found != nil && before(found[1:], 5, 1) {
		return fmt.Errorf("there is nothing at %s: packages before 4.5.1 are named without an architecture", url)
	}
	h.downloads[to] = url
	return os.WriteFile(to, []byte("package"), 0o600)
}

// before compares the minor version and the patch level of a Wazuh 4.
func before(version []string, minor, patch int) bool {
	a, err := strconv.Atoi(version[0])
	b, err2 := strconv.Atoi(version[1])
	return err != nil || err2 != nil || a < minor || a == minor && b < patch
}

// packageFile is the one file a package manager is given; it must be what was fetched.
func (p *process) packageFile(word, suffix string) error {
	path := p.host.resolve(p.dir, word)
	if p.host.downloads[path] == "" || !strings.HasSuffix(path, suffix) {
		return fmt.Errorf("%s is no package that was downloaded", word)
	}
	if !p.root {
		return errors.New("only root may install")
	}
	return nil
}

func dpkg(_ context.Context, p *process) error {
	if len(p.args) != 3 || p.args[1] != "-i" || p.host.System != Debian {
		return fmt.Errorf("%q on %s", p.args, p.host.System)
	}
	return errors.Join(p.packageFile(p.args[2], ".deb"), p.host.install(wazuhVariables(p.env)))
}

func rpm(_ context.Context, p *process) error {
	if len(p.args) != 3 || p.args[1] != "-ihv" || p.host.System != RedHat && p.host.System != SUSE {
		return fmt.Errorf("%q on %s", p.args, p.host.System)
	}
	return errors.Join(p.packageFile(p.args[2], ".rpm"), p.host.install(wazuhVariables(p.env)))
}

// pkg is macOS's installer: its script sees no environment, and reads a file as root.
func pkg(ctx context.Context, p *process) error {
	if len(p.args) != 5 || p.args[1] != "-pkg" || p.args[3] != "-target" || p.args[4] != "/" || p.host.System != MacOS {
		return fmt.Errorf("%q on %s", p.args, p.host.System)
	}
	if err := p.packageFile(p.args[2], ".pkg"); err != nil {
		return err
	}
	const path = "/tmp/wazuh_envs"
	text, err := os.ReadFile(p.host.real(path))
	if err != nil {
		return fmt.Errorf("the package's script finds no variables: %w", err)
	}
	if held := p.host.owners[path]; held.user != "root" || held.mode != 0o600 {
		return fmt.Errorf("%s is sourced as root and belongs to %q with mode %o: whoever writes it becomes root", path, held.user, held.mode)
	}
	file, err := syntax.NewParser().Parse(bytes.NewReader(text), path)
	if err != nil {
		return err
	}
	runner, err := interp.New(interp.Env(expand.ListEnviron()), interp.ExecHandlers(func(interp.ExecHandlerFunc) interp.ExecHandlerFunc {
		return func(_ context.Context, args []string) error { return fmt.Errorf("it runs %s as root", args[0]) }
	}))
	if err != nil {
		return err
	}
	if err := runner.Run(ctx, file); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	given := map[string]string{}
	for name, value := range runner.Vars {
		given[name] = value.String()
	}
	return errors.Join(os.Remove(p.host.real(path)), p.host.install(wazuhVariables(given)))
}

// install places a file with owner and mode.
func install(_ context.Context, p *process) error {
	placed, words := owner{user: "me", group: "me", mode: 0o755}, p.args[1:]
	if p.root {
		placed.user, placed.group = "root", "root"
	}
	for len(words) > 2 && strings.HasPrefix(words[0], "-") {
		switch words[0] {
		case "-m":
			mode, err := strconv.ParseUint(words[1], 8, 12)
			if err != nil {
				return err
			}
			placed.mode = os.FileMode(mode)
		case "-o":
			placed.user = words[1]
		case "-g":
			placed.group = words[1]
		default:
			return fmt.Errorf("unknown option %s", words[0])
		}
		words = words[2:]
	}
	if len(words) != 2 {
		return fmt.Errorf("want a source and a target: %q", p.args)
	}
	if placed.group == "wazuh" && !p.host.installed {
		return errors.New("invalid group 'wazuh': the package that makes it is not installed yet")
	}
	if !p.root && placed.user != "me" {
		return errors.New("only root may give files away")
	}
	var text []byte
	if words[0] != "/dev/null" {
		var err error
		if text, err = os.ReadFile(p.host.resolve(p.dir, words[0])); err != nil {
			return err
		}
	}
	p.host.owners[words[1]] = placed
	return p.host.write(words[1], text)
}

func tee(_ context.Context, p *process) error {
	text, err := io.ReadAll(p.stdin)
	if err != nil || len(p.args) != 2 {
		return errors.Join(err, fmt.Errorf("%q", p.args))
	}
	if _, there := p.host.owners[p.args[1]]; !there {
		p.host.owners[p.args[1]] = owner{"root", "root", 0o644}
	}
	if err := p.host.write(p.args[1], text); err != nil {
		return err
	}
	_, err = p.stdout.Write(text)
	return err
}

func systemctl(_ context.Context, p *process) error {
	if !p.root || p.host.System == MacOS {
		return fmt.Errorf("not here, and not by this user (%s)", p.host.System)
	}
	switch strings.Join(p.args[1:], " ") {
	case "daemon-reload":
		return nil
	case "enable --now wazuh-agent", "restart wazuh-agent":
		return p.host.start()
	}
	return fmt.Errorf("unknown words %q", p.args[1:])
}

func wazuhControl(_ context.Context, p *process) error {
	if !p.root || p.host.System != MacOS || len(p.args) != 2 || p.args[1] != "start" && p.args[1] != "restart" {
		return fmt.Errorf("%q on %s", p.args, p.host.System)
	}
	return p.host.start()
}
