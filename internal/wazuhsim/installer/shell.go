package installer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// Run runs a script for sh or bash on the host, in its work folder.
func (h *Host) Run(ctx context.Context, script string) error {
	return h.run(ctx, script, "", h.work, syntax.LangBash)
}

// run runs a script; name is what it finds in $0.
func (h *Host) run(ctx context.Context, script, name, dir string, language syntax.LangVariant) error {
	file, err := syntax.NewParser(syntax.Variant(language)).Parse(strings.NewReader(script), name)
	if err != nil {
		return fmt.Errorf("not a shell's words: %w", err)
	}
	environment := []string{"PATH=/usr/bin:/bin", "HOME=/root"}
	typed, err := h.keyboard()
	if err != nil {
		return err
	}
	defer typed.Close()
	runner, err := interp.New(
		interp.Dir(dir), interp.Env(expand.ListEnviron(environment...)), interp.StdIO(typed, &h.out, &h.out),
		interp.ExecHandlers(func(interp.ExecHandlerFunc) interp.ExecHandlerFunc { return h.exec }),
		interp.CallHandler(withoutUmask),
		interp.StatHandler(func(_ context.Context, path string, follow bool) (fs.FileInfo, error) {
			if !follow {
				return os.Lstat(h.resolve(dir, path))
			}
			return os.Stat(h.resolve(dir, path))
		}),
		interp.OpenHandler(func(_ context.Context, path string, flag int, perm os.FileMode) (io.ReadWriteCloser, error) {
			if path == "/dev/null" {
				return os.OpenFile(path, flag, perm)
			}
			return os.OpenFile(h.resolve(dir, path), flag, perm)
		}),
	)
	if err != nil {
		return err
	}
	return runner.Run(ctx, file)
}

// keyboard is a file, because the shell reads from nothing else.
func (h *Host) keyboard() (*os.File, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	_, err = io.WriteString(write, h.Input)
	return read, errors.Join(err, write.Close())
}

// withoutUmask lets scripts call it; what a file's mode is on a host is judged
// where install(1) sets it.
func withoutUmask(_ context.Context, args []string) ([]string, error) {
	if args[0] == "umask" {
		return []string{"true"}, nil
	}
	return args, nil
}

// process is one program that is called.
type process struct {
	host   *Host
	args   []string
	dir    string
	env    map[string]string
	root   bool
	stdin  io.Reader
	stdout io.Writer
}

func (h *Host) exec(ctx context.Context, args []string) error {
	at := interp.HandlerCtx(ctx)
	env := map[string]string{}
	at.Env.Each(func(name string, value expand.Variable) bool {
		if value.Exported {
			env[name] = value.String()
		}
		return true
	})
	return h.call(ctx, &process{host: h, args: args, dir: at.Dir, env: env, stdin: at.Stdin, stdout: at.Stdout})
}

// call finds the program. One that no command should need is an error.
func (h *Host) call(ctx context.Context, p *process) error {
	if h.Secret != "" && slices.ContainsFunc(p.args, func(word string) bool { return strings.Contains(word, h.Secret) }) {
		return fmt.Errorf("the enrollment secret is an argument of %s, where every user of the host sees it", p.args[0])
	}
	program, known := programs()[p.args[0]]
	if !known {
		return fmt.Errorf("this host has no program %q", p.args[0])
	}
	if err := program(ctx, p); err != nil {
		var status interp.ExitStatus
		if errors.As(err, &status) {
			return err
		}
		return fmt.Errorf("%s: %w", p.args[0], err)
	}
	return nil
}

// sh runs a script that lies on the host, in the shell every system has.
func sh(ctx context.Context, p *process) error {
	if len(p.args) != 2 {
		return fmt.Errorf("want one script: %q", p.args)
	}
	text, err := os.ReadFile(p.host.resolve(p.dir, p.args[1]))
	if err != nil {
		return err
	}
	return p.host.run(ctx, string(text), p.args[1], p.dir, syntax.LangPOSIX)
}

// sudo runs the rest as root, with the variables named before it and no others.
func sudo(ctx context.Context, p *process) error {
	env, rest := map[string]string{}, p.args[1:]
	for len(rest) > 0 {
		name, value, assigned := strings.Cut(rest[0], "=")
		if !assigned || strings.ContainsAny(name, "/-.") {
			break
		}
		env[name], rest = value, rest[1:]
	}
	if len(rest) == 0 {
		return errors.New("nothing to run")
	}
	child := *p
	child.args, child.root = rest, true
	child.env = map[string]string{"PATH": "/usr/bin:/bin"}
	maps.Copy(child.env, env)
	return p.host.call(ctx, &child)
}

// wazuhVariables are those of the environment that mean something to an installer.
func wazuhVariables(env map[string]string) map[string]string {
	out := map[string]string{}
	for name, value := range env {
		if strings.HasPrefix(name, "WAZUH_") || strings.HasPrefix(name, "ENROLLMENT_") {
			out[name] = value
		}
	}
	return out
}
