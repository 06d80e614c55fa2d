package plan

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// Cut is what is done about sessions that were there before a suspension. A closed
// Service keeps new connections out and leaves those that are open alone: packets
// of a known connection go on as before, in every kube-proxy there is.
type Cut string

const (
	// CutNothing: there is nothing to cut, or it is too early.
	CutNothing Cut = ""
	// CutAsk has the manager ask its agents to connect again, which they cannot.
	CutAsk Cut = "ask"
	// CutRestart restarts the manager, for connections that did not obey.
	CutRestart Cut = "restart"
)

// cut decides once the door is shut: who is sent away before comes back in.
func cut(in Input) Cut {
	if !in.Tenant.Spec.Suspended || in.Tenant.DeletionTimestamp != nil || !doorShut(in) || !apiAnswers(in.Observed.Manager) {
		return CutNothing
	}
	var seen v1alpha1.SuspensionStatus
	if held := in.Tenant.Status.Suspension; held != nil {
		seen = *held
	}
	switch {
	case seen.EndedAt != nil:
		return CutNothing
	case seen.AskedAt == nil:
		return CutAsk // whatever was counted: the number may be of before the last came in
	case noSession(in):
		return CutNothing
	case in.Tenant.Spec.Manager.Attach != nil, seen.RestartedAt != nil, !passed(in, seen.AskedAt):
		// An attached manager is not ours to restart.
		return CutNothing
	}
	return CutRestart
}

// doorShut is true when no new connection can come through: the Service leads
// nowhere.
func doorShut(in Input) bool { return in.Observed.Service.Exists && in.Observed.Service.Endpoints == 0 }

func apiAnswers(manager ManagerState) bool { return manager.Asked && manager.Error == "" }

func noSession(in Input) bool {
	return in.Observed.Manager.Sessions != nil && *in.Observed.Manager.Sessions == 0
}

func passed(in Input, since *metav1.Time) bool { return in.Now.Sub(since.Time) >= in.Drain }

// suspension is what is known of the sessions; nil for a tenant that is not
// suspended.
func suspension(in Input, out Outcome) *v1alpha1.SuspensionStatus {
	if !in.Tenant.Spec.Suspended {
		return nil
	}
	now := metav1.NewTime(in.Now)
	status := &v1alpha1.SuspensionStatus{Since: now}
	if held := in.Tenant.Status.Suspension; held != nil {
		status = held.DeepCopy()
	}
	status.By = in.Tenant.Annotations[naming.AnnotationSuspendedBy]
	status.Why = in.Tenant.Annotations[naming.AnnotationSuspendedWhy]
	if status.EndedAt == nil { // afterwards a health check may be counted, and means nothing
		status.Sessions = in.Observed.Manager.Sessions
	}
	switch out.Desired.Cut {
	case CutAsk:
		status.AskedAt = &now
	case CutRestart:
		status.RestartedAt = &now
	}
	if status.EndedAt == nil && status.AskedAt != nil && in.Now.Sub(status.AskedAt.Time) >= in.CountAge && doorShut(in) && noSession(in) {
		status.EndedAt = &now
	}
	return status
}

// sessionsText says what became of the sessions, and whether nothing more is to
// be done about them.
func sessionsText(in Input, status v1alpha1.SuspensionStatus) (text string, ended bool) {
	count := "the manager does not tell how many sessions it holds"
	if status.Sessions != nil {
		count = fmt.Sprintf("the manager holds %d sessions of before", *status.Sessions)
		if *status.Sessions == 1 {
			count = "the manager holds 1 session of before"
		}
	}
	switch {
	case status.EndedAt != nil:
		return "the manager was seen to hold no session at " + status.EndedAt.UTC().Format(time.RFC3339), true
	case !doorShut(in):
		return "the way in is being closed", false
	case !apiAnswers(in.Observed.Manager):
		return "sessions of before are not seen to be ended, because the manager's API does not answer", false
	case status.RestartedAt != nil:
		return count + "; it was restarted to end them", passed(in, status.RestartedAt)
	case status.AskedAt == nil:
		return count, false
	case in.Tenant.Spec.Manager.Attach != nil && passed(in, status.AskedAt):
		return count + "; its agents were asked to leave, and what did not obey ends when you restart the manager", true
	}
	return count + "; its agents were asked to leave", false
}
