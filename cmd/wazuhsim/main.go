// Command wazuhsim is a simulated Wazuh manager, and simulated agents, for tests and demonstrations
// of SocTalk Ingress. It protects nothing and detects nothing, so it runs only when told that this
// is a test.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "wazuhsim:", err)
		os.Exit(1)
	}
}

var errTestOnly = errors.New("this is a simulator: it detects nothing and must never stand in for a Wazuh manager or agent; " +
	"pass --test-only to say that this is a test")

func command() *cobra.Command {
	var testOnly bool
	c := &cobra.Command{
		Use:           "wazuhsim",
		Short:         "Simulated Wazuh manager and agents, for tests only",
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if !testOnly {
				return errTestOnly
			}
			return nil
		},
	}
	c.PersistentFlags().BoolVar(&testOnly, "test-only", false, "required: say that this is a test")
	c.AddCommand(managerCommand(), agentCommand(), faultsCommand())
	return c
}
