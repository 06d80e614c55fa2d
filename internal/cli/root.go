package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// commands are the program's commands, in the order of its help.
func commands(s *session) []*cobra.Command {
	operator := newOperatorCommand(s.config)
	s.addClusterFlags(operator)
	return []*cobra.Command{
		newTenantCommand(s),
		newOnboardCommand(s),
		newSecretCommand(s),
		newHandoverCommand(s),
		newReportCommand(s),
		newAgentsCommand(s),
		newTokenCommand(s),
		newConsoleCommand(s),
		newRenderCommand(s),
		operator,
		newEdgeCommand(s),
		newGatewayCommand(),
		newDemoCommand(),
		newVersionCommand(s),
		newExitCodesTopic(),
	}
}

func newRootCommand(s *session) *cobra.Command {
	root := group(&cobra.Command{
		Use:   naming.Product,
		Short: "a way in for each tenant's Wazuh agents",
		Long: "soctalk-ingress gives every tenant of an MSSP a way in of its own to its own Wazuh\n" +
			"manager: an address, a DNS name, a certificate and an enrollment secret.\n\n" +
			"What a command prints on standard output is its answer and can be piped;\n" +
			"everything said along the way goes to standard error. For the exit codes see\n" +
			"soctalk-ingress help exit-codes.",
		Example: "  # a new customer, and what its administrator needs to know\n" +
			"  soctalk-ingress tenant create acme --display-name 'Acme GmbH' --wait\n" +
			"  soctalk-ingress onboard acme",
		SilenceErrors: true,
		SilenceUsage:  true,
	})
	root.SetIn(s.streams.In)
	root.SetOut(s.streams.Out)
	root.SetErr(s.streams.ErrOut)
	root.PersistentFlags().BoolVar(&s.noColor, "no-color", false, "print without colour; NO_COLOR in the environment does the same")
	root.AddCommand(commands(s)...)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, command := range root.Commands() {
		switch command.Name() {
		case "help":
			command.Short = "help about any command"
		case "completion":
			command.Short = "write the completion script of a shell"
		}
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return asUsage(err) })
	markUsage(root)
	return root
}

// group makes a command that only holds others: alone it shows its help, and a
// word it does not know is an error that names the nearest it does.
func group(command *cobra.Command, children ...*cobra.Command) *cobra.Command {
	command.Args = func(command *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		text := fmt.Sprintf("unknown command %q for %q", args[0], command.CommandPath())
		if near := command.SuggestionsFor(args[0]); len(near) > 0 {
			text += "; did you mean " + strings.Join(near, " or ") + "?"
		}
		return fmt.Errorf("%s", text)
	}
	command.SuggestionsMinimumDistance = 2
	command.RunE = func(command *cobra.Command, _ []string) error { return command.Help() }
	command.AddCommand(children...)
	return command
}

// markUsage makes whatever a command says about its arguments a usage error.
func markUsage(command *cobra.Command) {
	if check := command.Args; check != nil {
		command.Args = func(command *cobra.Command, args []string) error { return asUsage(check(command, args)) }
	}
	for _, child := range command.Commands() {
		markUsage(child)
	}
}

// oneSlug wants the slug of a tenant and nothing else.
func oneSlug(command *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return fmt.Errorf("%s needs the slug of a tenant", command.CommandPath())
	case 1:
		return nil
	}
	return fmt.Errorf("%s takes one slug, got %d: %s", command.CommandPath(), len(args), strings.Join(args, " "))
}
