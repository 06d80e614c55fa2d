package desk

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/fault"
	"github.com/soctalk/soctalk-ingress/internal/handover"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/onboard"
	"github.com/soctalk/soctalk-ingress/internal/reveal"
)

// CheckLinks wants where links are served: https:// and a host.
func CheckLinks(base string) error {
	parsed, err := url.Parse(base)
	if err != nil || parsed.Scheme != "https" || parsed.Host == "" || parsed.Path != "" && parsed.Path != "/" || parsed.RawQuery != "" || parsed.Fragment != "" {
		return fmt.Errorf("%q: write https:// and a host, such as https://onboard.mssp.example.com", base)
	}
	return nil
}

// CheckLife wants a life a link may have.
func CheckLife(life time.Duration) error {
	if life <= 0 || life > handover.MaxLife {
		return fmt.Errorf("%s: use more than 0 and at most %s", life, handover.MaxLife)
	}
	return nil
}

// MakeHandover makes a link that opens a tenant's onboarding kit once. warn is told
// what did not keep it from being made.
func (d *Desk) MakeHandover(ctx context.Context, in onboard.Input, life time.Duration, why string, warn func(error)) (handover.Link, *v1alpha1.Handover, error) {
	slug := in.Tenant.Name
	// What the page would refuse must be refused here, where somebody can act.
	if _, err := Sheet(in); err != nil {
		return handover.Link{}, nil, err
	}
	if err := d.checkArmed(ctx, slug, warn); err != nil {
		return handover.Link{}, nil, err
	}
	by, err := reveal.EntryFor(ctx, d, why, time.Now())
	if err != nil {
		return handover.Link{}, nil, err
	}
	link, err := handover.NewLink(slug, rand.Reader)
	if err != nil {
		return handover.Link{}, nil, err
	}
	made := newHandover(link, in, by, life)
	event := reveal.Event{Reason: v1alpha1.EventHandoverCreated, Action: "Create", Note: fmt.Sprintf("handover %s was made by %s: %s", link.Name, by.By, by.Why)}
	if err := event.Try(ctx, d, &in.Tenant, by.At); err != nil {
		return handover.Link{}, nil, err
	}
	if err := d.Create(ctx, made); err != nil {
		return handover.Link{}, nil, fmt.Errorf("create handover %s: %w", link, err)
	}
	if err := event.Write(ctx, d, &in.Tenant, by.At); err != nil {
		warn(err)
	}
	return link, made, nil
}

func newHandover(link handover.Link, in onboard.Input, by reveal.Entry, life time.Duration) *v1alpha1.Handover {
	return &v1alpha1.Handover{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: naming.Namespace(link.Tenant), Name: link.Name,
			Labels: map[string]string{naming.LabelTenant: link.Tenant, naming.LabelManagedBy: naming.Product},
		},
		Spec: v1alpha1.HandoverSpec{
			TokenSHA256: link.Digest(), Expires: metav1.NewTime(by.At.Add(life)), Why: by.Why, CreatedBy: by.By,
			Kit: v1alpha1.HandoverKit{AuthorityPEM: in.AuthorityPEM, AgentVersion: in.AgentVersion, AgentGroup: in.AgentGroup},
		},
	}
}

// checkArmed refuses a link that would open onto a secret that was shown before.
// Who may create links need not be allowed to read the secret, and then learns
// it from the page only.
func (d *Desk) checkArmed(ctx context.Context, slug string, warn func(error)) error {
	ref := reveal.Enrollment(slug)
	status, err := reveal.Look(ctx, d, ref)
	switch {
	case apierrors.IsForbidden(err):
		warn(errors.New("you may not look at the secret, so this does not check whether it was revealed before"))
		return nil
	case err != nil:
		return SecretError(ref, err)
	case status.State != reveal.Armed:
		return SecretError(ref, &reveal.Spent{Reference: ref, Status: status})
	}
	return nil
}

// RevokeHandover takes a link back, if it was not opened yet.
func (d *Desk) RevokeHandover(ctx context.Context, slug, name, why string, warn func(error)) error {
	tenant, err := d.Tenant(ctx, slug)
	if err != nil {
		return err
	}
	by, err := reveal.EntryFor(ctx, d, why, time.Now())
	if err != nil {
		return err
	}
	held := &v1alpha1.Handover{}
	err = d.Get(ctx, client.ObjectKey{Namespace: naming.Namespace(slug), Name: name}, held)
	if apierrors.IsNotFound(err) {
		return fault.NewShell(fault.NotFound, fmt.Errorf("tenant %q has no link %q", slug, name), shownInList, "soctalk-ingress handover list %s shows all of them", slug)
	}
	if err != nil {
		return fmt.Errorf("get handover %s: %w", name, err)
	}
	if held.Status.OpenedAt != nil {
		return fault.New(fault.Refused, errors.New("the link was opened from "+held.Status.From+" already"), "rotate the tenant's secret if that was not the customer")
	}
	event := reveal.Event{Reason: v1alpha1.EventHandoverRevoked, Action: "Revoke", Note: fmt.Sprintf("handover %s was revoked by %s: %s", name, by.By, by.Why)}
	if err := event.Try(ctx, d, &tenant, by.At); err != nil {
		return err
	}
	held.Spec.Revoked = true
	// With the resourceVersion that was read: an opening in between must not be lost.
	if err := d.Update(ctx, held); err != nil {
		return fmt.Errorf("revoke handover %s: %w", name, err)
	}
	if err := event.Write(ctx, d, &tenant, by.At); err != nil {
		warn(err)
	}
	return nil
}
