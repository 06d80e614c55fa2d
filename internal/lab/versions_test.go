package lab_test

import (
	"context"
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/wazuhsim/agent"
)

// A manager of every age comes up on the configuration the chart writes for it, enrolls through the
// gateway, and loses an agent that is revoked.
func TestEveryVersionOfWazuh(t *testing.T) {
	t.Parallel()
	l := installation(t)
	for slug, of := range map[string]struct{ manager, agent string }{
		"age-4-3": {"4.3.11", "v4.3.11"}, "age-4-12": {"4.12.0", "v4.3.11"}, "age-5": {"5.0.0", "v4.14.7"},
	} {
		t.Run(of.manager, func(t *testing.T) {
			t.Parallel()
			create(t, l, slug, v1alpha1.TenantSpec{Manager: v1alpha1.ManagerSpec{Deploy: &v1alpha1.ManagerDeploy{Version: of.manager}}})
			becomesReady(t, l, slug)
			becomes(t, l, slug, v1alpha1.ConditionEnrollmentGuarded, metav1.ConditionTrue, v1alpha1.ReasonOK)
			if got := get(t, l, slug).Status.Manager.Version; got != "v"+of.manager {
				t.Errorf("the manager's API says it is %q", got)
			}

			succeed(t, l, "token", "create", slug, "once", "--max-uses", "1", "--wait", "--timeout", "90s")
			secret := tokenSecret(t, l, slug, "once")
			if _, err := enroll(t, l, slug, "by-token", secret); err != nil {
				t.Errorf("by token: %v", err)
			}
			_, err := enroll(t, l, slug, "by-token-2", secret)
			isRefused(t, "a token that is used up", err)

			host := startHostOf(t, l, slug, "web-01", of.agent)
			eventually(t, "the agent is active", func(ctx context.Context) (bool, error) {
				rows, err := databaseOf(ctx, l, slug)
				return rows["web-01"].Status == "active", err
			})
			succeed(t, l, "agents", "revoke", slug, "web-01", "--why", "stolen", "--yes", "--wait", "--timeout", "90s")
			eventually(t, "the host is out, and refused", func(ctx context.Context) (bool, error) {
				rows, err := databaseOf(ctx, l, slug)
				if _, there := rows["web-01"]; there {
					return false, fmt.Errorf("the manager has it: %+v", rows["web-01"])
				}
				return host.count(agent.StepRefused) > 0, err
			})
		})
	}
}
