package controller

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/managerapi"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

const (
	// batchPause keeps a thousand agents' deletion within the API's requests a minute.
	batchPause = time.Second
	// deleteAtOnce bounds one request: a manager needs a while for each agent.
	deleteAtOnce = 200
	// maxNamed bounds how many agents are named in the record.
	maxNamed = 500
	// drainPatience is how long agents have to notice that their key is gone: a manager
	// reads its keys anew within 10 seconds and hangs up at an agent's next message,
	// which a healthy agent sends within 20; what it counts is up to 5 seconds old.
	drainPatience = 90 * time.Second
	// countAge leaves room to spare: a manager counts its connections every 5 seconds.
	countAge = 10 * time.Second
)

// deleteRegistrations asks the manager to delete every agent and believes it
// only when its list is empty.
func (r *Reconciler) deleteRegistrations(ctx context.Context, tenant *v1alpha1.Tenant, progress *v1alpha1.OffboardingStatus) (sight, error) {
	there, why, err := r.managerExists(ctx, tenant)
	if err != nil {
		return sight{}, err
	}
	if !there {
		return finished(why + ", so no registration does")
	}
	api, err := r.api(ctx, *tenant)
	if err != nil {
		return sight{}, managerTrouble(tenant, err)
	}
	if progress.Registrations == nil {
		return sight{again: 1}, managerTrouble(tenant, noteAgents(ctx, api, progress))
	}
	left, err := deleteSome(ctx, api)
	if err != nil {
		return sight{}, managerTrouble(tenant, err)
	}
	if left > 0 {
		return sight{again: batchPause}, nil
	}
	return finished(fmt.Sprintf("%d registrations deleted; the manager reports 0", *progress.Registrations))
}

// noteAgents writes down who is there, before the first one is deleted.
func noteAgents(ctx context.Context, api *wazuh.API, progress *v1alpha1.OffboardingStatus) error {
	ctx, cancel := context.WithTimeout(ctx, removalTimeout)
	defer cancel()
	agents, err := api.ListAgents(ctx, wazuh.AgentFilter{})
	if err != nil {
		return err
	}
	total := int32(len(agents))
	progress.Registrations = &total
	progress.Agents = nil
	for _, agent := range agents[:min(len(agents), maxNamed)] {
		progress.Agents = append(progress.Agents, v1alpha1.OffboardedAgent{ID: agent.ID, Name: agent.Name})
	}
	return nil
}

// deleteSome deletes a part of the agents and says how many are left, as the
// manager lists them.
func deleteSome(ctx context.Context, api *wazuh.API) (left int, err error) {
	ctx, cancel := context.WithTimeout(ctx, removalTimeout)
	defer cancel()
	agents, err := api.ListAgents(ctx, wazuh.AgentFilter{})
	if err != nil || len(agents) == 0 {
		return 0, err
	}
	var ids []string
	for _, agent := range agents[:min(len(agents), deleteAtOnce)] {
		ids = append(ids, agent.ID)
	}
	if _, err := api.DeleteAgents(ctx, ids...); err != nil {
		return 0, err
	}
	rest, err := api.ListAgents(ctx, wazuh.AgentFilter{})
	return len(rest), err
}

