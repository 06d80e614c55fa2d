package controller

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/gateway/policy"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/plan"
	"github.com/soctalk/soctalk-ingress/internal/reveal"
	"github.com/soctalk/soctalk-ingress/internal/secret"
)

// TokenReconciler gives every EnrollmentToken its secret and says how it is doing.
// What the gateway knows of tokens, the Tenant's reconciler tells it.
type TokenReconciler struct{ *Reconciler }

// usesPoll is how often a token that counts is looked at for its uses.
const usesPoll = 30 * time.Second

// +kubebuilder:rbac:groups=ingress.soctalk.io,resources=enrollmenttokens,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=ingress.soctalk.io,resources=enrollmenttokens/status,verbs=patch

// Reconcile brings one token closer to its spec and says how far it came.
func (r *TokenReconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var token v1alpha1.EnrollmentToken
	if err := r.cached.Get(ctx, request.NamespacedName, &token); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	result, err := r.turn(ctx, token)
	if errors.Is(err, errConflict) {
		return ctrl.Result{RequeueAfter: conflictPause}, nil
	}
	return result, err
}

func (r *TokenReconciler) turn(ctx context.Context, token v1alpha1.EnrollmentToken) (ctrl.Result, error) {
	tenant, err := r.tenantIn(ctx, token.Namespace)
	if err != nil {
		return ctrl.Result{}, err
	}
	in := plan.TokenInput{Token: token, Now: r.options.Now(), KeepEnded: r.options.KeepEndedTokens}
	if tenant != nil {
		in.Tenant = tenant.Name
		if token.DeletionTimestamp == nil {
			if err := r.holdToken(ctx, &in.Token); err != nil {
				return ctrl.Result{}, err
			}
			if err := r.ensureTokenSecret(ctx, in.Token, tenant.Name); err != nil {
				return ctrl.Result{}, err
			}
		}
		if in.Digest, in.SecretProblem, err = r.tokenDigest(ctx, token.Namespace, token.Name); err != nil {
			return ctrl.Result{}, err
		}
		if in.Guard, err = r.guard(ctx, *tenant); err != nil {
			return ctrl.Result{}, err
		}
	}
	report := plan.ReportToken(in)
	if err := r.patchToken(ctx, in.Token, report); err != nil {
		return ctrl.Result{}, err
	}
	if report.Remove {
		return ctrl.Result{}, r.removeToken(ctx, tenant, &in.Token, report)
	}
	return ctrl.Result{RequeueAfter: r.again(report, in.Now)}, nil
}

// again is when the token's state may have changed with nobody telling us.
func (r *TokenReconciler) again(report plan.TokenReport, now time.Time) time.Duration {
	ready := meta.FindStatusCondition(report.Status.Conditions, v1alpha1.ConditionReady)
	pause := min(usesPoll, r.options.Poll)
	if ready.Reason == v1alpha1.ReasonWaitingForGateway {
		pause = min(pause, waitingPoll)
	}
	if !report.Changes.IsZero() {
		pause = min(pause, max(report.Changes.Sub(now), time.Second))
	}
	return pause
}

// holdToken keeps a deleted token until the gateway refuses it.
func (r *TokenReconciler) holdToken(ctx context.Context, token *v1alpha1.EnrollmentToken) error {
	if controllerutil.ContainsFinalizer(token, naming.FinalizerToken) {
		return nil
	}
	before := token.DeepCopy()
	controllerutil.AddFinalizer(token, naming.FinalizerToken)
	return r.patchOurs(ctx, token, before)
}

func (r *TokenReconciler) patchOurs(ctx context.Context, token, before *v1alpha1.EnrollmentToken) error {
	err := r.writer.Patch(ctx, token, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	switch {
	case apierrors.IsConflict(err):
		return errConflict
	case client.IgnoreNotFound(err) != nil:
		return fmt.Errorf("write token %s/%s: %w", token.Namespace, token.Name, err)
	}
	return nil
}

// ensureTokenSecret makes the token's secret, once. It goes with the token: the
// owner is the token itself, and a token restored from a backup gets a new secret.
func (r *TokenReconciler) ensureTokenSecret(ctx context.Context, token v1alpha1.EnrollmentToken, slug string) error {
	name := naming.TokenSecret(token.Name)
	place := plan.Placement{Slug: slug, Namespace: token.Namespace}
	held, err := r.readSecret(ctx, token.Namespace, name)
	switch {
	case err != nil:
		return err
	case held != nil && ofAnother(held, token):
		// A former token's of the same name, on its way out: the new one is not it.
		if err := r.deleteOurs(ctx, held); err != nil {
			return err
		}
	case held != nil:
		return nil
	}
	file, err := secret.NewEnrollment(rand.Reader)
	if err != nil {
		return err
	}
	object := newSecret(place, name, map[string][]byte{naming.KeyEnrollment: file})
	object.Annotations = reveal.Arm(nil, r.options.Now()) // to be shown once
	object.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: v1alpha1.GroupVersion.String(), Kind: "EnrollmentToken", Name: token.Name, UID: token.UID,
	}}
	if err := r.writer.Create(ctx, object); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create secret %s/%s: %w", token.Namespace, name, err)
	}
	return nil
}

