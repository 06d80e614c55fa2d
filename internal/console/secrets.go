package console

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/console/wire"
	"github.com/soctalk/soctalk-ingress/internal/desk"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/reveal"
)

// referenceTo is a tenant's secret, or that of one of its tokens.
func referenceTo(slug, token string) reveal.Reference {
	ref := reveal.Enrollment(slug)
	if token != "" {
		ref.Name = naming.TokenSecret(token)
	}
	return ref
}

func (c *Console) secret(w http.ResponseWriter, r *http.Request, one *visit) error {
	slug, token := r.PathValue("slug"), r.URL.Query().Get("token")
	tenant, err := one.desk.Tenant(r.Context(), slug)
	if err != nil {
		return err
	}
	ref := referenceTo(slug, token)
	status, err := reveal.Look(r.Context(), one.desk, ref)
	if err != nil {
		return desk.SecretError(ref, err)
	}
	view := wire.Secret{Name: ref.Name, State: string(status.State), Since: status.Since.UTC(), Revealed: status.Revealed, Rearmed: status.Rearmed}
	if token == "" {
		view.Rotation = rotationOf(tenant)
	}
	return give(w, view)
}

// rotationOf says how the last rotation went; nil before the first.
func rotationOf(tenant v1alpha1.Tenant) *wire.Rotation {
	seen := tenant.Status.Rotation
	asked := tenant.Annotations[naming.AnnotationRotate]
	if seen == nil && asked == "" {
		return nil
	}
	rotation := &wire.Rotation{Waiting: asked != "" && (seen == nil || seen.Request != asked)}
	if seen != nil {
		rotation.Step, rotation.Started, rotation.Stuck = string(seen.Step), seen.StartedAt.UTC(), seen.Stuck
		rotation.OverlapUntil, rotation.Finished = utc(seen.OverlapUntil), utc(seen.FinishedAt)
	}
	if told := meta.FindStatusCondition(tenant.Status.Conditions, v1alpha1.ConditionSecretRotated); told != nil {
		rotation.Message = told.Message
	}
	return rotation
}

// reveal gives a secret, once. It is the only answer with one in it.
func (c *Console) reveal(w http.ResponseWriter, r *http.Request, one *visit) error {
	ref, by, err := c.asked(w, r, one)
	if err != nil {
		return err
	}
	shown, err := reveal.Consume(r.Context(), one.desk, ref, by)
	if len(shown) == 0 {
		return desk.SecretError(ref, err)
	}
	c.options.Log.Info("secret revealed", "user", one.user, "tenant", ref.Tenant, "secret", ref.Name)
	revealed := wire.Revealed{Secret: strings.TrimRight(string(shown), "\n")}
	if err != nil {
		revealed.Warning = err.Error()
	}
	return give(w, revealed)
}

func (c *Console) rearm(w http.ResponseWriter, r *http.Request, one *visit) error {
	ref, by, err := c.asked(w, r, one)
	if err != nil {
		return err
	}
	changed, err := reveal.Rearm(r.Context(), one.desk, ref, by)
	switch {
	case err != nil && !changed:
		return desk.SecretError(ref, err)
	case !changed:
		return accept(w, "the secret is armed already; nothing was changed", nil)
	}
	c.options.Log.Info("secret re-armed", "user", one.user, "tenant", ref.Tenant, "secret", ref.Name)
	return accept(w, "the secret can be revealed once more", err)
}

// asked reads which secret is meant, by whom and why.
func (c *Console) asked(w http.ResponseWriter, r *http.Request, one *visit) (reveal.Reference, reveal.Entry, error) {
	var request wire.RevealRequest
	if err := take(w, r, &request); err != nil {
		return reveal.Reference{}, reveal.Entry{}, err
	}
	if err := checkWhy(request.Why); err != nil {
		return reveal.Reference{}, reveal.Entry{}, err
	}
	slug := r.PathValue("slug")
	if _, err := one.desk.Tenant(r.Context(), slug); err != nil {
		return reveal.Reference{}, reveal.Entry{}, err
	}
	by, err := reveal.EntryFor(r.Context(), one.desk, request.Why, c.options.Now())
	return referenceTo(slug, request.Token), by, err
}

