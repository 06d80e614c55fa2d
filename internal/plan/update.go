package plan

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// A new version of the operator, or of a Region's manager, changes the pods of every
// tenant, and each restart sends a customer's agents away for a minute. So tenants
// take turns: whose pods are to be restarted takes one of a few seats, which are
// Claims, and gives it up when its pods serve again. While somebody in a seat does not
// get ready, nobody takes another one.

// Updates say how tenants take turns.
type Updates struct {
	// AtATime is how many seats there are; 0 lets everybody go at once.
	AtATime int `json:"atATime,omitempty"`
	// Patience is how long restarted pods have to serve again.
	Patience time.Duration `json:"patience,omitempty"`
}

// UpdateInput is everything a tenant's turn depends on.
type UpdateInput struct {
	// Tenant and its namespace.
	Slug      string  `json:"slug"`
	Namespace string  `json:"namespace"`
	Rules     Updates `json:"rules"`
	// Differs is true when what is to be written would restart the pods.
	Differs bool `json:"differs,omitempty"`
	// Own is true when the tenant's own spec asks for that.
	Own bool `json:"own,omitempty"`
	// Refused is the object, and what the API server says of it, if it would refuse the
	// write: then nobody knows whether that would restart the pods.
	Refused string `json:"refused,omitempty"`
	// Problem says why the tenant's spec is not carried out at all.
	Problem string `json:"problem,omitempty"`
	// Version is what operator and Region want to run.
	Version string `json:"version,omitempty"`
	// Settled is true when the pods are those of the last change, and ready.
	Settled bool `json:"settled,omitempty"`
	// Serving is true while at least one pod is ready.
	Serving bool `json:"serving,omitempty"`
	// Trouble says why a container does not run, in the kubelet's words.
	Trouble string `json:"trouble,omitempty"`
	// Unwell says what else is wrong since the pods were restarted.
	Unwell string `json:"unwell,omitempty"`
	// Told is true when the tenant has condition UpToDate, and Waits when that says that
	// it waits for its turn.
	Told  bool `json:"told,omitempty"`
	Waits bool `json:"waits,omitempty"`
	// Seats that are taken, by anybody.
	Seats []Seat    `json:"seats,omitempty"`
	Now   time.Time `json:"now"`
}

// Seat is a seat somebody has taken.
type Seat struct {
	Name   string    `json:"name"`
	Tenant string    `json:"tenant"`
	Since  time.Time `json:"since"`
	// Failed is true when the tenant's pods did not get ready.
	Failed bool `json:"failed,omitempty"`
	// For is the version it was taken for.
	For string `json:"for,omitempty"`
}

// Turn is what a tenant may do now.
type Turn struct {
	// Write is true when the pods may be changed.
	Write bool `json:"write,omitempty"`
	// Take is the seat to take before.
	Take string `json:"take,omitempty"`
	// Leave are the seats to give up.
	Leave []string `json:"leave,omitempty"`
	// Note is true when the pods are left as they are and are to carry what the tenant
	// asks for now: what it asks for later is then told from it.
	Note bool `json:"note,omitempty"`
	// Reason is what condition UpToDate tells, and Message in which words; empty when
	// there is nothing to tell but that all is as it should be.
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
}

// NextTurn decides whether a tenant's pods may be changed now.
func NextTurn(in UpdateInput) Turn {
	own := seatOf(in)
	switch {
	case in.Problem != "":
		return aside(in, own)
	case in.Refused != "":
		return refused(in, own)
	case in.Differs && (in.Own || in.Rules.AtATime == 0):
		// A person waits for it, or nobody is to wait for anybody.
		return Turn{Write: true, Reason: v1alpha1.ReasonUpdating, Message: "the pods are being restarted as the spec asks"}
	case own != nil:
		return seated(in, *own)
	case in.Differs:
		turn := atTheDoor(in)
		turn.Note = !turn.Write
		return turn
	case !in.Settled && in.Told:
		return Turn{Write: true, Reason: v1alpha1.ReasonUpdating, Message: "the pods are being replaced: " + cmp.Or(in.Trouble, notReady)}
	}
	return Turn{Write: true}
}

