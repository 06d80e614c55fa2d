package plan

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// RotationWork is what a rotation needs written now.
type RotationWork string

// What there can be to write.
const (
	RotationNothing RotationWork = ""
	// RotationSwap keeps the secret aside and writes a new one.
	RotationSwap RotationWork = "swap"
	// RotationForget removes the copy of the old secret, which was seen refused.
	RotationForget RotationWork = "forget"
)

// RotationDuty is the operator's part in a rotation in this turn.
type RotationDuty struct {
	Work RotationWork `json:"work,omitempty"`
	// ID marks the Secrets of this rotation, so that a turn that comes twice, or
	// after a crash, finds its own work.
	ID string `json:"id,omitempty"`
	// Taken is the request the new secret answers.
	Taken string `json:"taken,omitempty"`
}

// ProbeState is what the tenant's enrollment port said to the secrets of a rotation.
type ProbeState struct {
	// Asked is true when the port was asked.
	Asked bool `json:"asked,omitempty"`
	// Error is why there is no answer.
	Error string `json:"error,omitempty"`
	// New and Old are the port's answers: accepted, refused or open.
	New string `json:"new,omitempty"`
	Old string `json:"old,omitempty"`
	// Serial of the certificate that was served.
	Serial string `json:"serial,omitempty"`
}

const (
	defaultOverlap = 24 * time.Hour
	// rotationPatience is how long a step may take before it counts as stuck. The
	// kubelet needs up to two minutes to show a changed Secret.
	rotationPatience = 3 * time.Minute
	// requestSchedule is the request nobody made.
	requestSchedule = "schedule"
)

// rotation is the next state of the tenant's rotation, and what to write for it.
// It goes one step at a time, and on only when a step was seen to be done.
func rotation(in Input, place Placement) (*v1alpha1.RotationStatus, RotationDuty) {
	now := in.Tenant.Status.Rotation
	seen := in.Observed.Enrollment
	if now == nil || now.Step == v1alpha1.RotationDone {
		if seen.PreviousRotation != "" {
			return now, RotationDuty{Work: RotationForget}
		}
		return begin(in, place, now), RotationDuty{}
	}
	next := now.DeepCopy()
	next.Stuck = ""
	switch now.Step {
	case v1alpha1.RotationGenerate:
		if id := rotationID(now); seen.Rotation != id {
			return next, RotationDuty{Work: RotationSwap, ID: id, Taken: in.Tenant.Annotations[naming.AnnotationRotate]}
		}
		next.Step = v1alpha1.RotationAccept
	case v1alpha1.RotationAccept:
		if next.Stuck = notAccepted(in, place); next.Stuck == "" {
			next.Step = v1alpha1.RotationRefuse
			if now.OverlapUntil != nil && in.Now.Before(now.OverlapUntil.Time) {
				next.Step = v1alpha1.RotationOverlap
			}
		}
	case v1alpha1.RotationOverlap:
		if now.OverlapUntil == nil || !in.Now.Before(now.OverlapUntil.Time) {
			next.Step = v1alpha1.RotationRefuse
		}
	case v1alpha1.RotationRefuse:
		if seen.PreviousRotation == "" && rotationDue(in, place) != "" {
			return begin(in, place, now), RotationDuty{} // nothing is left to prove this one with
		}
		if next.Stuck = notRefused(in, place); next.Stuck == "" {
			next.Step = v1alpha1.RotationDone
			next.FinishedAt = &metav1.Time{Time: in.Now}
		}
	}
	return next, RotationDuty{}
}

// begin starts a rotation if one is due, and else leaves the last one's record.
func begin(in Input, place Placement, last *v1alpha1.RotationStatus) *v1alpha1.RotationStatus {
	request := rotationDue(in, place)
	started := in.Now.Truncate(time.Second)
	// Its start is a rotation's identity; two in one second would be one.
	if request == "" || rotationForeign(in, place) || last != nil && !started.After(last.StartedAt.Time) {
		return last
	}
	next := &v1alpha1.RotationStatus{Request: request, Step: v1alpha1.RotationGenerate, StartedAt: metav1.Time{Time: started}}
	if overlap := rotationOverlap(in, place, request); overlap > 0 {
		next.OverlapUntil = &metav1.Time{Time: started.Add(overlap)}
	}
	return next
}

// rotationDue is the request to take up, if any. A suspended tenant waits: with
// its way in closed nothing could be proven.
func rotationDue(in Input, place Placement) string {
	if !in.Observed.Secret.Exists || in.Tenant.Spec.Suspended || in.Tenant.DeletionTimestamp != nil {
		return ""
	}
	if asked := in.Tenant.Annotations[naming.AnnotationRotate]; asked != "" && asked != in.Observed.Enrollment.Taken {
		return asked
	}
	every := in.Tenant.Spec.Rotation.Every
	if every == nil {
		every = place.RegionSpec.Rotation.Every
	}
	since := in.Observed.Enrollment.Since
	if every != nil && every.Duration > 0 && !since.IsZero() && in.Now.Sub(since) >= every.Duration && !rotationForeign(in, place) {
		return requestSchedule
	}
	return ""
}

// rotationForeign: a secret somebody else wrote, or that a manager somebody else
// runs reads, is not ours to replace. Behind a gateway no manager reads it.
func rotationForeign(in Input, place Placement) bool {
	return in.Tenant.Spec.Manager.Attach != nil && !place.Gateway || in.Observed.Enrollment.Foreign
}

