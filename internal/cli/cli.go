// Package cli is the command line: it turns arguments into calls of the other
// packages, and their answers into text. It decides nothing about tenants.
//
// A program is a [Program] value; [Program.Main] runs one command line and
// returns the exit code, so that tests drive it without a process. Start with
// root.go, which lists the commands, and output.go, which holds the rules of
// everything that is printed. A command stands in the file of its name.
package cli

import (
	"context"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"
)

// IOStreams are standard input, output and error.
type IOStreams = genericiooptions.IOStreams

// Program is one start of the command line.
type Program struct {
	// Streams to read from and print to.
	Streams IOStreams
	// Version as the linker was told; empty means what the build recorded.
	Version string
}

// Main runs one command line with the streams and returns its exit code.
func Main(ctx context.Context, args []string, streams IOStreams) int {
	return Program{Streams: streams}.Main(ctx, args)
}

// Main runs one command line and returns its exit code; see exit.go.
func (p Program) Main(ctx context.Context, args []string) int {
	s := newSession(p)
	root := newRootCommand(s)
	// Never nil: cobra would take os.Args for its own.
	root.SetArgs(append([]string{}, args...))
	command, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	reportError(p.Streams.ErrOut, err, command)
	return codeOf(err)
}

// session is what the commands of one command line share.
type session struct {
	streams IOStreams
	version string
	// config chooses cluster and user, from flags and kubeconfig.
	config  *genericclioptions.ConfigFlags
	noColor bool
}

// What runs for long (operator, edge) limits its own requests: far above what
// thousands of tenants need, and low enough that a loop gone wrong does not drown
// the API server. One person's commands have no limit; see connect.
const (
	daemonQPS   = 50
	daemonBurst = 100
)

func newSession(p Program) *session {
	s := &session{streams: p.Streams, version: p.Version, config: genericclioptions.NewConfigFlags(true)}
	// Tenants have no namespace, and discovery is not kept on disk.
	s.config.Namespace = nil
	s.config.CacheDir = nil
	s.config.WrapConfigFn = func(config *rest.Config) *rest.Config {
		config.QPS, config.Burst = daemonQPS, daemonBurst
		config.UserAgent = "soctalk-ingress/" + s.buildInfo().Version
		config.WarningHandler = rest.NewWarningWriter(p.Streams.ErrOut, rest.WarningWriterOptions{Deduplicate: true})
		return config
	}
	return s
}

// addClusterFlags gives a command the flags that choose a cluster. The rare ones
// work too; they are left out of the help, which would otherwise be mostly them.
func (s *session) addClusterFlags(command *cobra.Command) {
	flags := command.PersistentFlags()
	s.config.AddFlags(flags)
	for _, rare := range []string{
		"as-group", "as-uid", "as-user-extra", "certificate-authority", "client-certificate", "client-key", "cluster",
		"disable-compression", "insecure-skip-tls-verify", "server", "tls-server-name", "token", "user",
	} {
		if flag := flags.Lookup(rare); flag != nil {
			flag.Hidden = true
		}
	}
}
