package desk

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// countPatience is how long somebody who removes a tenant waits for its manager.
const countPatience = 10 * time.Second

// AgentsThatGo has the manager count the agents now: a status is some time old, and
// hosts may be enrolling. Where it cannot be asked the status has to do, with its age.
func (d *Desk) AgentsThatGo(ctx context.Context, tenant v1alpha1.Tenant, now time.Time) string {
	ctx, cancel := context.WithTimeout(ctx, countPatience)
	defer cancel()
	summary, err := d.countAgents(ctx, tenant)
	if err == nil {
		return fmt.Sprintf("the keys of %d registered agents, %d of them connected: the manager says so now", summary.Total, summary.Active)
	}
	return AgentsOfStatus(tenant, err, now)
}

func (d *Desk) countAgents(ctx context.Context, tenant v1alpha1.Tenant) (wazuh.Summary, error) {
	api, done, err := d.ManagerAPI(ctx, tenant, "")
	if err != nil {
		return wazuh.Summary{}, err
	}
	defer done()
	return api.AgentsSummary(ctx)
}

// AgentsOfStatus is what the operator counted last. It writes a status when something
// in it has changed, so that the moment it did is all that is known of its age. why the
// manager cannot be asked is nil where nobody tried.
func AgentsOfStatus(tenant v1alpha1.Tenant, why error, now time.Time) string {
	because, unknown := "", ""
	if why != nil {
		because, unknown = fmt.Sprintf(", for the manager cannot be asked now: %v", why), fmt.Sprintf(": %v", why)
	}
	counted := tenant.Status.Agents
	if counted == nil {
		return "the keys of its registered agents; their number is not known" + unknown
	}
	age := "of unknown age"
	var written time.Time
	for _, entry := range tenant.ManagedFields {
		if entry.Subresource == "status" && entry.Time != nil && entry.Time.After(written) {
			written = entry.Time.Time
			age = "written " + duration.HumanDuration(now.Sub(written)) + " ago"
		}
	}
	return fmt.Sprintf("the keys of %d registered agents, %d of them connected, by a status %s%s", counted.Total, counted.Active, age, because)
}

// Loss says, a line each, what a removal takes away; agents is what is known of their
// number.
func Loss(tenant v1alpha1.Tenant, agents string) []string {
	lines := []string{agents}
	status := tenant.Status
	if status.Hostname != "" {
		lines = append(lines, "its way in: "+WayIn(status))
	}
	if tenant.Spec.Manager.Attach != nil {
		return append(lines, "what this product made in namespace "+naming.Namespace(tenant.Name))
	}
	return append(lines, "namespace "+naming.Namespace(tenant.Name)+" with the manager and all its data")
}
