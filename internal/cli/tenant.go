package cli

import (
	"github.com/spf13/cobra"
)

func newTenantCommand(s *session) *cobra.Command {
	command := group(&cobra.Command{
		Use:     "tenant",
		Aliases: []string{"tenants", "tn"},
		Short:   "create, look at, suspend and remove tenants",
		Long:    "Create, look at, suspend and remove tenants. A tenant is one customer; its name is the slug,\nwhich is also the first label of its hostname and the end of its namespace's name.",
	},
		newTenantCreateCommand(s),
		newTenantListCommand(s),
		newTenantGetCommand(s),
		newTenantDescribeCommand(s),
		newTenantSuspendCommand(s),
		newTenantResumeCommand(s),
		newTenantOffboardCommand(s),
		newTenantDeleteCommand(s),
	)
	s.addClusterFlags(command)
	return command
}
