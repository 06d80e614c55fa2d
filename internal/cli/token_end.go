package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
)

// endFlags are the flags of the two ways to end a token.
type endFlags struct {
	wait    bool
	timeout time.Duration
}

func (f *endFlags) add(command *cobra.Command) {
	command.Flags().BoolVar(&f.wait, "wait", true, "wait until the gateway refuses it")
	command.Flags().DurationVar(&f.timeout, "timeout", 2*time.Minute, "how long --wait waits")
}

func newTokenRevokeCommand(s *session) *cobra.Command {
	var flags endFlags
	command := &cobra.Command{
		Use:   "revoke SLUG NAME",
		Short: "end an enrollment token and keep it for the record",
		Long: "End an enrollment token. The gateway refuses it from the moment this command returns, and\n" +
			"goes on naming it in its log when somebody still tries. Agents that enrolled with it stay;\n" +
			"agents revoke takes them away.",
		Example: "  soctalk-ingress token revoke acme berlin\n\n" +
			"  # and the agents that came in with it\n" +
			"  soctalk-ingress agents revoke acme --selector token=berlin --why 'token leaked' --wait",
		Args:              slugAndName,
		ValidArgsFunction: s.completeToken,
	}
	flags.add(command)
	command.RunE = func(command *cobra.Command, args []string) error {
		return s.revokeToken(command.Context(), flags, args[0], args[1])
	}
	return command
}

func (s *session) revokeToken(ctx context.Context, flags endFlags, slug, name string) error {
	c, token, err := s.findToken(ctx, slug, name)
	if err != nil {
		return err
	}
	if err := c.RevokeToken(ctx, slug, token); err != nil {
		return err
	}
	if flags.wait {
		if _, err := s.waitToken(ctx, c, slug, name, flags.timeout, v1alpha1.ReasonTokenRevoked, v1alpha1.ReasonNotGuarded); err != nil {
			return err
		}
	}
	fmt.Fprintf(s.streams.Out, "token %q of tenant %q revoked\n", name, slug)
	return nil
}

func newTokenDeleteCommand(s *session) *cobra.Command {
	var flags endFlags
	command := &cobra.Command{
		Use:   "delete SLUG NAME",
		Short: "end an enrollment token and forget it, with its secret",
		Long: "End an enrollment token and forget it, with its secret. It is gone once the gateway\n" +
			"refuses it. Agents that enrolled with it stay; the gateway's log keeps its name.",
		Example:           "  soctalk-ingress token delete acme berlin",
		Args:              slugAndName,
		ValidArgsFunction: s.completeToken,
	}
	flags.add(command)
	command.RunE = func(command *cobra.Command, args []string) error {
		return s.deleteToken(command.Context(), flags, args[0], args[1])
	}
	return command
}

func (s *session) deleteToken(ctx context.Context, flags endFlags, slug, name string) error {
	c, token, err := s.findToken(ctx, slug, name)
	if err != nil {
		return err
	}
	uid := token.UID
	if err := c.DeleteToken(ctx, slug, token); err != nil {
		return err
	}
	if flags.wait {
		err := poll(ctx, flags.timeout, func(ctx context.Context) (bool, error) {
			err := c.Get(ctx, client.ObjectKeyFromObject(&token), &token)
			return apierrors.IsNotFound(err) || err == nil && token.UID != uid, client.IgnoreNotFound(err)
		})
		if errors.Is(err, errTimeout) {
			return hinted(exitTimeout, fmt.Errorf("token %q of tenant %q is not gone after %s: the gateway may still let agents in with it", name, slug, flags.timeout), "see soctalk-ingress token list %s", slug)
		}
		if err != nil {
			return err
		}
	}
	fmt.Fprintf(s.streams.Out, "token %q of tenant %q deleted\n", name, slug)
	return nil
}

func (s *session) findToken(ctx context.Context, slug, name string) (*cluster, v1alpha1.EnrollmentToken, error) {
	c, _, err := s.connectTo(ctx, slug)
	if err != nil {
		return nil, v1alpha1.EnrollmentToken{}, err
	}
	token, err := c.Token(ctx, slug, name)
	return c, token, err
}