// rotationOverlap is how long the old secret still counts: what the request says,
// else the tenant, else the Region. authd knows one secret and has no overlap.
func rotationOverlap(in Input, place Placement, request string) time.Duration {
	if !place.Gateway {
		return 0
	}
	for word := range strings.FieldsSeq(request) {
		if text, ok := strings.CutPrefix(word, "overlap="); ok {
			if overlap, err := time.ParseDuration(text); err == nil && overlap >= 0 {
				return overlap
			}
		}
	}
	for _, overlap := range []*metav1.Duration{in.Tenant.Spec.Rotation.Overlap, place.RegionSpec.Rotation.Overlap} {
		if overlap != nil {
			return overlap.Duration
		}
	}
	return defaultOverlap
}

func rotationID(status *v1alpha1.RotationStatus) string {
	return status.StartedAt.UTC().Format(time.RFC3339)
}

// notAccepted says what keeps the new secret from being proven.
func notAccepted(in Input, place Placement) string {
	seen := in.Observed.Probe
	if place.Gateway {
		if hop := gatewayHop(in, place); !good(hop.status, hop.reason) {
			return hop.message
		}
	}
	switch {
	case !seen.Asked || seen.Error != "":
		return "the enrollment port was not asked for the new secret: " + cmp.Or(seen.Error, "it will be")
	case seen.New != answerAccepted:
		return "the enrollment port says to the new secret: " + seen.New
	}
	if have := in.Observed.Certificate; have != nil && have.Serial != "" && seen.Serial != have.Serial {
		return fmt.Sprintf("the enrollment port serves the certificate with serial %s, Secret %s holds %s", seen.Serial, place.TLSSecret, have.Serial)
	}
	return ""
}

// notRefused says what keeps the old secret's end from being proven.
func notRefused(in Input, place Placement) string {
	seen := in.Observed.Probe
	if place.Gateway {
		if hop := gatewayHop(in, place); !good(hop.status, hop.reason) {
			return hop.message
		}
	}
	switch {
	case in.Observed.Enrollment.PreviousRotation == "":
		return fmt.Sprintf("Secret %s is gone, so the old secret cannot be tried; put it back, or ask for another rotation by changing the annotation %s", naming.SecretEnrollmentPrevious, naming.AnnotationRotate)
	case !seen.Asked || seen.Error != "":
		return "the enrollment port was not asked for the old secret: " + cmp.Or(seen.Error, "it will be")
	case seen.Old != answerRefused:
		return "the enrollment port says to the old secret: " + seen.Old
	}
	return ""
}

// Answers of an enrollment port, as internal/probe has them.
const (
	answerAccepted = "accepted"
	answerRefused  = "refused"
)

// rotationHop tells how the last rotation went; ok is false when there is nothing
// to tell. Agents that are enrolled do not depend on it, so Ready does not either.
func rotationHop(in Input, status *v1alpha1.RotationStatus, place Placement) (told hop, ok bool) {
	condition := v1alpha1.ConditionSecretRotated
	if asked := rotationDue(in, place); asked != "" && rotationForeign(in, place) {
		return no(condition, v1alpha1.ReasonRotationNotOurs,
			fmt.Sprintf("Secret %s, or the manager that reads it, is somebody else's; replace the secret there, and remove the annotation %s", naming.SecretEnrollment, naming.AnnotationRotate)), true
	}
	if status == nil {
		return hop{}, false
	}
	if status.Step == v1alpha1.RotationDone {
		return hop{condition, isTrue, v1alpha1.ReasonOK, fmt.Sprintf(
			"the secret of %s was seen accepted and the one before it refused, on the wire", rotationID(status))}, true
	}
	text := map[v1alpha1.RotationStep]string{
		v1alpha1.RotationGenerate: "writing the new secret",
		v1alpha1.RotationAccept:   "waiting until the new secret is seen accepted",
		v1alpha1.RotationOverlap:  "the new secret was seen accepted; the old one counts as well",
		v1alpha1.RotationRefuse:   "waiting until the old secret is seen refused",
	}[status.Step]
	since := status.StartedAt.Time
	if status.OverlapUntil != nil && (status.Step == v1alpha1.RotationOverlap || status.Step == v1alpha1.RotationRefuse) {
		text += "; its time ends at " + status.OverlapUntil.UTC().Format(time.RFC3339)
		since = status.OverlapUntil.Time
	}
	if status.Stuck == "" {
		return no(condition, v1alpha1.ReasonRotating, text), true
	}
	text += "; " + status.Stuck
	if in.Now.Sub(since) > rotationPatience {
		return no(condition, v1alpha1.ReasonRotationStuck, text), true
	}
	return no(condition, v1alpha1.ReasonRotating, text), true
}

// RotationWaits is when to look again while a rotation is under way; ok is false
// when none is.
func RotationWaits(status v1alpha1.TenantStatus, now time.Time) (pause time.Duration, ok bool) {
	r := status.Rotation
	if r == nil || r.Step == v1alpha1.RotationDone {
		return 0, false
	}
	if r.Step == v1alpha1.RotationOverlap && r.OverlapUntil != nil {
		return max(r.OverlapUntil.Sub(now), rotationPause), true
	}
	return rotationPause, true
}

const rotationPause = 2 * time.Second
