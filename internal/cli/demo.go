package cli

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/soctalk/soctalk-ingress/internal/demo"
)

// newDemoCommand tells the story of two tenants on this machine.
func newDemoCommand() *cobra.Command {
	options := demo.Options{}
	output := "text"
	command := &cobra.Command{
		Use:   "demo",
		Short: "two tenants end to end, on this machine, with a real Kubernetes API server",
		Long: "Start a Kubernetes control plane on loopback, run the operator in it, and let two\n" +
			"tenants with two agents each show what the product does. No root, no containers;\n" +
			"managers and agents are simulators, nodes and network are stood in for.\n\n" +
			"The first start compiles Kubernetes from its Go modules, which takes minutes. The real\n" +
			"MetalLB gives the addresses and the real cert-manager signs the certificates if they\n" +
			"were built before, or if DEMO_FULL=1 is set and has them built; otherwise a stand-in\n" +
			"and the operator's own authority do.",
		Example: "  # tell the story, then keep everything running until Ctrl-C\n" +
			"  soctalk-ingress demo\n\n" +
			"  # tell the story and end with 0 if all of it happened\n" +
			"  soctalk-ingress demo --check -o json",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if output != "text" && output != "json" {
				return usageError("--output: %q: use text or json", output)
			}
			options.Full = os.Getenv("DEMO_FULL") != ""
			options.JSON = output == "json"
			options.Out, options.Err = command.OutOrStdout(), command.ErrOrStderr()
			options.Program = os.Args[0]
			options.Color = os.Getenv("NO_COLOR") == "" && term.IsTerminal(int(os.Stdout.Fd()))
			ctx, stop := signal.NotifyContext(command.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return demo.Run(ctx, options)
		},
	}
	set := command.Flags()
	set.BoolVar(&options.Check, "check", false, "end after the story; the exit code says whether all of it happened")
	set.StringVarP(&output, "output", "o", "text", "text or json (one object per step)")
	set.BoolVar(&options.Prepare, "prepare", false, "build the programs that demo and tests run, and do nothing else")
	set.BoolVar(&options.Keep, "keep", false, "leave data and logs in the temporary folder")
	set.StringVar(&options.Simulator, "simulator", "", "the wazuhsim program (default: the one beside this program)")
	return command
}
