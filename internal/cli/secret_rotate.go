package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/desk"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

type rotateFlags struct {
	overlap string
	wait    bool
	timeout time.Duration
}

func newSecretRotateCommand(s *session) *cobra.Command {
	var flags rotateFlags
	command := &cobra.Command{
		Use:   "rotate SLUG",
		Short: "replace a tenant's enrollment secret",
		Long: "Replace a tenant's enrollment secret. Agents that are enrolled keep their keys and\n" +
			"notice nothing; who enrolls anew needs the new secret. Behind the gateway the old one\n" +
			"counts as well until the overlap ends; in enrollment mode direct it ends at once.\n\n" +
			"The rotation is done only when the tenant's own enrollment port was seen to accept the\n" +
			"new secret and to refuse the old one. A second request waits for the first.",
		Example: "  # with the overlap the tenant or its Region has, 24 hours unless they say so\n" +
			"  soctalk-ingress secret rotate acme\n\n" +
			"  # a secret that leaked: the old one ends at once, and you see it refused\n" +
			"  soctalk-ingress secret rotate acme --overlap 0 --wait",
		Args:              oneSlug,
		ValidArgsFunction: s.completeSlug,
	}
	set := command.Flags()
	set.StringVar(&flags.overlap, "overlap", "", "how long the old secret still counts, such as 24h; 0 ends it at once")
	set.BoolVar(&flags.wait, "wait", false, "wait until the old secret was seen refused, the overlap included")
	set.DurationVar(&flags.timeout, "timeout", 5*time.Minute, "how long to wait, beyond the overlap")
	command.RunE = func(command *cobra.Command, args []string) error {
		return s.secretRotate(command.Context(), flags, args[0])
	}
	return command
}

func (s *session) secretRotate(ctx context.Context, flags rotateFlags, slug string) error {
	request, err := desk.RotationRequest(time.Now(), flags.overlap)
	if err != nil {
		return usageError("--overlap: %w", err)
	}
	c, err := s.connect()
	if err != nil {
		return err
	}
	before, err := c.Rotate(ctx, slug, request)
	if err != nil {
		return err
	}
	if now := before.Status.Rotation; now != nil && now.Step != v1alpha1.RotationDone {
		s.talk("a rotation is under way (%s); this one follows it", now.Step)
	}
	s.talk("tenant %s: another enrollment secret was asked for", slug)
	if !flags.wait {
		return nil
	}
	return s.waitRotated(ctx, c, slug, request, flags.timeout)
}

// waitRotated shows the steps of a rotation as they are reached. The overlap does
// not count towards the timeout.
func (s *session) waitRotated(ctx context.Context, c *cluster, slug, request string, timeout time.Duration) error {
	last := "waiting for the operator to begin"
	end := time.Now().Add(timeout)
	const bounded = 100 * 365 * 24 * time.Hour // by late, which knows the overlap
	err := poll(ctx, bounded, func(ctx context.Context) (bool, error) {
		tenant, err := c.Tenant(ctx, slug)
		if err != nil {
			return false, err
		}
		told := meta.FindStatusCondition(tenant.Status.Conditions, v1alpha1.ConditionSecretRotated)
		if told != nil && told.Reason == v1alpha1.ReasonRotationNotOurs {
			return false, hinted(exitRefused, errors.New(told.Message), "remove the request with kubectl annotate tenant %s %s-", slug, naming.AnnotationRotate)
		}
		now := tenant.Status.Rotation
		if now == nil || now.Request != request || told == nil {
			return false, late(end)
		}
		if line := fmt.Sprintf("%s: %s", now.Step, told.Message); line != last {
			last = line
			s.talk("%s", line)
		}
		if now.OverlapUntil != nil {
			end = now.OverlapUntil.Add(timeout)
		}
		if now.Step == v1alpha1.RotationDone {
			return true, nil
		}
		return false, late(end)
	})
	if errors.Is(err, errTimeout) {
		return hinted(exitTimeout, fmt.Errorf("the secret of tenant %q is not rotated yet: %s", slug, last), "it goes on without you; see soctalk-ingress tenant describe %s", slug)
	}
	return err
}

func late(end time.Time) error {
	if time.Now().After(end) {
		return errTimeout
	}
	return nil
}