const notReady = "the new pod is not ready yet"

func seatOf(in UpdateInput) *Seat {
	for i, seat := range in.Seats {
		if seat.Tenant == in.Slug {
			return &in.Seats[i]
		}
	}
	return nil
}

func seatsOf(in UpdateInput) []string {
	var names []string
	for _, seat := range in.Seats {
		if seat.Tenant == in.Slug {
			names = append(names, seat.Name)
		}
	}
	return names
}

// refused leaves pods alone that the API server does not let be changed, and with them
// what they mount. Who asked for the change is who can take it back.
func refused(in UpdateInput, own *Seat) Turn {
	who := "a version of the operator or of the Region's manager asks for it, and not this tenant's spec: take that version back"
	if in.Own {
		who = "this tenant's own spec asks for it: take that back"
	}
	who += ", or delete the object by hand if it may be made anew"
	turn := Turn{}
	if own != nil {
		turn = seated(in, *own)
		turn.Write = false
	}
	text := "the pods are left as they are, because the API server refuses the change: " + shortened(in.Refused) + "; " + who
	if turn.Reason == "" {
		turn.Reason, turn.Message = v1alpha1.ReasonObjectRejected, text
	} else {
		turn.Message += "; " + text
	}
	return turn
}

// aside is the turn of a tenant whose spec is not carried out, so that its pods cannot
// be changed, nor healed. Its seat is given up where that is safe: the pods serve, or
// the version they were restarted for is wanted no more, so that their trouble says
// nothing of the one that is. Else the restart goes on or has failed like any other:
// the version may be at fault, and a wrong spec must not let it reach everybody.
func aside(in UpdateInput, own *Seat) Turn {
	repair := "its spec is not carried out, so nothing of it is changed until that is repaired: " + in.Problem
	switch {
	case own == nil && !in.Waits:
		return Turn{}
	case own == nil, in.Settled:
		return Turn{Leave: seatsOf(in), Reason: v1alpha1.ReasonUpdateHeldBack, Message: "the tenant takes no turns: " + repair}
	case own.For != "" && in.Version != "" && own.For != in.Version:
		return Turn{Leave: seatsOf(in), Reason: v1alpha1.ReasonUpdateHeldBack, Message: fmt.Sprintf(
			"the pods were restarted for a version that is wanted no more, and do not serve: %s; %s", cmp.Or(in.Trouble, notReady), repair)}
	}
	turn := seated(in, *own)
	turn.Write, turn.Message = false, turn.Message+"; "+repair
	return turn
}

// seated goes on with a tenant that has a seat. It may change its pods again: that is
// how a bad version is taken back.
func seated(in UpdateInput, seat Seat) Turn {
	if !in.Differs && in.Settled && in.Unwell == "" {
		return Turn{Write: true, Leave: seatsOf(in)}
	}
	waits := cmp.Or(in.Trouble, in.Unwell, notReady)
	late := in.Rules.Patience > 0 && in.Now.Sub(seat.Since) > in.Rules.Patience
	if in.Trouble == "" && !late {
		return Turn{Write: true, Reason: v1alpha1.ReasonUpdating, Message: fmt.Sprintf("the pods are being restarted for a new version since %s: %s", clock(seat.Since), waits)}
	}
	return Turn{Write: true, Reason: v1alpha1.ReasonUpdateFailed, Message: fmt.Sprintf(
		"the pods were restarted for a new version at %s and do not serve since: %s; no other tenant is updated meanwhile; look with kubectl -n %s get pods, and go on without this tenant with kubectl delete claim %s",
		clock(seat.Since), waits, in.Namespace, seat.Name)}
}

