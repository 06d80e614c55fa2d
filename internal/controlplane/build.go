package controlplane

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// BuildOptions says what to build and where to keep it. The zero value builds
// [Kubernetes], and is right inside a clone of the project.
type BuildOptions struct {
	// Program to build; default [Kubernetes].
	Program Program
	// Source is the folder of the program's module; default [FindSource].
	Source string
	// CacheDir keeps the binaries; default "soctalk-ingress" in the user's cache folder.
	CacheDir string
	// Progress, when set, is called about once per package and while waiting.
	Progress func(BuildProgress)
}

// BuildProgress is how far a build has come.
type BuildProgress struct {
	// Done counts packages compiled, out of at most Total: packages that the Go
	// build cache already holds are never announced.
	Done, Total int
	// Elapsed is the time since [Build] was called.
	Elapsed time.Duration
	// Package is being compiled now.
	Package string
	// Waiting is true while another process builds the same binary.
	Waiting bool
}

// Cached says where the binary would be kept, and whether it is there already.
func Cached(ctx context.Context, options BuildOptions) (binary string, cached bool, err error) {
	job, err := newBuildJob(ctx, options)
	if err != nil {
		return "", false, err
	}
	return job.binary, job.cached(), nil
}

// Build returns the program's binary, compiling it when the cache has none for
// this source and compiler. The first build takes
// minutes; two processes never build at the same time.
func Build(ctx context.Context, options BuildOptions) (binary string, err error) {
	job, err := newBuildJob(ctx, options)
	if err != nil {
		return "", err
	}
	if job.cached() {
		return job.binary, nil
	}
	if err := os.MkdirAll(filepath.Dir(job.binary), 0o755); err != nil {
		return "", fmt.Errorf("cache folder: %w", err)
	}
	unlock, err := lockFile(ctx, job.binary+".lock", func() { job.report(BuildProgress{Waiting: true}) })
	if err != nil {
		return "", err
	}
	defer unlock()
	if job.cached() {
		return job.binary, nil
	}
	return job.binary, job.build(ctx)
}

type buildJob struct {
	BuildOptions

	tool   string // the go command
	binary string
	began  time.Time
}

func newBuildJob(ctx context.Context, options BuildOptions) (*buildJob, error) {
	job := &buildJob{BuildOptions: options, began: time.Now()}
	if job.Program == (Program{}) {
		job.Program = Kubernetes
	}
	var err error
	if job.Source == "" {
		if job.Source, err = FindSource(job.Program); err != nil {
			return nil, err
		}
	}
	if job.CacheDir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("no cache folder for the binary of %s, name one: %w", job.Program.Name, err)
		}
		job.CacheDir = filepath.Join(cache, "soctalk-ingress")
	}
	if _, err := sourceKey(job.Source, ""); err != nil {
		return nil, err // before asking for Go: a wrong folder is the likelier mistake
	}
	tool, version, err := toolchain(ctx, job.Source)
	if err != nil {
		return nil, err
	}
	key, err := sourceKey(job.Source, job.Program.recipe(version))
	if err != nil {
		return nil, err
	}
	job.tool = tool
	job.binary = filepath.Join(job.CacheDir, job.Program.Name+"-"+key)
	return job, nil
}

func (j *buildJob) cached() bool {
	info, err := os.Stat(j.binary)
	return err == nil && info.Mode().IsRegular()
}

func (j *buildJob) report(progress BuildProgress) {
	if j.Progress == nil {
		return
	}
	progress.Elapsed = time.Since(j.began)
	j.Progress(progress)
}

func (j *buildJob) build(ctx context.Context) error {
	j.report(BuildProgress{Package: "(listing packages)"})
	list, err := run(ctx, j.Source, j.tool, "list", "-deps", j.Program.Package)
	if err != nil {
		return err
	}
	total := len(strings.Fields(list))

	partial, err := os.CreateTemp(j.CacheDir, "partial-*")
	if err != nil {
		return err
	}
	_ = partial.Close()
	defer func() { _ = os.Remove(partial.Name()) }()

	if err := j.compile(ctx, partial.Name(), total); err != nil {
		return err
	}
	if err := os.Chmod(partial.Name(), 0o755); err != nil {
		return err
	}
	if err := os.Rename(partial.Name(), j.binary); err != nil {
		return fmt.Errorf("keep the binary of %s: %w", j.Program.Name, err)
	}
	j.report(BuildProgress{Done: total, Total: total})
	return nil
}

// compile runs "go build -v", which names each package as it is compiled.
func (j *buildJob) compile(ctx context.Context, target string, total int) error {
	command := exec.CommandContext(ctx, j.tool, "build", "-v", "-trimpath", "-ldflags", j.Program.LinkerFlags, "-o", target, j.Program.Package)
	command.Dir, command.Env = j.Source, append(goEnvironment(), compilerMemory(availableMemory())...)
	// Interrupt rather than kill: the go command then ends its compilers too.
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 10 * time.Second
	output, err := command.StderrPipe()
	if err != nil {
		return err
	}
	if err := command.Start(); err != nil {
		return fmt.Errorf("go build: %w", err)
	}
	other := j.follow(output, total)
	if err := command.Wait(); err != nil {
		return errors.Join(context.Cause(ctx), fmt.Errorf("go build in %q: %w: %s", j.Source, err, other))
	}
	return nil
}

// follow reports each package named by the go command, and returns what else it said.
func (j *buildJob) follow(output io.Reader, total int) string {
	var other bytes.Buffer
	done := 0
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		line := lines.Text()
		if line == "" || strings.ContainsAny(line, " \t") {
			if other.Len() < 8<<10 {
				other.WriteString(line + "\n")
			}
			continue
		}
		done++
		j.report(BuildProgress{Done: min(done, total), Total: total, Package: line})
	}
	// A line too long for the scanner must not leave the go command blocked.
	_, _ = io.Copy(io.Discard, output)
	return strings.TrimSpace(other.String())
}

// plentyOfMemory is enough for two compilers and a linker that never collect.
const plentyOfMemory = 12 << 30

// compilerMemory switches the compiler's own garbage collector off where there
// is room: building Kubernetes spends about a fifth of its time in it.
func compilerMemory(available uint64) []string {
	if available < plentyOfMemory {
		return nil
	}
	return []string{"GOGC=off"}
}

// availableMemory is what Linux says programs could still take; 0 when unknown.
func availableMemory() uint64 {
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	return parseAvailable(string(data))
}

func parseAvailable(meminfo string) uint64 {
	for line := range strings.Lines(meminfo) {
		var kibibytes uint64
		if _, err := fmt.Sscanf(line, "MemAvailable: %d kB", &kibibytes); err == nil {
			return kibibytes << 10
		}
	}
	return 0
}