// ofAnother is true for the Secret of a token that had the same name earlier.
func ofAnother(held *corev1.Secret, token v1alpha1.EnrollmentToken) bool {
	for _, owner := range held.OwnerReferences {
		if owner.Kind == "EnrollmentToken" && owner.UID != token.UID {
			return true
		}
	}
	return false
}

// tokenDigest is what the gateway compares with; zero while there is no sound secret.
func (r *Reconciler) tokenDigest(ctx context.Context, namespace, token string) (policy.Digest, string, error) {
	held, err := r.readSecret(ctx, namespace, naming.TokenSecret(token))
	if err != nil || held == nil {
		return policy.Digest{}, "", err
	}
	file := held.Data[naming.KeyEnrollment]
	if problem := secret.CheckEnrollment(file); problem != nil {
		return policy.Digest{}, problem.Error(), nil
	}
	return policy.DigestOf(bytes.TrimSuffix(file, []byte("\n"))), "", nil
}

// patchToken writes what changed, and lets a token go that lets nobody in.
func (r *TokenReconciler) patchToken(ctx context.Context, token v1alpha1.EnrollmentToken, report plan.TokenReport) error {
	if !equality.Semantic.DeepEqual(token.Status, report.Status) {
		before, after := token.DeepCopy(), token.DeepCopy()
		after.Status = report.Status
		if err := r.writer.Status().Patch(ctx, after, client.MergeFrom(before)); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("write status of token %s/%s: %w", token.Namespace, token.Name, err)
		}
		r.tell(&token, token.Status.Conditions, report.Status.Conditions)
		token = *after
	}
	if !report.Forget || !controllerutil.ContainsFinalizer(&token, naming.FinalizerToken) {
		return nil
	}
	before := token.DeepCopy()
	controllerutil.RemoveFinalizer(&token, naming.FinalizerToken)
	return r.patchOurs(ctx, &token, before)
}

// +kubebuilder:rbac:groups=ingress.soctalk.io,resources=enrollmenttokens,verbs=delete

// removeToken deletes a token that ended long ago, and leaves a word at its tenant.
func (r *TokenReconciler) removeToken(ctx context.Context, tenant *v1alpha1.Tenant, token *v1alpha1.EnrollmentToken, report plan.TokenReport) error {
	if err := r.deleteOurs(ctx, token); err != nil {
		return err
	}
	if tenant != nil {
		r.events.Eventf(tenant, nil, corev1.EventTypeNormal, v1alpha1.EventTokenRemoved, "Reconcile",
			"token %s (%s since %s, %d uses) was kept long enough and is deleted", token.Name, report.Status.State, report.Status.EndedAt.UTC().Format(time.RFC3339), report.Status.Uses)
	}
	return nil
}

// tell raises an event when the one condition of a token or revocation changed its
// reason; nothing is told twice.
func (r *Reconciler) tell(about client.Object, before, after []metav1.Condition) {
	was, is := meta.FindStatusCondition(before, v1alpha1.ConditionReady), meta.FindStatusCondition(after, v1alpha1.ConditionReady)
	if is == nil || was != nil && was.Reason == is.Reason {
		return
	}
	kind := corev1.EventTypeNormal
	if is.Reason == v1alpha1.ReasonNotGuarded || is.Reason == v1alpha1.ReasonNameStillRegistered {
		kind = corev1.EventTypeWarning
	}
	r.events.Eventf(about, nil, kind, is.Reason, "Reconcile", "%s", is.Message)
}

func (r *TokenReconciler) watch(mgr ctrl.Manager) error {
	err := ctrl.NewControllerManagedBy(mgr).Named("enrollmenttoken").
		For(&v1alpha1.EnrollmentToken{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.Tenant{}, handler.EnqueueRequestsFromMapFunc(r.tokensOf), builder.WithPredicates(guardChanges())).
		WithOptions(controller.Options{MaxConcurrentReconciles: 2}).
		Complete(r)
	if err != nil {
		return fmt.Errorf("watch enrollment tokens: %w", err)
	}
	return nil
}

// tokensOf wakes a tenant's tokens when its gateway obeys something else.
func (r *TokenReconciler) tokensOf(ctx context.Context, tenant client.Object) []reconcile.Request {
	var tokens v1alpha1.EnrollmentTokenList
	if err := r.cached.List(ctx, &tokens, client.InNamespace(naming.Namespace(tenant.GetName()))); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "list enrollment tokens")
		return nil
	}
	var requests []reconcile.Request
	for i := range tokens.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&tokens.Items[i])})
	}
	return requests
}