// atTheDoor lets a tenant have a free seat, or says for whom it waits.
func atTheDoor(in UpdateInput) Turn {
	for _, seat := range in.Seats {
		if seat.Failed {
			return Turn{Reason: v1alpha1.ReasonUpdateWaiting, Message: fmt.Sprintf(
				"a new version waits, because the update of tenant %s failed; its condition %s says why, and kubectl delete claim %s goes on without it",
				seat.Tenant, v1alpha1.ConditionUpToDate, seat.Name)}
		}
	}
	if !in.Serving {
		// Its agents are out already, and it may be the new version that helps.
		return Turn{Write: true, Reason: v1alpha1.ReasonUpdating, Message: "the pods are being replaced for a new version out of turn, for none of them was ready"}
	}
	taken := map[string]bool{}
	for _, seat := range in.Seats {
		taken[seat.Name] = true
	}
	for number := 1; number <= in.Rules.AtATime; number++ {
		if seat := naming.UpdateSeat(number); !taken[seat] {
			return Turn{Write: true, Take: seat, Reason: v1alpha1.ReasonUpdating, Message: fmt.Sprintf(
				"the pods are being restarted for a new version since %s: %s", clock(in.Now), notReady)}
		}
	}
	for _, seat := range in.Seats {
		if in.Rules.Patience > 0 && in.Now.Sub(seat.Since) > in.Rules.Patience {
			return Turn{Reason: v1alpha1.ReasonUpdateWaiting, Message: fmt.Sprintf(
				"a new version waits for tenant %s, whose update has been going on since %s; its conditions say why, and kubectl delete claim %s goes on without it",
				seat.Tenant, clock(seat.Since), seat.Name)}
		}
	}
	return Turn{Reason: v1alpha1.ReasonUpdateWaiting, Message: "a new version waits until " + whoRides(in.Seats) + " serves again"}
}

func whoRides(seats []Seat) string {
	var names []string
	for _, seat := range seats {
		names = append(names, seat.Tenant)
	}
	slices.Sort(names)
	text := "tenant " + names[0]
	for _, name := range names[1:] {
		text += " or " + name
	}
	return text
}

// Unwell says what a restart of the pods broke: a manager or a gateway that does not
// serve and did before. What was wrong before it is not the new version's fault, and
// must not hold everybody up.
func Unwell(in Input, place Placement, since time.Time) string {
	for _, now := range []hop{managerHop(in, place), gatewayHop(in, place)} {
		before := meta.FindStatusCondition(in.Tenant.Status.Conditions, now.condition)
		old := before != nil && before.Status != isTrue && before.LastTransitionTime.Time.Before(since.Truncate(time.Second))
		if now.status != isTrue && class(now.reason) != classFine && !old {
			return now.message
		}
	}
	return ""
}

// reportUpdate tells how far the pods are behind. A tenant that never waited has no
// such condition.
func reportUpdate(status *v1alpha1.TenantStatus, in Input, turn *Turn) {
	had := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionUpToDate)
	switch {
	case turn == nil:
	case turn.Reason != "":
		set(status, in, no(v1alpha1.ConditionUpToDate, turn.Reason, turn.Message))
	case had != nil:
		set(status, in, ok(v1alpha1.ConditionUpToDate, "the pods run what they are to run"))
	}
}

// Version is what operator and Region want to run, as a seat that is taken for it says:
// the images that the tenants' own specs leave open, and the chart they come with.
func Version(operator Operator, chart string, region v1alpha1.RegionSpec) string {
	return fmt.Sprintf("enrollment %s, gateway %s, manager %s %s, chart %s", cmp.Or(region.Enrollment, v1alpha1.EnrollmentGateway), cmp.Or(operator.GatewayImage, "by default"),
		cmp.Or(region.Manager.Image, "by default"), cmp.Or(region.Manager.Version, "by default"), chart)
}

// UpdateFailed is true of a tenant whose pods did not get ready after a restart for a
// new version.
func UpdateFailed(tenant v1alpha1.Tenant) bool { return updateIs(tenant, v1alpha1.ReasonUpdateFailed) }

// UpdateWaits is true of a tenant that waits for its turn.
func UpdateWaits(tenant v1alpha1.Tenant) bool { return updateIs(tenant, v1alpha1.ReasonUpdateWaiting) }

func updateIs(tenant v1alpha1.Tenant, reason string) bool {
	told := meta.FindStatusCondition(tenant.Status.Conditions, v1alpha1.ConditionUpToDate)
	return told != nil && told.Status == metav1.ConditionFalse && told.Reason == reason
}
