// Package reveal shows a secret once. A Secret is armed or revealed; who wants
// to see it must first turn armed into revealed, with name, time and reason, in
// an update that carries the resourceVersion that was read. The API server lets
// one of many such updates through, so one of many callers sees the secret.
//
// This is a procedure with an audit and not a wall: whoever may get Secrets in
// the tenant's namespace can read this one without it. RBAC is the wall.
//
// Start with [Consume]. [Arm] is for those who write a new secret.
package reveal

import (
	"fmt"
	"maps"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// Reference says which secret is meant.
type Reference struct {
	// Tenant it belongs to, by slug; its namespace follows from that.
	Tenant string
	// Name of the Secret, and Key within it.
	Name, Key string
}

// Enrollment is a tenant's enrollment secret.
func Enrollment(slug string) Reference {
	return Reference{Tenant: slug, Name: naming.SecretEnrollment, Key: naming.KeyEnrollment}
}

// Namespaced is the Secret's place in the cluster.
func (r Reference) Namespaced() types.NamespacedName {
	return types.NamespacedName{Namespace: naming.Namespace(r.Tenant), Name: r.Name}
}

// Entry is who did something, when, and why.
type Entry struct {
	By  string    `json:"by"`
	At  time.Time `json:"at"`
	Why string    `json:"why"`
}

// State of a secret.
type State string

const (
	// Armed: it can be revealed, once.
	Armed State = naming.RevealArmed
	// Revealed: it was; the next time needs a new secret, or a re-arm.
	Revealed State = naming.RevealDone
	// Foreign: somebody else wrote it, and so has it already.
	Foreign State = "foreign"
)

// Status is what is known about a secret, without the secret.
type Status struct {
	State State `json:"state"`
	// Since is when the secret was made.
	Since time.Time `json:"since"`
	// Revealed and Rearmed are the last of their kind since then.
	Revealed *Entry `json:"revealed,omitempty"`
	Rearmed  *Entry `json:"rearmed,omitempty"`
}

// StatusOf reads a Secret's annotations. One without them that this product
// generated is armed: it was never shown by this procedure, and an operator that
// wrote secrets before the procedure existed must not have locked them. Only what
// agents are given counts so; a private key we generated is not there to be shown.
func StatusOf(held *corev1.Secret) Status {
	notes := held.Annotations
	status := Status{
		Since:    held.CreationTimestamp.UTC(),
		Revealed: entry(notes, naming.AnnotationRevealedBy, naming.AnnotationRevealedAt, naming.AnnotationRevealedWhy),
		Rearmed:  entry(notes, naming.AnnotationRearmedBy, naming.AnnotationRearmedAt, naming.AnnotationRearmedWhy),
	}
	if since, err := time.Parse(time.RFC3339, notes[naming.AnnotationSecretSince]); err == nil {
		status.Since = since
	}
	ours := held.Labels[naming.LabelManagedBy] == naming.Product && forPeople(held.Name)
	switch stated, there := notes[naming.AnnotationRevealState]; {
	case stated == naming.RevealArmed, !there && ours:
		status.State = Armed
	case there: // revealed, or a word nobody wrote on purpose: the safe reading
		status.State = Revealed
	default:
		status.State = Foreign
	}
	return status
}

// forPeople is true for the secrets agents are given: the tenant's, and tokens'.
func forPeople(name string) bool {
	return name == naming.SecretEnrollment || strings.HasPrefix(name, naming.TokenSecret(""))
}

// Arm returns the annotations of a Secret whose content was just made anew:
// those given, armed, and without what was said of the content before. The map
// that is given stays as it is.
func Arm(annotations map[string]string, now time.Time) map[string]string {
	out := cleared(annotations)
	out[naming.AnnotationRevealState] = naming.RevealArmed
	out[naming.AnnotationSecretSince] = stamp(now)
	return out
}

// revealed are the annotations after a reveal.
func revealed(annotations map[string]string, by Entry) map[string]string {
	out := maps.Clone(annotations)
	if out == nil {
		out = map[string]string{}
	}
	out[naming.AnnotationRevealState] = naming.RevealDone
	out[naming.AnnotationRevealedBy], out[naming.AnnotationRevealedAt], out[naming.AnnotationRevealedWhy] = by.By, stamp(by.At), by.Why
	return out
}

// rearmed keep who saw the secret, because it is still the same one.
func rearmed(annotations map[string]string, by Entry) map[string]string {
	out := maps.Clone(annotations)
	if out == nil {
		out = map[string]string{}
	}
	out[naming.AnnotationRevealState] = naming.RevealArmed
	out[naming.AnnotationRearmedBy], out[naming.AnnotationRearmedAt], out[naming.AnnotationRearmedWhy] = by.By, stamp(by.At), by.Why
	return out
}

func cleared(annotations map[string]string) map[string]string {
	out := maps.Clone(annotations)
	if out == nil {
		out = map[string]string{}
	}
	for _, name := range []string{
		naming.AnnotationRevealedBy, naming.AnnotationRevealedAt, naming.AnnotationRevealedWhy,
		naming.AnnotationRearmedBy, naming.AnnotationRearmedAt, naming.AnnotationRearmedWhy,
	} {
		delete(out, name)
	}
	return out
}

func entry(notes map[string]string, by, at, why string) *Entry {
	when, err := time.Parse(time.RFC3339, notes[at])
	if notes[by] == "" && err != nil {
		return nil
	}
	return &Entry{By: notes[by], At: when, Why: notes[why]}
}

// stamp is how times stand in annotations.
func stamp(at time.Time) string { return at.UTC().Format(time.RFC3339) }

// Spent says that a secret cannot be revealed now, and why.
type Spent struct {
	Reference Reference
	Status    Status
}

// Error names who saw the secret.
func (s *Spent) Error() string {
	what := fmt.Sprintf("secret %s of tenant %q", s.Reference.Name, s.Reference.Tenant)
	switch last := s.Status.Revealed; {
	case s.Status.State == Foreign && !forPeople(s.Reference.Name):
		return what + " is not there to be shown"
	case s.Status.State == Foreign:
		return what + " was not made by the operator, so whoever wrote it has it"
	case last == nil:
		return what + " is marked as revealed"
	default:
		return fmt.Sprintf("%s was revealed to %s at %s (%s)", what, last.By, stamp(last.At), last.Why)
	}
}

// Ended says that a secret is an enrollment token's that lets nobody in any more.
type Ended struct {
	Reference Reference
	Token     string
	State     v1alpha1.TokenState
}

// Error names the token and how it ended.
func (e *Ended) Error() string {
	how := map[v1alpha1.TokenState]string{
		v1alpha1.TokenRevoked: "was revoked or deleted", v1alpha1.TokenExpired: "has expired", v1alpha1.TokenUsedUp: "is used up",
	}[e.State]
	return fmt.Sprintf("enrollment token %q of tenant %q %s; its secret lets nobody in, and stays unrevealed", e.Token, e.Reference.Tenant, how)
}
