// Command soctalk-ingress gives every tenant's Wazuh agents a way in of their
// own. All of it is in internal/cli.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/soctalk/soctalk-ingress/internal/cli"
)

// version is written by the linker: -X main.version=v1.2.3.
var version string

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Program{
		Streams: cli.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr},
		Version: version,
	}.Main(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}
