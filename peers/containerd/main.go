// Command containerd is containerd and its client ctr in one file, chosen by the
// first argument. It is the unmodified upstream code; only this switch, and the
// choice of plugins, are ours. What containerd starts for each pod is a program of
// its own, in the folder shim.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/containerd/containerd/v2/cmd/containerd/command"
	"github.com/containerd/containerd/v2/cmd/ctr/app"
)

func main() {
	programs := map[string]func(context.Context, []string) error{
		"containerd": command.App().Run,
		"ctr":        app.New().Run,
	}
	if len(os.Args) < 2 || programs[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: containerd containerd|ctr [flags]")
		os.Exit(2)
	}
	if err := programs[os.Args[1]](context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\n", err)
		os.Exit(1)
	}
}