func (c *Console) rotate(w http.ResponseWriter, r *http.Request, one *visit) error {
	var request wire.RotateRequest
	if err := take(w, r, &request); err != nil {
		return err
	}
	asked, err := desk.RotationRequest(c.options.Now(), request.Overlap)
	if err != nil {
		return inField("overlap", err)
	}
	slug := r.PathValue("slug")
	before, err := one.desk.Rotate(r.Context(), slug, asked)
	if err != nil {
		return err
	}
	c.options.Log.Info("rotation asked for", "user", one.user, "tenant", slug)
	message := "another enrollment secret was asked for"
	if now := before.Status.Rotation; now != nil && now.Step != v1alpha1.RotationDone {
		message += "; a rotation is under way (" + string(now.Step) + "), and this one follows it"
	}
	return accept(w, message, nil)
}

func (c *Console) tokens(w http.ResponseWriter, r *http.Request, one *visit) error {
	slug := r.PathValue("slug")
	if _, err := one.desk.Tenant(r.Context(), slug); err != nil {
		return err
	}
	all, err := one.desk.Tokens(r.Context(), slug)
	if err != nil {
		return err
	}
	views := wire.Tokens{Tokens: []wire.Token{}}
	for i := range all {
		views.Tokens = append(views.Tokens, tokenOf(&all[i], c.options.Now()))
	}
	return give(w, views)
}

func tokenOf(held *v1alpha1.EnrollmentToken, now time.Time) wire.Token {
	view := wire.Token{
		Name: held.Name, State: string(held.Status.State), Uses: held.Status.Uses, MaxUses: held.Spec.MaxUses, Expires: utc(held.Spec.Expires),
		Group: held.Spec.Group, Names: held.Spec.Names, Sources: list(held.Spec.SourceCIDRs), Created: held.CreationTimestamp.UTC(), LastUse: utc(held.Status.LastUsedAt),
	}
	if view.State == "" {
		view.State = string(v1alpha1.TokenPending)
	}
	if ended := held.Ended(now); ended != "" {
		view.State = string(ended) // the operator looks twice a minute
	}
	if ready := meta.FindStatusCondition(held.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
		view.Reason, view.Message = ready.Reason, ready.Message
	}
	return view
}

func (c *Console) makeToken(w http.ResponseWriter, r *http.Request, one *visit) error {
	var request wire.TokenRequest
	if err := take(w, r, &request); err != nil {
		return err
	}
	end, err := desk.TokenEnd(request.Expires, c.options.Now())
	if err != nil {
		return inField("expires", err)
	}
	if request.Name == "" {
		return refuse(http.StatusUnprocessableEntity, "metadata.name", "the token has no name", "choose one DNS label, such as berlin-office")
	}
	slug := r.PathValue("slug")
	made, err := one.desk.MakeToken(r.Context(), slug, request.Name, v1alpha1.EnrollmentTokenSpec{
		Expires: end, MaxUses: request.MaxUses, Group: request.Group, Names: request.Names, SourceCIDRs: request.Sources,
	})
	if err != nil {
		return err
	}
	c.options.Log.Info("token made", "user", one.user, "tenant", slug, "token", made.Name)
	answer(w, http.StatusCreated, tokenOf(&made, c.options.Now()))
	return nil
}

func (c *Console) revokeToken(w http.ResponseWriter, r *http.Request, one *visit) error {
	slug, name := r.PathValue("slug"), r.PathValue("name")
	held, err := one.desk.Token(r.Context(), slug, name)
	if err != nil {
		return err
	}
	if err := one.desk.RevokeToken(r.Context(), slug, held); err != nil {
		return err
	}
	c.options.Log.Info("token revoked", "user", one.user, "tenant", slug, "token", name)
	return accept(w, "token "+strconv.Quote(name)+" is being ended", nil)
}

func (c *Console) deleteToken(w http.ResponseWriter, r *http.Request, one *visit) error {
	slug, name := r.PathValue("slug"), r.PathValue("name")
	held, err := one.desk.Token(r.Context(), slug, name)
	if err != nil {
		return err
	}
	if err := one.desk.DeleteToken(r.Context(), slug, held); err != nil {
		return err
	}
	c.options.Log.Info("token deleted", "user", one.user, "tenant", slug, "token", name)
	return accept(w, "token "+strconv.Quote(name)+" is gone once the gateway refuses it", nil)
}
