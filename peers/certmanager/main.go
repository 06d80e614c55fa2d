// Command certmanager is cert-manager and a certificate authority in one file,
// chosen by the first argument: "controller" runs cert-manager's own control
// loops, "acmesolver" what its solver pods run, "pebble" an ACME server. All are the
// unmodified upstream code; only this switch is ours.
//
// It lives in a module of its own because cert-manager pins versions of
// everything, and the product must not inherit those pins. The demo and the
// integration tests build it once and keep the binary (see internal/controlplane
// in the main module).
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	programs := map[string]func(context.Context, []string) error{
		"controller": controllerMain,
		"acmesolver": solverMain,
		"pebble":     pebbleMain,
	}
	if len(os.Args) < 2 || programs[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: certmanager controller|acmesolver|pebble [flags]")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := programs[os.Args[1]](ctx, os.Args[2:]); err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\n", err)
		os.Exit(1)
	}
}
