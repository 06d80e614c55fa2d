package controller

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
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
	if err := r.direct.List(ctx, &pods, client.InNamespace(namespace), client.MatchingLabels(managerLabels(tenant.Spec.Manager))); err != nil {
		return plan.ManagerState{}, fmt.Errorf("list manager pods in %q: %w", namespace, err)
	}
	state := plan.ManagerState{Pods: len(pods.Items)}
	for _, pod := range pods.Items {
		if podReady(pod) {
			state.Ready++
		}
	}
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
	if err := askManager(ctx, api, &state); err != nil {
		state.Refused = refused(err)
		state.Error = words(err)
	}
	return state, nil
}

func askManager(ctx context.Context, api *wazuh.API, state *plan.ManagerState) error {
	info, err := api.ManagerInfo(ctx)
	if err != nil {
		return err
	}
	state.Version = info.Version
	summary, err := api.AgentsSummary(ctx)
	if err != nil {
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

func managerLabels(spec v1alpha1.ManagerSpec) map[string]string {
	if spec.Attach != nil {
		return spec.Attach.Selector
	}
	return map[string]string{naming.LabelName: naming.PodName, naming.LabelComponent: naming.PodComponent}
}

func podReady(pod corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue && pod.DeletionTimestamp == nil
		}
	}
	return false
}

// managers keeps one API client for each tenant, because a client keeps its
// token and a manager counts logins.
type managers struct {
	dial func(ctx context.Context, network, address string) (net.Conn, error)

	mu      sync.Mutex
	clients map[string]managerClient
}

type managerClient struct {
	// version changes with the credentials and the authority the client was made from.
	version string
	api     *wazuh.API
}

func newManagers(dial func(ctx context.Context, network, address string) (net.Conn, error)) *managers {
	return &managers{dial: dial, clients: map[string]managerClient{}}
}

// api returns the client of a tenant's manager, made anew when the credentials
// in its Secret change.
func (r *Reconciler) api(ctx context.Context, tenant v1alpha1.Tenant) (*wazuh.API, error) {
	namespace := naming.Namespace(tenant.Name)
	credentialsName, caName := apiSecrets(tenant.Spec.Manager)
	credentials, err := r.readSecret(ctx, namespace, credentialsName)
	if err != nil {
		return nil, err
	}
	if credentials == nil {
		return nil, fmt.Errorf("secret %s/%s with %s and %s of the manager's API does not exist", namespace, credentialsName, naming.KeyAPIUsername, naming.KeyAPIPassword)
	}
	trust := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: naming.APIHost(tenant.Name)}
	version := string(credentials.UID) + "/" + credentials.ResourceVersion
	switch {
	case caName != "":
		authority, err := r.readSecret(ctx, namespace, caName)
		if err != nil {
			return nil, err
		}
		if authority == nil {
			return nil, fmt.Errorf("secret %s/%s with %s, the authority of the manager's API, does not exist", namespace, caName, naming.KeyTLSCA)
		}
		trust.RootCAs = x509.NewCertPool()
		if !trust.RootCAs.AppendCertsFromPEM(authority.Data[naming.KeyTLSCA]) {
			return nil, fmt.Errorf("secret %s/%s, key %s: no PEM certificate found", namespace, caName, naming.KeyTLSCA)
		}
		version += "+" + authority.ResourceVersion
	case tenant.Spec.Manager.Attach != nil && tenant.Spec.Manager.Attach.InsecureSkipAPIVerify:
		trust.InsecureSkipVerify = true // the spec says so in as many words
	}
	return r.managers.client(tenant.Name, version, trust, credentials)
}

func (m *managers) client(slug, version string, trust *tls.Config, credentials *corev1.Secret) (*wazuh.API, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if held, ok := m.clients[slug]; ok && held.version == version {
		return held.api, nil
	}
	api, err := wazuh.NewAPI(wazuh.APIOptions{
		URL:      fmt.Sprintf("https://%s:%d", naming.APIHost(slug), naming.PortNumber(naming.PortAPI)),
		User:     string(credentials.Data[naming.KeyAPIUsername]),
		Password: wazuh.NewSecret(string(credentials.Data[naming.KeyAPIPassword])),
		HTTP: &http.Client{
			Timeout:   removalTimeout,
			Transport: &http.Transport{DialContext: m.dial, TLSClientConfig: trust, MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute},
		},
	})
	if err != nil {
		return nil, err
	}
	m.clients[slug] = managerClient{version: version, api: api}
	return api, nil
}

func (m *managers) forget(slug string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.clients, slug)
}

// apiSecrets names the Secrets with the API's credentials and authority; the
// second is empty where the certificate is judged by the system's roots or not at all.
func apiSecrets(spec v1alpha1.ManagerSpec) (credentials, authority string) {
	if attach := spec.Attach; attach != nil {
		if attach.APICredentialsSecret != "" {
			return attach.APICredentialsSecret, attach.APICASecret
		}
		return naming.SecretAPI, attach.APICASecret
	}
	return naming.SecretAPI, naming.SecretAPITLS
}
