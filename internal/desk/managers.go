package desk

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/fault"
	"github.com/soctalk/soctalk-ingress/internal/managerapi"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/plan"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// apiPatience bounds one request to a manager's API.
const apiPatience = 20 * time.Second

type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// ManagerAPI opens a way to a tenant's manager: directly to address, or through
// the API server to a pod of it. Who answers must show the certificate of this
// tenant's manager in either case.
func (d *Desk) ManagerAPI(ctx context.Context, tenant v1alpha1.Tenant, address string) (*wazuh.API, func(), error) {
	options := managerapi.Options{Slug: tenant.Name, Manager: tenant.Spec.Manager, Timeout: apiPatience}
	if err := d.readSecrets(ctx, &options); err != nil {
		return nil, nil, err
	}
	dial, closeDial := direct(address), func() {}
	if address == "" {
		var err error
		if dial, closeDial, err = d.forward(ctx, tenant); err != nil {
			return nil, nil, err
		}
	}
	options.Dial = dial
	api, closeAPI, err := managerapi.Open(options)
	if err != nil {
		closeDial()
		return nil, nil, err
	}
	return api, func() { closeAPI(); closeDial() }, nil
}

// direct dials one address, whatever it is asked for.
func direct(address string) dialer {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, address)
	}
}

// readSecrets reads user and authority of the manager's API.
func (d *Desk) readSecrets(ctx context.Context, options *managerapi.Options) (err error) {
	namespace := naming.Namespace(options.Slug)
	credentials, authority := managerapi.SecretNames(options.Manager)
	if options.Credentials, err = d.Secret(ctx, namespace, credentials); err != nil || authority == "" {
		return err
	}
	options.Authority, err = d.Secret(ctx, namespace, authority)
	return err
}

// Secret reads the data of a Secret.
func (d *Desk) Secret(ctx context.Context, namespace, name string) (map[string][]byte, error) {
	var secret corev1.Secret
	err := d.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &secret)
	if apierrors.IsNotFound(err) {
		return nil, fault.NewShell(fault.Refused, fmt.Errorf("secret %s/%s does not exist", namespace, name), madeWithTenant, "the operator makes it with the tenant; see soctalk-ingress tenant describe")
	}
	if err != nil {
		return nil, fmt.Errorf("get secret %s/%s: %w", namespace, name, err)
	}
	return secret.Data, nil
}

// Secrets are the names, in a tenant's namespace, of what a person must be able to get.
type Secrets struct {
	// Manager are user and authority of the manager's API; somebody's own manager may
	// have other names for them.
	Manager []string
	// Sheet is the certificate with the authority agents are told to trust; empty for a
	// public authority.
	Sheet string
}

// SecretsOf names a tenant's, as far as that is known.
func SecretsOf(tenant v1alpha1.Tenant, regions []v1alpha1.Region) Secrets {
	credentials, authority := managerapi.SecretNames(tenant.Spec.Manager)
	secrets := Secrets{Manager: []string{credentials}, Sheet: naming.SecretTLS}
	if authority != "" {
		secrets.Manager = append(secrets.Manager, authority)
	}
	place, err := plan.Place(tenant, regions)
	switch {
	case err != nil: // the usual name, then
	case place.Strategy == v1alpha1.CertificateACME:
		secrets.Sheet = ""
	default:
		secrets.Sheet = place.TLSSecret
	}
	return secrets
}

// managerPod picks a ready pod of the tenant's manager.
func (d *Desk) managerPod(ctx context.Context, tenant v1alpha1.Tenant) (string, error) {
	return d.readyPod(ctx, tenant.Name, "manager", managerapi.PodLabels(tenant.Spec.Manager))
}

// gatewayPod is the manager's, unless somebody else runs that.
func (d *Desk) gatewayPod(ctx context.Context, tenant v1alpha1.Tenant) (string, error) {
	if tenant.Spec.Manager.Attach == nil {
		return d.managerPod(ctx, tenant)
	}
	return d.readyPod(ctx, tenant.Name, "gateway", naming.GatewayPodLabels())
}

func (d *Desk) readyPod(ctx context.Context, slug, what string, labels client.MatchingLabels) (string, error) {
	namespace := naming.Namespace(slug)
	var pods corev1.PodList
	if err := d.List(ctx, &pods, client.InNamespace(namespace), labels); err != nil {
		return "", fmt.Errorf("list the pods of the %s in %s: %w", what, namespace, err)
	}
	for _, pod := range pods.Items {
		if managerapi.PodReady(pod) {
			return pod.Name, nil
		}
	}
	return "", fault.NewShell(fault.Refused, &NotReady{What: what, Tenant: slug, Pods: len(pods.Items)}, shownOnPath,
		"see kubectl -n %s get pods, and soctalk-ingress tenant describe %s", namespace, slug)
}

// NotReady says that nobody can be asked at the moment.
type NotReady struct {
	// What is not ready, manager or gateway, and whose.
	What, Tenant string
	// Pods there are of it.
	Pods int
}

func (e *NotReady) Error() string {
	return fmt.Sprintf("the %s of tenant %q is not ready: 0 of %d pods", e.What, e.Tenant, e.Pods)
}

// managerError says what an error of the manager's API means for its tenant.
func managerError(tenant v1alpha1.Tenant, err error) error {
	var problem *wazuh.Problem
	var unverified *tls.CertificateVerificationError
	var network *net.OpError
	credentials, _ := managerapi.SecretNames(tenant.Spec.Manager)
	wrapped := fmt.Errorf("ask the manager of tenant %q: %w", tenant.Name, err)
	switch {
	case errors.As(err, &problem) && problem.Status == http.StatusUnauthorized:
		return fault.New(fault.Failed, wrapped, "the user in Secret %s/%s is not the manager's; correct it there", naming.Namespace(tenant.Name), credentials)
	case errors.As(err, &problem) && problem.Code == wazuh.CodeDenied:
		return fault.New(fault.Failed, wrapped, "the API user lacks the right to read agents (agent:read)")
	case errors.As(err, &unverified):
		return fault.New(fault.Failed, wrapped, "who answered is not this tenant's manager, or its certificate was not made by the authority in the tenant's Secret")
	case errors.As(err, &network):
		return fault.NewShell(fault.Failed, wrapped, "the manager does not answer; try again", "nothing answers at that address; check --api-address, or leave it out")
	}
	return wrapped
}
