package plan

import (
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// Outcome is how the attempt to reach Desired ended.
type Outcome struct {
	// Desired as decided; its zero value when Err is a *Problem.
	Desired Desired
	// Turn is what the tenant's pods may do now; nil when it did not come to that.
	Turn *Turn
	// Err is nil, a *[Problem] (a person must act), or anything else (retried).
	Err error
}

// Report turns an outcome and what was observed after it into the tenant's
// status. It starts from the status the tenant has, so that what a failed
// attempt did not look at stays as it was, and times change only with states.
func Report(in Input, out Outcome) v1alpha1.TenantStatus {
	status := *in.Tenant.Status.DeepCopy()
	status.ObservedGeneration = in.Tenant.Generation
	status.Namespace = naming.Namespace(in.Tenant.Name)
	var problem *Problem
	if errors.As(out.Err, &problem) {
		reportProblem(&status, in, problem)
		if out.Turn != nil && out.Turn.Reason != "" {
			reportUpdate(&status, in, out.Turn)
		}
		return status
	}
	if out.Desired.Placement.Slug != "" {
		reportFacts(&status, in, out.Desired)
		for _, hop := range hops(in, out.Desired.Placement) {
			set(&status, in, hop)
		}
		reportRotation(&status, in, out.Desired.Placement)
		reportUpdate(&status, in, out.Turn)
	}
	status.Suspension = suspension(in, out)
	reportSummary(&status, in, out)
	return status
}

func reportFacts(status *v1alpha1.TenantStatus, in Input, desired Desired) {
	place := desired.Placement
	status.Region = place.Region
	status.Mode = place.Mode
	status.Hostname = place.Hostname
	status.EdgePorts = place.EdgePorts
	status.Ports = place.Ports()
	status.PortSummary = portSummary(status.Ports)
	reportNames(status, in, place, desired.Names)
	status.AddressChange = addressChange(in, place)
	status.Address = currentAddress(in, place)
	status.Certificate = certificateStatus(in, place)
	status.Enrollment = enrollmentFacts(in, place)
	// Yesterday's number beside a manager that does not answer would be a lie.
	status.Agents = in.Observed.Manager.Agents
	reportVersions(status, in.Observed.Manager)
}

// reportVersions keeps the version a manager told last while it does not answer: that
// is still the one its pod runs, or is about to be told anew.
func reportVersions(status *v1alpha1.TenantStatus, seen ManagerState) {
	told := v1alpha1.ManagerStatus{Version: seen.Version, Gateway: seen.Gateway}
	if told.Version == "" && status.Manager != nil {
		told.Version = status.Manager.Version
	}
	if told != (v1alpha1.ManagerStatus{}) {
		status.Manager = &told
	}
}

func reportRotation(status *v1alpha1.TenantStatus, in Input, place Placement) {
	status.Rotation, _ = rotation(in, place)
	if hop, ok := rotationHop(in, status.Rotation, place); ok {
		set(status, in, hop)
	} else {
		meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionSecretRotated)
	}
}

// reportProblem leaves the hops alone: what runs still runs as it did, and the
// conditions of the last good spec still describe it.
func reportProblem(status *v1alpha1.TenantStatus, in Input, problem *Problem) {
	if problem.Reason == v1alpha1.ReasonHostnameTaken || problem.Reason == v1alpha1.ReasonPortTaken || problem.Reason == v1alpha1.ReasonPortsExhausted {
		set(status, in, no(v1alpha1.ConditionClaimsHeld, problem.Reason, problem.Error()))
	}
	set(status, in, no(v1alpha1.ConditionReady, problem.Reason, problem.Error()))
	if class(problem.Reason) == classWaiting {
		set(status, in, hop{v1alpha1.ConditionReconciling, isTrue, problem.Reason, problem.Error()})
		set(status, in, no(v1alpha1.ConditionStalled, v1alpha1.ReasonIdle, "nothing is stalled"))
		return
	}
	set(status, in, hop{v1alpha1.ConditionStalled, isTrue, problem.Reason, problem.Error()})
	set(status, in, no(v1alpha1.ConditionReconciling, v1alpha1.ReasonIdle, "waiting for the spec to be changed"))
}