// drain waits until the manager counts no agent and no connection. A connection
// that says nothing is closed by nobody before its manager ends: that is said.
func (r *Reconciler) drain(ctx context.Context, tenant *v1alpha1.Tenant, progress *v1alpha1.OffboardingStatus) (sight, error) {
	there, why, err := r.managerExists(ctx, tenant)
	if err != nil {
		return sight{}, err
	}
	if !there {
		return finished(why + ", so no key and no session does")
	}
	api, err := r.api(ctx, *tenant)
	if err != nil {
		return sight{}, managerTrouble(tenant, err)
	}
	left, err := deleteSome(ctx, api)
	if err != nil {
		return sight{}, managerTrouble(tenant, err)
	}
	if left > 0 {
		return waitingForTheirs("%d agents are registered again", left)
	}
	sessions, known, err := countSessions(ctx, api)
	switch {
	case err != nil:
		return sight{}, managerTrouble(tenant, err)
	case !known:
		return finished("the manager reports 0 registrations; it has no count of its connections")
	case r.since(progress) < r.options.CountAge:
		// What was counted may be of before the keys went.
		return sight{again: r.options.CountAge - r.since(progress)}, nil
	case sessions == 0:
		return finished("the manager reports 0 registrations and 0 connections")
	case r.since(progress) < r.options.Drain:
		return sight{}, nil
	case tenant.Spec.Manager.Attach != nil:
		return finished(fmt.Sprintf("the manager reports 0 registrations; %d connections without a key are open and silent, and it closes each at its next word", sessions))
	}
	return finished(fmt.Sprintf("the manager reports 0 registrations; %d connections without a key are open and silent, and end with the manager", sessions))
}

// countSessions asks how many connections the events port holds; known is false
// where the manager has no such count.
func countSessions(ctx context.Context, api *wazuh.API) (sessions int, known bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	sessions, err = api.TCPSessions(ctx)
	var problem *wazuh.Problem
	if errors.As(err, &problem) && problem.Status == http.StatusNotFound {
		return 0, false, nil
	}
	return sessions, err == nil, err
}

func managerTrouble(tenant *v1alpha1.Tenant, err error) error {
	if err == nil {
		return nil
	}
	return &trouble{fmt.Errorf("the manager's API must delete the registrations: %s; %s", words(err), wayAround(tenant))}
}

// managerExists is true while there is a manager to ask: its pods, or the
// StatefulSet that would start them. One whose volume was never bound has never
// run, and holds no key.
func (r *Reconciler) managerExists(ctx context.Context, tenant *v1alpha1.Tenant) (there bool, why string, err error) {
	namespace := naming.Namespace(tenant.Name)
	var pods corev1.PodList
	if err := r.direct.List(ctx, &pods, client.InNamespace(namespace), client.MatchingLabels(managerapi.PodLabels(tenant.Spec.Manager))); err != nil {
		return false, "", fmt.Errorf("list manager pods in %q: %w", namespace, err)
	}
	const none = "no manager exists"
	if tenant.Spec.Manager.Attach != nil {
		return len(pods.Items) > 0, none, nil
	}
	if len(pods.Items) == 0 {
		declared, err := r.managerDeclared(ctx, namespace)
		if err != nil || !declared {
			return false, none, err
		}
	}
	ran, err := r.volumeBound(ctx, namespace)
	return ran, "the manager never got its volume and has never run", err
}

func (r *Reconciler) managerDeclared(ctx context.Context, namespace string) (bool, error) {
	for _, gvk := range r.kinds {
		if gvk.Kind != "StatefulSet" {
			continue
		}
		set := &unstructured.Unstructured{}
		set.SetGroupVersionKind(gvk)
		err := r.cached.Get(ctx, types.NamespacedName{Namespace: namespace, Name: naming.Manager}, set)
		if err == nil {
			return true, nil
		}
		if !apierrors.IsNotFound(err) {
			return false, fmt.Errorf("read statefulset %s/%s: %w", namespace, naming.Manager, err)
		}
	}
	return false, nil
}

// volumeBound is true when the manager's volume exists: where its keys are.
func (r *Reconciler) volumeBound(ctx context.Context, namespace string) (bool, error) {
	var claims corev1.PersistentVolumeClaimList
	if err := r.direct.List(ctx, &claims, client.InNamespace(namespace)); err != nil {
		return false, fmt.Errorf("list volume claims in %q: %w", namespace, err)
	}
	for _, claim := range claims.Items {
		if strings.HasSuffix(claim.Name, managerVolume) && claim.Spec.VolumeName != "" {
			return true, nil
		}
	}
	return false, nil
}

// managerVolume ends the name of the manager's volume claim: a StatefulSet names
// its claims <template>-<set>-<ordinal>.
const managerVolume = "-" + naming.Manager + "-0"
