package installer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// docker knows run and exec, as far as an agent's container needs them.
func docker(ctx context.Context, p *process) error {
	switch {
	case len(p.args) > 2 && p.args[1] == "run":
		return dockerRun(ctx, p)
	case len(p.args) > 3 && p.args[1] == "exec":
		inside, err := p.host.Container(p.args[2])
		if err != nil {
			return err
		}
		return inside.call(ctx, &process{host: inside, args: p.args[3:], dir: inside.root, root: true, stdin: p.stdin, stdout: p.stdout})
	}
	return fmt.Errorf("%q", p.args)
}

// runFlags are what docker run was told.
type runFlags struct {
	name, envFile string
	volumes       []string
	image         string
	detached      bool
}

func readRunFlags(words []string) (runFlags, error) {
	var flags runFlags
	for len(words) > 1 {
		switch words[0] {
		case "-d":
			flags.detached, words = true, words[1:]
			continue
		case "--name":
			flags.name = words[1]
		case "--env-file":
			flags.envFile = words[1]
		case "-v":
			flags.volumes = append(flags.volumes, words[1])
		case "--restart", "--hostname":
		default:
			return flags, fmt.Errorf("unknown option %s", words[0])
		}
		words = words[2:]
	}
	if len(words) != 1 || flags.name == "" || !flags.detached {
		return flags, errors.New("want -d, --name and an image")
	}
	flags.image = words[0]
	return flags, nil
}

// agentImage has been published since 4.13.0.
var agentImage = regexp.MustCompile(`^docker\.io/wazuh/wazuh-agent:4\.([0-9]+)\.([0-9]+)$`)

// dockerRun starts Wazuh's image: its init script writes the configuration from
// its own variables, and runs what lies in /entrypoint-scripts before the agent.
func dockerRun(ctx context.Context, p *process) error {
	flags, err := readRunFlags(p.args[2:])
	if err != nil {
		return err
	}
	if found := agentImage.FindStringSubmatch(flags.image); found == nil || before(found[1:], 13, 0) {
		return fmt.Errorf("there is no image %s", flags.image)
	}
	given, err := readEnvFile(p.host.resolve(p.dir, flags.envFile))
	if err != nil {
		return err
	}
	if err := judge(given, imageVariables); err != nil {
		return err
	}
	folder, err := os.MkdirTemp(filepath.Dir(p.host.root), "container-")
	if err != nil {
		return err
	}
	inside, err := New(folder, container)
	if err != nil {
		return err
	}
	inside.Dial, inside.PublicCA, inside.installed = p.host.Dial, p.host.PublicCA, true
	if err := inside.AddPublicCA(); err != nil {
		return err
	}
	if err := inside.mount(p, flags.volumes); err != nil {
		return err
	}
	if err := inside.initialise(ctx, given); err != nil {
		return fmt.Errorf("the container ends at once: %w", err)
	}
	p.host.containers[flags.name] = inside
	return nil
}

func (h *Host) initialise(ctx context.Context, given map[string]string) error {
	if err := h.write("/var/ossec/etc/authd.pass", []byte(given["WAZUH_REGISTRATION_PASSWORD"]+"\n")); err != nil {
		return err
	}
	if err := h.configure(given["WAZUH_MANAGER_SERVER"], given); err != nil {
		return err
	}
	scripts, err := filepath.Glob(h.real("/entrypoint-scripts/*.sh"))
	if err != nil {
		return err
	}
	slices.Sort(scripts)
	for _, script := range scripts {
		text, err := os.ReadFile(script)
		if err != nil {
			return err
		}
		if err := h.run(ctx, string(text), script, h.root, syntax.LangPOSIX); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(script), err)
		}
	}
	return h.start()
}

// mount copies, because nothing here writes to what is mounted.
func (h *Host) mount(p *process, volumes []string) error {
	for _, volume := range volumes {
		parts := strings.Split(volume, ":")
		if len(parts) < 2 || !strings.HasPrefix(parts[1], "/") {
			return fmt.Errorf("-v %s: no place in the container", volume)
		}
		if !strings.Contains(parts[0], "/") {
			continue // a volume of its own, empty at first
		}
		from := p.host.resolve(p.dir, parts[0])
		info, err := os.Stat(from)
		switch {
		case err != nil:
			return fmt.Errorf("-v %s: docker would make an empty folder in its place: %w", volume, err)
		case info.IsDir():
			err = os.CopyFS(h.real(parts[1]), os.DirFS(from))
		default:
			var text []byte
			if text, err = os.ReadFile(from); err == nil {
				err = h.write(parts[1], text)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readEnvFile reads NAME=VALUE as docker does: no quotes, no expansion.
func readEnvFile(path string) (map[string]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	given := map[string]string{}
	for _, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		name, value, found := strings.Cut(line, "=")
		if !found {
			return nil, fmt.Errorf("--env-file: %q is no NAME=VALUE", line)
		}
		given[name] = value
	}
	return given, nil
}