func reportSummary(status *v1alpha1.TenantStatus, in Input, out Outcome) {
	first := firstBad(status)
	var ready, reconciling, stalled hop
	idle := no(v1alpha1.ConditionReconciling, v1alpha1.ReasonIdle, "nothing to do")
	notStalled := no(v1alpha1.ConditionStalled, v1alpha1.ReasonIdle, "nothing is stalled")
	switch {
	case in.Tenant.DeletionTimestamp != nil:
		text := offboardingText(in.Tenant.Status.Offboarding, out.Err)
		ready = no(v1alpha1.ConditionReady, v1alpha1.ReasonOffboarding, text)
		reconciling, stalled = hop{v1alpha1.ConditionReconciling, isTrue, v1alpha1.ReasonOffboarding, text}, notStalled
	case out.Err != nil:
		text := out.Err.Error()
		ready = no(v1alpha1.ConditionReady, v1alpha1.ReasonRetrying, text)
		reconciling, stalled = hop{v1alpha1.ConditionReconciling, isTrue, v1alpha1.ReasonRetrying, text}, notStalled
	case in.Tenant.Spec.Suspended:
		text := "spec.suspended is true: the way in is closed; address, name, certificate and keys are kept"
		sessions, ended := sessionsText(in, *status.Suspension)
		ready = no(v1alpha1.ConditionReady, v1alpha1.ReasonSuspended, text+"; "+sessions)
		reconciling, stalled = idle, notStalled
		if !ended {
			reconciling = hop{v1alpha1.ConditionReconciling, isTrue, v1alpha1.ReasonSuspended, sessions}
		}
	case first == nil:
		ready = hop{v1alpha1.ConditionReady, isTrue, v1alpha1.ReasonReady, readyText(status)}
		reconciling, stalled = idle, notStalled
	default:
		ready = no(v1alpha1.ConditionReady, first.Reason, first.Message)
		reconciling, stalled = hop{v1alpha1.ConditionReconciling, isTrue, v1alpha1.ReasonProgressing, "waiting for " + first.Type}, notStalled
		if class(first.Reason) == classInvalid {
			reconciling, stalled = idle, hop{v1alpha1.ConditionStalled, isTrue, first.Reason, first.Message}
		}
	}
	for _, hop := range []hop{ready, reconciling, stalled} {
		set(status, in, hop)
	}
}

func firstBad(status *v1alpha1.TenantStatus) *metav1.Condition {
	for _, name := range v1alpha1.HopConditions() {
		if condition := meta.FindStatusCondition(status.Conditions, name); condition != nil && !good(condition.Status, condition.Reason) {
			return condition
		}
	}
	return nil
}

func readyText(status *v1alpha1.TenantStatus) string {
	text := "agents come in at " + status.Hostname
	for _, port := range status.Ports {
		text += fmt.Sprintf(", %s on %d", port.Name, port.Port)
	}
	if guarded := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionEnrollmentGuarded); guarded != nil && guarded.Reason == v1alpha1.ReasonWazuh5Unguarded {
		text += "; agents of Wazuh 5 enroll unguarded"
	}
	return text
}

func offboardingText(offboarding *v1alpha1.OffboardingStatus, err error) string {
	text := "removing the tenant"
	if offboarding != nil {
		text = "removing the tenant: " + string(offboarding.Step)
	}
	if err != nil {
		text += ": " + err.Error()
	}
	return text
}

func portSummary(ports []v1alpha1.PortStatus) string {
	text := ""
	for i, port := range ports {
		if i > 0 {
			text += "/"
		}
		text += fmt.Sprint(port.Port)
	}
	return text
}

// set writes a condition; the moment of change moves only with the status. A
// reason that asks something of the reader comes with its page.
func set(status *v1alpha1.TenantStatus, in Input, hop hop) {
	message := hop.message
	page := v1alpha1.DocsURL(hop.reason)
	if class(hop.reason) != classFine && !strings.HasSuffix(message, page) {
		message += "; see " + page
	}
	meta.SetStatusCondition(&status.Conditions, metav1.Condition{
		Type: hop.condition, Status: hop.status, Reason: hop.reason, Message: message,
		ObservedGeneration: in.Tenant.Generation, LastTransitionTime: metav1.NewTime(in.Now),
	})
}
