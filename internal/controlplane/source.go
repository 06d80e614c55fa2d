package controlplane

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
)

// sourceFolder is where the module of the control plane's programs lives in the tree.
const sourceFolder = "peers/kubernetes"

// FindSource looks for the folder peers/kubernetes in the working directory and
// in each folder above it.
func FindSource() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for folder := start; ; folder = filepath.Dir(folder) {
		candidate := filepath.Join(folder, filepath.FromSlash(sourceFolder))
		if _, err := os.Stat(filepath.Join(candidate, "go.mod")); err == nil {
			return candidate, nil
		}
		if folder == filepath.Dir(folder) {
			return "", fmt.Errorf("no %s/go.mod in %q or above it: the control plane is built from the project's source tree; "+
				"change into a clone of it, or name the folder", sourceFolder, start)
		}
	}
}

// toolchain finds the go command, and says which version would build in source.
func toolchain(ctx context.Context, source string) (program, version string, err error) {
	program, err = exec.LookPath("go")
	if err != nil {
		return "", "", fmt.Errorf("the go command is not on the PATH: install Go (https://go.dev/dl) to build the control plane: %w", err)
	}
	output, err := run(ctx, source, program, "env", "GOVERSION", "GOOS", "GOARCH")
	if err != nil {
		return "", "", err
	}
	return program, strings.Join(strings.Fields(output), "-"), nil
}

// run returns what a short go command prints, or an error that quotes it.
func run(ctx context.Context, folder, program string, args ...string) (string, error) {
	var stderr bytes.Buffer
	command := exec.CommandContext(ctx, program, args...)
	command.Dir, command.Stderr, command.Env = folder, &stderr, goEnvironment()
	output, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("go %s in %q: %w: %s", strings.Join(args, " "), folder, err, strings.TrimSpace(stderr.String()))
	}
	return string(output), nil
}

// goEnvironment is the caller's, GOFLAGS included, without any workspace around
// the source: its module pins versions of its own.
func goEnvironment() []string { return append(os.Environ(), "GOWORK=off") }

// sourceKey names a build: the same files, compiler and flags give the same key.
func sourceKey(source, recipe string) (string, error) {
	entries, err := os.ReadDir(source)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("no folder %q: it should hold the source of the control plane's programs", source)
		}
		return "", err
	}
	var names []string
	for _, entry := range entries {
		name := entry.Name()
		if name == "go.mod" || name == "go.sum" || (strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go")) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "", fmt.Errorf("folder %q holds no go.mod and no .go file: it should hold the source of the control plane's programs", source)
	}
	sort.Strings(names)
	hash := sha256.New()
	fmt.Fprintf(hash, "%s\n", recipe)
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(source, name))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(hash, "%s %d\n%s", name, len(data), data)
	}
	return hex.EncodeToString(hash.Sum(nil))[:16], nil
}
