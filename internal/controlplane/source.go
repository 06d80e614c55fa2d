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
	"strings"
)

// FindSource looks for the program's folder in the working directory and in each
// folder above it.
func FindSource(program Program) (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for folder := start; ; folder = filepath.Dir(folder) {
		candidate := filepath.Join(folder, filepath.FromSlash(program.Folder))
		if _, err := os.Stat(filepath.Join(candidate, "go.mod")); err == nil {
			return candidate, nil
		}
		if folder == filepath.Dir(folder) {
			return "", fmt.Errorf("no %s/go.mod in %q or above it: %s is built from the project's source tree; "+
				"change into a clone of it, or name the folder", program.Folder, start, program.Name)
		}
	}
}

// toolchain finds the go command, and says which version would build in source.
func toolchain(ctx context.Context, source string) (program, version string, err error) {
	program, err = exec.LookPath("go")
	if err != nil {
		return "", "", fmt.Errorf("the go command is not on the PATH: install Go (https://go.dev/dl) to build what the demo and the tests run: %w", err)
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
// Modules in folders below count: they replace what the source would require.
func sourceKey(source, recipe string) (string, error) {
	hash := sha256.New()
	fmt.Fprintf(hash, "%s\n", recipe)
	found := 0
	err := filepath.WalkDir(source, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !isSource(entry.Name()) {
			return err
		}
		name, err := filepath.Rel(source, path)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		found++
		fmt.Fprintf(hash, "%s %d\n%s", filepath.ToSlash(name), len(data), data)
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("no folder %q: it should hold the source of a program", source)
	}
	if err != nil {
		return "", err
	}
	if found == 0 {
		return "", fmt.Errorf("folder %q holds no go.mod and no .go file: it should hold the source of a program", source)
	}
	return hex.EncodeToString(hash.Sum(nil))[:16], nil
}

func isSource(name string) bool {
	return name == "go.mod" || name == "go.sum" || strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go")
}
