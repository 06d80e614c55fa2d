package controller

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/gateway/policy"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/plan"
	"github.com/soctalk/soctalk-ingress/internal/probe"
	"github.com/soctalk/soctalk-ingress/internal/reveal"
	"github.com/soctalk/soctalk-ingress/internal/secret"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// +kubebuilder:rbac:groups=ingress.soctalk.io,resources=enrollmenttokens;revocations,verbs=get;list;watch

// observeEnrollment looks at everything that decides who may enroll. What leaves
// here are digests.
func (r *Reconciler) observeEnrollment(ctx context.Context, tenant v1alpha1.Tenant, namespace string) (plan.SecretState, plan.EnrollmentState, error) {
	var state plan.EnrollmentState
	held, err := r.readSecret(ctx, namespace, naming.SecretEnrollment)
	if err != nil {
		return plan.SecretState{}, state, err
	}
	sound := secretState(held)
	if held != nil {
		state.Since = reveal.StatusOf(held).Since
		state.Foreign = held.Labels[naming.LabelManagedBy] != naming.Product
		state.Rotation, state.Taken = held.Annotations[naming.AnnotationRotation], held.Annotations[naming.AnnotationRotate]
		if sound.Problem == "" {
			state.Secret = digestOf(held)
		}
	}
	aside, err := r.readSecret(ctx, namespace, naming.SecretEnrollmentPrevious)
	if err != nil {
		return sound, state, err
	}
	if aside != nil {
		state.PreviousRotation = aside.Annotations[naming.AnnotationRotation]
		if rotating := tenant.Status.Rotation; rotating != nil && rotating.OverlapUntil != nil {
			state.Previous, state.PreviousUntil = digestOf(aside), rotating.OverlapUntil.UTC()
		}
	}
	if state.Stored, err = r.storedPolicy(ctx, namespace); err != nil {
		return sound, state, err
	}
	if state.Tokens, err = r.observeTokens(ctx, namespace); err != nil {
		return sound, state, err
	}
	var revocations v1alpha1.RevocationList
	if err := r.cached.List(ctx, &revocations, client.InNamespace(namespace)); err != nil {
		return sound, state, fmt.Errorf("list revocations in %q: %w", namespace, err)
	}
	state.Revocations = revocations.Items
	return sound, state, nil
}

func secretState(held *corev1.Secret) plan.SecretState {
	if held == nil {
		return plan.SecretState{}
	}
	state := plan.SecretState{Exists: true}
	if problem := secret.CheckEnrollment(held.Data[naming.KeyEnrollment]); problem != nil {
		state.Problem = problem.Error()
	}
	return state
}

// digestOf is what a gateway knows of a secret; zero when there is none.
func digestOf(held *corev1.Secret) policy.Digest {
	line := enrollmentLine(held)
	if len(line) == 0 {
		return policy.Digest{}
	}
	return policy.DigestOf(line)
}

// enrollmentLine is the secret as agents send it.
func enrollmentLine(held *corev1.Secret) []byte {
	line, _, _ := bytes.Cut(held.Data[naming.KeyEnrollment], []byte("\n"))
	return line
}

// storedPolicy reads the policy as it was written last. One that cannot be read
// counts as none: the gateway's own generation keeps the next one above it.
func (r *Reconciler) storedPolicy(ctx context.Context, namespace string) (*policy.Policy, error) {
	held, err := r.readSecret(ctx, namespace, naming.SecretGatewayPolicy)
	if err != nil || held == nil {
		return nil, err
	}
	stored, err := policy.Parse(held.Data[naming.KeyGatewayPolicy])
	if err != nil {
		return nil, nil
	}
	return stored, nil
}

func (r *Reconciler) observeTokens(ctx context.Context, namespace string) ([]plan.Token, error) {
	var list v1alpha1.EnrollmentTokenList
	if err := r.cached.List(ctx, &list, client.InNamespace(namespace)); err != nil {
		return nil, fmt.Errorf("list enrollment tokens in %q: %w", namespace, err)
	}
	var tokens []plan.Token
	for _, token := range list.Items {
		digest, _, err := r.tokenDigest(ctx, namespace, token.Name)
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, plan.Token{Token: token, Digest: digest})
	}
	return tokens, nil
}

// observeProbe asks the tenant's enrollment port, as an agent would, whether it
// takes the secrets of a rotation. It asks only while there is one to prove, and
// leaves nothing behind.
func (r *Reconciler) observeProbe(ctx context.Context, tenant v1alpha1.Tenant, namespace string) (plan.ProbeState, error) {
	rotating := tenant.Status.Rotation
	if rotating == nil || rotating.Step != v1alpha1.RotationAccept && rotating.Step != v1alpha1.RotationRefuse {
		return plan.ProbeState{}, nil
	}
	name := naming.SecretEnrollment
	if rotating.Step == v1alpha1.RotationRefuse {
		name = naming.SecretEnrollmentPrevious
	}
	held, err := r.readSecret(ctx, namespace, name)
	if err != nil || held == nil {
		return plan.ProbeState{}, err
	}
	address := net.JoinHostPort(naming.EnrollmentHost(tenant.Name), strconv.Itoa(int(naming.PortNumber(naming.PortEnrollment))))
	answer, err := probe.Secret(ctx, r.options.Dial, address, wazuh.NewSecret(string(enrollmentLine(held))))
	seen := plan.ProbeState{Asked: true}
	if err != nil {
		seen.Error = words(err)
		return seen, nil
	}
	if rotating.Step == v1alpha1.RotationRefuse {
		seen.Old = string(answer)
		return seen, nil
	}
	seen.New = string(answer)
	served, err := probe.Certificate(ctx, r.options.Dial, address)
	if err != nil {
		seen.Error = words(err)
		return seen, nil
	}
	seen.Serial = served.Serial()
	return seen, nil
}

// tenantOfNamespace finds the tenant of an object that lives in its namespace and
// carries no label of ours, such as one a person made.
func tenantOfNamespace(_ context.Context, object client.Object) []reconcile.Request {
	slug := naming.SlugOf(object.GetNamespace())
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: slug}}}
}

// changesPolicy passes what changes whom a gateway lets in, or whom edges cut: specs,
// deletions, the hash of a key once it is known, and when a former key is refused.
func changesPolicy() predicate.Predicate {
	return predicate.Or(predicate.GenerationChangedPredicate{}, predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, isOne := e.ObjectOld.(*v1alpha1.Revocation)
		after, isOther := e.ObjectNew.(*v1alpha1.Revocation)
		return isOne && isOther && (before.Status.KeyHash != after.Status.KeyHash || !before.Status.CutAt.Equal(after.Status.CutAt))
	}})
}
