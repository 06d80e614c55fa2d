package controller

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/managerapi"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/plan"
	"github.com/soctalk/soctalk-ingress/internal/probe"
	"github.com/soctalk/soctalk-ingress/internal/secret"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// attachedPatience is how long an attached manager has to follow a changed Secret.
// How it mounts it is not ours; a kubelet needs a minute and a half at most.
const attachedPatience = 3 * time.Minute

// retireSecret replaces the enrollment secret by one nobody is shown, and believes
// it when the manager's own port refuses the old one.
func (r *Reconciler) retireSecret(ctx context.Context, tenant *v1alpha1.Tenant, progress *v1alpha1.OffboardingStatus) (sight, error) {
	place := plan.Placement{Slug: tenant.Name, Namespace: naming.Namespace(tenant.Name)}
	held, err := r.readSecret(ctx, place.Namespace, naming.SecretEnrollment)
	if err != nil {
		return sight{}, err
	}
	if held == nil {
		return finished("there is no enrollment secret")
	}
	if held.Labels[naming.LabelManagedBy] != naming.Product {
		return finished(fmt.Sprintf("Secret %s was made by somebody else and is left as it is; the next step closes the way in", held.Name))
	}
	if held.Annotations[naming.AnnotationRetiredFor] != string(tenant.UID) {
		return sight{}, r.replaceSecret(ctx, place, held, string(tenant.UID), func(held *corev1.Secret) {
			metav1.SetMetaDataAnnotation(&held.ObjectMeta, naming.AnnotationRetiredFor, string(tenant.UID))
		})
	}
	pod, err := r.readyManager(ctx, tenant)
	if err != nil {
		return sight{}, err
	}
	if pod == nil {
		if err := r.forgetOldSecret(ctx, place.Namespace); err != nil {
			return sight{}, err
		}
		return finished("the secret was replaced by one nobody was shown; no manager is ready, and one that starts reads the new one")
	}
	if shut, err := r.shutGateway(ctx, tenant, place); err != nil || !shut.done {
		return shut, err
	}
	host := pod.Status.PodIP
	if mode := tenant.Status.Enrollment; tenant.Spec.Manager.Attach != nil && mode != nil && mode.Mode == v1alpha1.EnrollmentGateway {
		host = naming.GatewayHost(tenant.Name) // not in the manager's pod
	}
	seen, err := r.provedAtPort(ctx, tenant, held, net.JoinHostPort(host, strconv.Itoa(int(naming.PortNumber(naming.PortEnrollment)))))
	if err == nil && !seen.done && tenant.Spec.Manager.Attach != nil && r.since(progress) > attachedPatience {
		seen = sight{done: true, evidence: "the secret was replaced by one nobody was shown, and the attached manager has not followed: " + seen.waitsFor + "; the next step closes the way in"}
	}
	if err != nil || !seen.done {
		return seen, err
	}
	return seen, r.forgetOldSecret(ctx, place.Namespace)
}

func (r *Reconciler) forgetOldSecret(ctx context.Context, namespace string) error {
	aside, err := r.readSecret(ctx, namespace, naming.SecretEnrollmentPrevious)
	if err != nil || aside == nil {
		return err
	}
	return r.deleteOurs(ctx, aside)
}

// provedAtPort tries the old secret, and then the new one, where an agent would.
func (r *Reconciler) provedAtPort(ctx context.Context, tenant *v1alpha1.Tenant, held *corev1.Secret, address string) (sight, error) {
	aside, err := r.readSecret(ctx, held.Namespace, naming.SecretEnrollmentPrevious)
	if err != nil {
		return sight{}, err
	}
	if aside == nil {
		// A crash after the proof and before its record.
		return finished("the secret was replaced by one nobody was shown, and the old one was refused")
	}
	// What was no sound secret opens nothing that could be tried.
	sound := secret.CheckEnrollment(aside.Data[naming.KeyEnrollment]) == nil
	if sound {
		old, err := r.tryAtPort(ctx, address, aside)
		switch {
		case err != nil:
			return waitingForTheirs("the enrollment port of the manager does not answer, so that the old secret cannot be seen refused: %s; %s", words(err), wayAround(tenant))
		case old == probe.Open:
			return waitingForTheirs("the enrollment port of the manager asks for no secret at all; %s", wayAround(tenant))
		case old == probe.Accepted:
			return waitingForTheirs("the manager still accepts the old secret; it follows a changed Secret within two minutes")
		}
	}
	now, err := r.tryAtPort(ctx, address, held)
	const replaced = "the secret was replaced by one nobody was shown; at the manager's own enrollment port "
	switch {
	case err == nil && now == probe.Accepted && sound:
		return finished(replaced + "the old one is refused and the new one accepted")
	case err == nil && now == probe.Accepted:
		return finished(replaced + "the new one is accepted; the old one was not sound")
	case sound && err != nil:
		return finished(replaced + "the old one is refused; the new one, which nobody knows, could not be tried: " + words(err))
	case sound:
		return finished(replaced + "the old one is refused; so was the new one, which nobody was shown, when it was tried")
	}
	return waitingForTheirs("the manager does not accept the new secret yet; it follows a changed Secret within two minutes")
}

func (r *Reconciler) tryAtPort(ctx context.Context, address string, held *corev1.Secret) (probe.Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, probe.Timeout)
	defer cancel()
	return probe.Secret(ctx, r.options.Dial, address, wazuh.NewSecret(strings.TrimSpace(string(held.Data[naming.KeyEnrollment]))))
}

// readyManager is a pod of the manager that can be asked; nil when there is none.
func (r *Reconciler) readyManager(ctx context.Context, tenant *v1alpha1.Tenant) (*corev1.Pod, error) {
	namespace := naming.Namespace(tenant.Name)
	var pods corev1.PodList
	if err := r.direct.List(ctx, &pods, client.InNamespace(namespace), client.MatchingLabels(managerapi.PodLabels(tenant.Spec.Manager))); err != nil {
		return nil, fmt.Errorf("list manager pods in %q: %w", namespace, err)
	}
	for i, pod := range pods.Items {
		if managerapi.PodReady(pod) && pod.Status.PodIP != "" {
			return &pods.Items[i], nil
		}
	}
	return nil, nil
}
