package desk

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/fault"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/plan"
)

// TokenEnd reads when a token is to end: a time from now, or a date; empty is never.
func TokenEnd(text string, now time.Time) (*metav1.Time, error) {
	if text == "" {
		return nil, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		lasts, notDuration := time.ParseDuration(text)
		if notDuration != nil {
			return nil, fmt.Errorf("%q: write a time from now such as 72h, or a date such as 2026-12-31T18:00:00Z", text)
		}
		at = now.Add(lasts)
	}
	if !at.After(now) {
		return nil, fmt.Errorf("%q: that is over already", text)
	}
	return &metav1.Time{Time: at.UTC().Truncate(time.Second)}, nil
}

// MakeToken creates an enrollment token; the operator makes its secret.
func (d *Desk) MakeToken(ctx context.Context, slug, name string, spec v1alpha1.EnrollmentTokenSpec) (v1alpha1.EnrollmentToken, error) {
	token := v1alpha1.EnrollmentToken{
		ObjectMeta: metav1.ObjectMeta{Namespace: naming.Namespace(slug), Name: name, Labels: map[string]string{naming.LabelTenant: slug}},
		Spec:       spec,
	}
	tenant, err := d.Tenant(ctx, slug)
	if err != nil {
		return token, err
	}
	if enrollment := tenant.Status.Enrollment; enrollment != nil && enrollment.Mode == v1alpha1.EnrollmentDirect {
		return token, fault.New(fault.Refused, fmt.Errorf("enrollment of tenant %q is direct: authd knows one secret and no tokens", slug), "set spec.enrollment to gateway")
	}
	if err := d.roomForToken(ctx, slug, time.Now()); err != nil {
		return token, err
	}
	err = d.Create(ctx, &token)
	switch {
	case apierrors.IsAlreadyExists(err):
		return token, fault.NewShell(fault.Refused, fmt.Errorf("tenant %q has a token %q already", slug, name), "choose another name", "choose another name; soctalk-ingress token list %s shows all of them", slug)
	case err != nil:
		return token, fmt.Errorf("create token %q of tenant %q: %w", name, slug, err)
	}
	return token, nil
}

// roomForToken refuses a token that the gateway would not know.
func (d *Desk) roomForToken(ctx context.Context, slug string, now time.Time) error {
	tokens, err := d.Tokens(ctx, slug)
	if err != nil {
		return err
	}
	if live := plan.LiveTokens(tokens, now); live >= plan.MaxTokens {
		return fault.NewShell(fault.Refused, fmt.Errorf("tenant %q has %d tokens that count, and its gateway knows no more than %d", slug, live, plan.MaxTokens),
			"end some that are not needed", "end some that are not needed: soctalk-ingress token list %s", slug)
	}
	return nil
}

// Tokens lists a tenant's.
func (d *Desk) Tokens(ctx context.Context, slug string) ([]v1alpha1.EnrollmentToken, error) {
	var tokens v1alpha1.EnrollmentTokenList
	if err := d.List(ctx, &tokens, client.InNamespace(naming.Namespace(slug))); err != nil {
		return nil, fmt.Errorf("list the tokens of tenant %q: %w", slug, err)
	}
	return tokens.Items, nil
}

// Token finds one by its name.
func (d *Desk) Token(ctx context.Context, slug, name string) (v1alpha1.EnrollmentToken, error) {
	var token v1alpha1.EnrollmentToken
	err := d.Get(ctx, client.ObjectKey{Namespace: naming.Namespace(slug), Name: name}, &token)
	if apierrors.IsNotFound(err) {
		return token, fault.NewShell(fault.NotFound, fmt.Errorf("tenant %q has no token %q", slug, name), shownInList, "soctalk-ingress token list %s shows all of them", slug)
	}
	return token, err
}

// RevokeToken ends a token and keeps it for the record.
func (d *Desk) RevokeToken(ctx context.Context, slug string, token v1alpha1.EnrollmentToken) error {
	before := token.DeepCopy()
	token.Spec.Revoked = true
	if err := d.Patch(ctx, &token, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("revoke token %q of tenant %q: %w", token.Name, slug, err)
	}
	return nil
}

// DeleteToken ends a token and forgets it.
func (d *Desk) DeleteToken(ctx context.Context, slug string, token v1alpha1.EnrollmentToken) error {
	uid := token.UID
	if err := d.Delete(ctx, &token, client.Preconditions{UID: &uid}); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete token %q of tenant %q: %w", token.Name, slug, err)
	}
	return nil
}
