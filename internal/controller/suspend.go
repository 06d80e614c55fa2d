package controller

import (
	"context"
	"fmt"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/plan"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// cut sends away who was connected when the tenant was suspended. What could not be
// done is taken out of the decision, so that the report does not tell of it.
func (r *Reconciler) cut(ctx context.Context, tenant v1alpha1.Tenant, desired *plan.Desired) error {
	if desired.Cut == plan.CutNothing {
		return nil
	}
	err := r.carryOutCut(ctx, tenant, desired.Cut)
	if err != nil {
		desired.Cut = plan.CutNothing
		return fmt.Errorf("end the sessions of the suspended tenant through the manager's API: %s", words(err))
	}
	return nil
}

func (r *Reconciler) carryOutCut(ctx context.Context, tenant v1alpha1.Tenant, how plan.Cut) error {
	api, err := r.api(ctx, tenant)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	if how == plan.CutRestart {
		return api.RestartManager(ctx)
	}
	_, err = api.Reconnect(ctx)
	return err
}

// countsSessions is true while it matters whether a suspended tenant's sessions have
// ended.
func countsSessions(tenant v1alpha1.Tenant) bool {
	seen := tenant.Status.Suspension
	return tenant.Spec.Suspended && (seen == nil || seen.EndedAt == nil)
}

// askSessions counts the connections of a suspended tenant's manager; a manager
// without that count leaves it unknown.
func askSessions(ctx context.Context, api *wazuh.API, state *plan.ManagerState, count bool) error {
	if !count {
		return nil
	}
	sessions, known, err := countSessions(ctx, api)
	if err != nil || !known {
		return err
	}
	held := int32(sessions)
	state.Sessions = &held
	return nil
}
