package reveal

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
)

// maxWhy keeps the reason within an Event's note.
const maxWhy = 300

// ErrMissing says that there is no such Secret, or nothing under its key.
var ErrMissing = errors.New("there is no such secret")

// Who is the name under which the API server knows the caller.
func Who(ctx context.Context, c client.Client) (string, error) {
	review := &authenticationv1.SelfSubjectReview{}
	if err := c.Create(ctx, review); err != nil {
		return "", fmt.Errorf("ask the API server who you are: %w", err)
	}
	return review.Status.UserInfo.Username, nil
}

// CheckWhy wants a reason that somebody can read a year later.
func CheckWhy(why string) error {
	switch text := strings.TrimSpace(why); {
	case text == "":
		return errors.New("say why; the reason is kept, such as \"ticket 4711, asked for by Ms Novak\"")
	case len(text) > maxWhy:
		return fmt.Errorf("the reason has %d bytes; %d at most", len(text), maxWhy)
	case strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return errors.New("the reason has a line break or another control character; write one line")
	}
	return nil
}

// Look reads a secret's status. The secret itself goes no further than here.
func Look(ctx context.Context, c client.Client, ref Reference) (Status, error) {
	held, err := read(ctx, c, ref)
	if err != nil {
		return Status{}, err
	}
	return StatusOf(held), nil
}

// Consume marks a secret as revealed and then returns it, so that it is returned
// once: to whoever's update the API server took. Everybody else gets *[Spent].
// The Event on the Tenant is tried before and written after; when only the latter
// fails, the secret comes together with the error, because it is spent by then
// and the annotations have the record.
func Consume(ctx context.Context, c client.Client, ref Reference, by Entry) ([]byte, error) {
	if err := CheckWhy(by.Why); err != nil {
		return nil, err
	}
	tenant, err := tenantOf(ctx, c, ref.Tenant)
	if err != nil {
		return nil, err
	}
	event := Event{Reason: v1alpha1.EventSecretRevealed, Action: "Reveal", Note: told("revealed", ref, by)}
	if err := event.Try(ctx, c, tenant, by.At); err != nil {
		return nil, err
	}
	for {
		held, err := read(ctx, c, ref)
		if err != nil {
			return nil, err
		}
		if status := StatusOf(held); status.State != Armed {
			return nil, &Spent{Reference: ref, Status: status}
		}
		if err := stillCounts(ctx, c, ref, held, by.At); err != nil {
			return nil, err
		}
		shown := held.Data[ref.Key]
		held.Annotations = revealed(held.Annotations, by)
		err = c.Update(ctx, held)
		if apierrors.IsConflict(err) {
			continue // somebody wrote in between: look again, at who and at what
		}
		if err != nil {
			return nil, fmt.Errorf("mark secret %s as revealed: %w", ref.Namespaced(), err)
		}
		return shown, event.Write(ctx, c, tenant, by.At)
	}
}

// Rearm lets the same secret be revealed once more. It says whether that changed
// anything: an armed secret stays as it is.
func Rearm(ctx context.Context, c client.Client, ref Reference, by Entry) (changed bool, err error) {
	if err := CheckWhy(by.Why); err != nil {
		return false, err
	}
	tenant, err := tenantOf(ctx, c, ref.Tenant)
	if err != nil {
		return false, err
	}
	event := Event{Reason: v1alpha1.EventSecretRearmed, Action: "Rearm", Note: told("re-armed", ref, by)}
	if err := event.Try(ctx, c, tenant, by.At); err != nil {
		return false, err
	}
	for {
		held, err := read(ctx, c, ref)
		if err != nil {
			return false, err
		}
		if err := stillCounts(ctx, c, ref, held, by.At); err != nil {
			return false, err
		}
		switch status := StatusOf(held); {
		case status.State == Armed:
			return false, nil
		case status.State == Foreign && !forPeople(ref.Name):
			return false, &Spent{Reference: ref, Status: status}
		}
		held.Annotations = rearmed(held.Annotations, by)
		err = c.Update(ctx, held)
		if apierrors.IsConflict(err) {
			continue
		}
		if err != nil {
			return false, fmt.Errorf("re-arm secret %s: %w", ref.Namespaced(), err)
		}
		return true, event.Write(ctx, c, tenant, by.At)
	}
}

// EntryFor is an entry in the caller's own name.
func EntryFor(ctx context.Context, c client.Client, why string, now time.Time) (Entry, error) {
	if err := CheckWhy(why); err != nil {
		return Entry{}, err
	}
	who, err := Who(ctx, c)
	return Entry{By: who, At: now, Why: strings.TrimSpace(why)}, err
}

func read(ctx context.Context, c client.Client, ref Reference) (*corev1.Secret, error) {
	held := &corev1.Secret{}
	err := c.Get(ctx, ref.Namespaced(), held)
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("%w: %s", ErrMissing, ref.Namespaced())
	}
	if err != nil {
		return nil, fmt.Errorf("get secret %s: %w", ref.Namespaced(), err)
	}
	if len(held.Data[ref.Key]) == 0 {
		return nil, fmt.Errorf("%w: %s has nothing under %q", ErrMissing, ref.Namespaced(), ref.Key)
	}
	return held, nil
}

// stillCounts refuses the secret of an enrollment token that has ended: whoever got
// it would carry to a customer what opens nothing.
func stillCounts(ctx context.Context, c client.Client, ref Reference, held *corev1.Secret, now time.Time) error {
	for _, owner := range held.OwnerReferences {
		if owner.Kind != "EnrollmentToken" {
			continue
		}
		token := &v1alpha1.EnrollmentToken{}
		err := c.Get(ctx, client.ObjectKey{Namespace: held.Namespace, Name: owner.Name}, token)
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("get the enrollment token of secret %s: %w", ref.Namespaced(), err)
		}
		if err != nil || token.UID != owner.UID {
			return &Ended{Reference: ref, Token: owner.Name, State: v1alpha1.TokenRevoked}
		}
		if state := token.Ended(now); state != "" {
			return &Ended{Reference: ref, Token: token.Name, State: state}
		}
	}
	return nil
}

func tenantOf(ctx context.Context, c client.Client, slug string) (*v1alpha1.Tenant, error) {
	tenant := &v1alpha1.Tenant{}
	if err := c.Get(ctx, client.ObjectKey{Name: slug}, tenant); err != nil {
		return nil, fmt.Errorf("get tenant %q: %w", slug, err)
	}
	return tenant, nil
}

func told(what string, ref Reference, by Entry) string {
	return fmt.Sprintf("secret %s was %s by %s: %s", ref.Name, what, by.By, by.Why)
}
