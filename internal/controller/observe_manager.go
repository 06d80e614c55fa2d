package controller

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/managerapi"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/plan"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

const (
	// apiTimeout bounds one look at a manager, so that a hung one delays others little.
	apiTimeout = 5 * time.Second
	// removalTimeout bounds the deletion of a batch of agents.
	removalTimeout = 2 * time.Minute
)

func (r *Reconciler) observeManager(ctx context.Context, tenant v1alpha1.Tenant, namespace string) (plan.ManagerState, error) {
	var pods corev1.PodList
	if err := r.direct.List(ctx, &pods, client.InNamespace(namespace), client.MatchingLabels(managerapi.PodLabels(tenant.Spec.Manager))); err != nil {
		return plan.ManagerState{}, fmt.Errorf("list manager pods in %q: %w", namespace, err)
	}
	state := plan.ManagerState{Pods: len(pods.Items)}
	for _, pod := range pods.Items {
		if managerapi.PodReady(pod) {
			state.Ready++
			state.Nodes = append(state.Nodes, pod.Spec.NodeName)
			continue
		}
		state.Unready = cmp.Or(state.Unready, unready(pod))
	}
	state.Gateway = gatewayVersion(pods.Items)
	if state.Ready == 0 {
		return state, nil
	}
	state.Asked = true
	api, err := r.api(ctx, tenant)
	if err != nil {
		state.Error = err.Error()
		return state, nil
	}
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	if err := askManager(ctx, api, countsSessions(tenant), &state); err != nil {
		state.Refused = refused(err)
		state.Error = words(err)
		return state, nil
	}
	r.answers.note(tenant.Name, r.options.Now())
	return state, nil
}

// unready names the first container that keeps a pod from being ready.
func unready(pod corev1.Pod) string {
	for _, container := range append(slices.Clone(pod.Status.InitContainerStatuses), pod.Status.ContainerStatuses...) {
		switch {
		case container.Ready:
			continue
		case container.State.Waiting != nil:
			return fmt.Sprintf("container %s of %s is waiting (%s)", container.Name, pod.Name, container.State.Waiting.Reason)
		case container.State.Terminated != nil:
			return fmt.Sprintf("container %s of %s has ended (%s)", container.Name, pod.Name, container.State.Terminated.Reason)
		}
		return fmt.Sprintf("container %s of %s runs and is not ready yet", container.Name, pod.Name)
	}
	return ""
}

func askManager(ctx context.Context, api *wazuh.API, count bool, state *plan.ManagerState) error {
	info, err := api.ManagerInfo(ctx)
	if err != nil {
		return err
	}
	state.Version = info.Version
	summary, err := api.AgentsSummary(ctx)
	if err != nil {
		return err
	}
	if err := askSessions(ctx, api, state, count); err != nil {
		return err
	}
	state.Agents = &v1alpha1.AgentCounts{
		Summary:        fmt.Sprintf("%d/%d", summary.Active, summary.Total),
		Total:          int32(summary.Total),
		Active:         int32(summary.Active),
		Disconnected:   int32(summary.Disconnected),
		Pending:        int32(summary.Pending),
		NeverConnected: int32(summary.NeverConnected),
	}
	return nil
}

func refused(err error) bool {
	var problem *wazuh.Problem
	return errors.As(err, &problem) && problem.Status == http.StatusUnauthorized
}

// managers keeps one API client for each tenant, because a client keeps its
// token and a manager counts logins.
type managers struct {
	dial func(ctx context.Context, network, address string) (net.Conn, error)

	mu      sync.Mutex
	clients map[string]managerClient
}

type managerClient struct {
	// version changes with the Secrets and the spec the client was made from.
	version string
	api     *wazuh.API
	hangUp  func()
}

func newManagers(dial func(ctx context.Context, network, address string) (net.Conn, error)) *managers {
	return &managers{dial: dial, clients: map[string]managerClient{}}
}

// api returns the client of a tenant's manager, made anew when what it was made
// from changes.
func (r *Reconciler) api(ctx context.Context, tenant v1alpha1.Tenant) (*wazuh.API, error) {
	namespace := naming.Namespace(tenant.Name)
	credentialsName, authorityName := managerapi.SecretNames(tenant.Spec.Manager)
	credentials, err := r.readSecret(ctx, namespace, credentialsName)
	if err != nil {
		return nil, err
	}
	authority := (*corev1.Secret)(nil)
	if authorityName != "" {
		if authority, err = r.readSecret(ctx, namespace, authorityName); err != nil {
			return nil, err
		}
	}
	version := fmt.Sprint(tenant.Generation, secretVersion(credentials), secretVersion(authority))
	return r.managers.client(tenant.Name, version, managerapi.Options{
		Slug: tenant.Name, Manager: tenant.Spec.Manager,
		Credentials: secretData(credentials), Authority: secretData(authority),
		Dial: r.managers.dial, Timeout: removalTimeout,
	})
}

func secretVersion(secret *corev1.Secret) string {
	if secret == nil {
		return "/none"
	}
	return "/" + string(secret.UID) + "/" + secret.ResourceVersion
}

func secretData(secret *corev1.Secret) map[string][]byte {
	if secret == nil {
		return nil
	}
	return secret.Data
}

func (m *managers) client(slug, version string, options managerapi.Options) (*wazuh.API, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	held, ok := m.clients[slug]
	if ok && held.version == version {
		return held.api, nil
	}
	api, hangUp, err := managerapi.Open(options)
	if err != nil {
		return nil, err
	}
	if ok {
		held.hangUp()
	}
	m.clients[slug] = managerClient{version: version, api: api, hangUp: hangUp}
	return api, nil
}

func (m *managers) forget(slug string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if held, ok := m.clients[slug]; ok {
		held.hangUp()
		delete(m.clients, slug)
	}
}
