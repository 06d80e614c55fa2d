package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
)

const (
	// keysReread is by when remoted has read client.keys again: every 10 s, and two
	// for the reading and for times that are stored in whole seconds. Until then a
	// cut session would come back.
	keysReread = 12 * time.Second
	// lastWord is how long an agent that is connected may be silent: three of its
	// keep-alives, after the keys were read.
	lastWord = keysReread + 65*time.Second
)

// RevocationInput is everything the next move of a revocation may depend on.
type RevocationInput struct {
	Revocation v1alpha1.Revocation `json:"revocation"`
	// Tenant is the slug of the tenant whose namespace it is in; empty for none.
	Tenant string `json:"tenant,omitempty"`
	Guard  Guard  `json:"guard"`
	// Manager is its version, such as v4.14.7; empty when it never told.
	Manager string `json:"manager,omitempty"`
	// Agent as the manager tells.
	Agent AgentSeen `json:"agent"`
	// Route of the tenant at the edges; nil where agents come in without one.
	Route *v1alpha1.Route `json:"route,omitempty"`
	// Turned is when the manager last refused a message of the id, since its
	// registration is gone; zero for never.
	Turned time.Time `json:"turned,omitzero"`
	// DeleteProblem is why the deletion that was tried just now failed.
	DeleteProblem string `json:"deleteProblem,omitempty"`
	// Refused are the times of the attempts to enroll that this revocation's ban
	// refused, whole seconds that are over.
	Refused []time.Time `json:"refused,omitempty"`
	Now     time.Time   `json:"now"`
}

// AgentSeen is what the manager says of the agent.
type AgentSeen struct {
	// Asked is true when it answered; Problem is why it did not.
	Asked   bool   `json:"asked,omitempty"`
	Problem string `json:"problem,omitempty"`
	// Name and Status of whoever has the id now; empty when nobody has.
	Name   string `json:"name,omitempty"`
	Status string `json:"status,omitempty"`
	// Version of the agent, such as v4.14.7; empty when it never said.
	Version string `json:"version,omitempty"`
	// KeyHash of that agent, and why it could not be read.
	KeyHash    string `json:"keyHash,omitempty"`
	KeyProblem string `json:"keyProblem,omitempty"`
	// Namesakes are other ids under the same name.
	Namesakes []string `json:"namesakes,omitempty"`
}

// RevocationMove is what to do next.
type RevocationMove struct {
	Status v1alpha1.RevocationStatus `json:"status"`
	// Delete the registration; then look and decide again.
	Delete bool `json:"delete,omitempty"`
	// Again is when to look again though nothing changed.
	Again time.Duration `json:"again,omitempty"`
}

// Revoke decides the next move. Each step is entered only when the one before it
// was seen to be done, so that it can be taken up again at any point. The status
// must be stored before its deletion is carried out: what was known of the agent
// is gone with its registration.
func Revoke(in RevocationInput) RevocationMove {
	r := &revoking{in: in, spec: in.Revocation.Spec, move: RevocationMove{Status: *in.Revocation.Status.DeepCopy()}}
	r.status = &r.move.Status
	r.status.Step = cmp.Or(r.status.Step, v1alpha1.RevocationDeny)
	r.count()
	switch {
	case in.Tenant == "":
		r.wait(v1alpha1.ReasonTenantNotFound, fmt.Sprintf("namespace %q belongs to no tenant, or to one that is being removed; a revocation counts in tenant-<slug> only", in.Revocation.Namespace), 0)
		return r.move
	case !in.Agent.Asked && r.status.Step != v1alpha1.RevocationDone:
		r.wait(v1alpha1.ReasonManagerUnreachable, "the manager cannot be asked about the agent: "+in.Agent.Problem, soon)
		return r.move
	}
	for _, step := range []func() (done bool){r.deny, r.deregister, r.cut} {
		if !step() {
			return r.move
		}
	}
	r.conclude()
	return r.move
}

// soon is the pause while somebody may be watching.
const soon = 2 * time.Second

type revoking struct {
	in     RevocationInput
	spec   v1alpha1.RevocationSpec
	status *v1alpha1.RevocationStatus
	move   RevocationMove
}

func (r *revoking) wait(reason, message string, again time.Duration) {
	r.move.Again = again
	setReady(&r.status.Conditions, isFalse, reason, message, r.in.Revocation.Generation, r.in.Now)
}

func (r *revoking) saw(format string, args ...any) {
	r.status.Evidence = append(r.status.Evidence, fmt.Sprintf(format, args...))
}

// who is the agent, in words.
func (r *revoking) who() string {
	return fmt.Sprintf("agent %s (%s)", r.spec.AgentID, r.spec.AgentName)
}

// registered is true while the id still belongs to the name.
func (r *revoking) registered() bool { return r.in.Agent.Name == r.spec.AgentName }

// count adds the refused attempts that are newer than the last one counted.
func (r *revoking) count() {
	last := timeOf(r.status.LastRefused)
	newest := last
	for _, at := range r.in.Refused {
		if !at.After(last) {
			continue
		}
		r.status.RefusedAttempts++
		if at.After(newest) {
			newest = at
		}
	}
	if newest.After(last) {
		r.status.LastRefused = &metav1.Time{Time: newest}
	}
}

// deny waits until the gateway refuses the host, by every mark that is known.
func (r *revoking) deny() bool {
	if r.status.Step != v1alpha1.RevocationDeny {
		return true
	}
	r.learn()
	switch guard := r.in.Guard; {
	case guard.Mode == v1alpha1.EnrollmentDirect:
		r.saw("Deny: enrollment is direct, and nothing in front of authd can refuse the host")
	case r.denied():
		r.saw("Deny: the gateway obeys policy %d, which refuses %s", guard.Obeyed, r.marks())
	default:
		r.wait(v1alpha1.ReasonWaitingForGateway, r.who()+" is still registered: it is removed once its host is refused, and "+guard.why(), soon)
		return false
	}
	r.status.Step = v1alpha1.RevocationDeregister
	return true
}

// learn keeps what is known of the agent while it is registered.
func (r *revoking) learn() {
	if r.status.AgentStatus != "" || !r.registered() {
		return
	}
	r.status.AgentStatus, r.status.AgentVersion = r.in.Agent.Status, r.in.Agent.Version
	if r.status.KeyHash = r.in.Agent.KeyHash; r.status.KeyHash == "" {
		r.saw("%s is registered, %s; its key could not be read (%s), so its host is not known under another name", r.who(), r.in.Agent.Status, r.in.Agent.KeyProblem)
		return
	}
	r.saw("%s is registered, %s; the hash of its key is known", r.who(), r.in.Agent.Status)
}

// denied is true when the policy in force has every ban of this revocation.
func (r *revoking) denied() bool {
	current := r.in.Guard.current()
	if current == nil {
		return false
	}
	now := r.in.Revocation
	now.Status = *r.status
	for _, want := range policyBans([]v1alpha1.Revocation{now}) {
		if !slices.Contains(current.Deny, want) {
			return false
		}
	}
	return true
}

// marks are those by which the host is refused.
func (r *revoking) marks() string {
	marks := []string{"the name"}
	if r.status.KeyHash != "" {
		marks = append(marks, "the former key under any name")
	}
	if len(r.spec.SourceCIDRs) > 0 {
		marks = append(marks, strings.Join(r.spec.SourceCIDRs, " and "))
	}
	return strings.Join(marks, ", ")
}

func (r *revoking) deregister() bool {
	if r.status.Step != v1alpha1.RevocationDeregister {
		return true
	}
	who := r.who()
	switch {
	case r.registered() && r.in.DeleteProblem != "":
		r.move.Delete = true
		r.wait(v1alpha1.ReasonRetrying, "the registration of "+who+" could not be deleted: "+r.in.DeleteProblem+"; it is tried again", soon)
		return false
	case r.registered():
		r.move.Delete = true
		r.wait(v1alpha1.ReasonRevoking, "the registration of "+who+" is being deleted", soon)
		return false
	case r.status.AgentStatus != "":
		r.saw("Deregister: the registration of %s is gone from the manager's list", who)
	case r.in.Agent.Name != "":
		r.saw("Deregister: id %s belongs to %s by now; it was not touched", r.spec.AgentID, r.in.Agent.Name)
	default:
		r.saw("Deregister: the manager does not know %s", who)
	}
	r.status.DeregisteredAt = &metav1.Time{Time: r.in.Now}
	r.status.Step = v1alpha1.RevocationCut
	return true
}

// cut waits until the session is over, as far as that can be seen.
func (r *revoking) cut() bool {
	if r.status.Step != v1alpha1.RevocationCut {
		return true
	}
	since := timeOf(r.status.DeregisteredAt)
	if r.status.AgentStatus == "" {
		r.saw("Cut: the manager knew of no session")
		r.status.Step = v1alpha1.RevocationDone
		return true
	}
	rest := since.Add(keysReread).Sub(r.in.Now)
	switch refusedFrom := since.Add(keysReread); {
	case r.status.CutAt != nil:
	case !r.in.Turned.IsZero(): // it has read them
		r.status.CutAt = &metav1.Time{Time: r.in.Turned}
	case rest > 0:
		r.wait(v1alpha1.ReasonRevoking, "the manager reads its keys again within 10 s; then the former key is refused", min(rest, soon))
		return false
	default:
		r.status.CutAt = &metav1.Time{Time: refusedFrom}
	}
	if r.in.Route != nil {
		return r.cutAtEdges()
	}
	switch {
	case !r.in.Turned.IsZero():
		r.saw("Cut: the manager refused a message of the former key at %s; it takes nothing of the agent any more", clock(r.in.Turned))
	case r.status.AgentStatus != activeStatus:
		r.saw("Cut: the manager had the agent as %s, so there was no session to end", r.status.AgentStatus)
	case r.in.Now.Sub(since) >= lastWord:
		r.saw("Cut: not observed. The manager refuses the former key since %s and %s; none came within %s, and without an edge nothing shows an idle session", clock(timeOf(r.status.CutAt)), r.nextMessage(), lastWord)
	default:
		r.wait(v1alpha1.ReasonRevoking, "the manager refuses the former key and "+r.nextMessage(), soon)
		return false
	}
	r.status.Step = v1alpha1.RevocationDone
	return true
}

// nextMessage is what becomes of the agent's next message. Wazuh 5 leaves the
// connection of an id it does not know open, and answers nothing there any more.
func (r *revoking) nextMessage() string {
	if majorOf(r.in.Manager) >= wazuh5 {
		return "drops the agent's next message"
	}
	return "ends the session at the agent's next message"
}

// activeStatus is what a manager calls an agent that is connected.
const activeStatus = "active"

// cutAtEdges waits for the edges that carry the tenant's route.
func (r *revoking) cutAtEdges() bool {
	asked := slices.ContainsFunc(r.in.Route.Spec.Cut, func(c v1alpha1.RouteCut) bool {
		return c.AgentID == r.spec.AgentID && !c.Before.Time.Before(timeOf(r.status.CutAt))
	})
	carried, behind := r.in.Route.CarriedBy()
	if !asked || len(carried) == 0 || len(behind) > 0 {
		why := "the edges are to end the agent's sessions"
		if asked && len(behind) > 0 {
			why += "; not done by " + edgeWords(behind)
		}
		r.wait(v1alpha1.ReasonWaitingForEdge, why, soon)
		return false
	}
	r.saw("Cut: %s ended every session of the agent that began before %s%s", edgeNames(carried), clock(timeOf(r.status.CutAt)), exceptions(*r.in.Route))
	r.status.Step = v1alpha1.RevocationDone
	return true
}

// conclude says how a revocation stands whose steps are done.
func (r *revoking) conclude() {
	generation, now, who := r.in.Revocation.Generation, r.in.Now, r.who()
	guarded := r.in.Guard.Mode != v1alpha1.EnrollmentDirect
	back := ""
	if len(r.in.Agent.Namesakes) > 0 {
		back = fmt.Sprintf("; an agent of the same name is registered as %s", strings.Join(r.in.Agent.Namesakes, ", "))
	}
	switch {
	case r.in.Agent.Asked && r.registered():
		r.saw("%s was registered once more, at %s at the latest", who, clock(now))
		r.status.Step, r.status.AgentStatus, r.status.AgentVersion, r.status.KeyHash = v1alpha1.RevocationDeny, "", "", ""
		r.status.DeregisteredAt, r.status.CutAt = nil, nil
		r.wait(v1alpha1.ReasonRevoking, who+" was registered once more", soon)
	case !guarded:
		r.wait(v1alpha1.ReasonNotGuarded, who+" is deregistered, but with enrollment direct nothing refuses its host: it enrolls again by itself, under a new id, with the secret it has"+back+
			"; set the tenant's spec.enrollment to gateway, or rotate the enrollment secret", 0)
	case r.in.Guard.Wazuh5 && !guardedVersion(r.status.AgentVersion):
		r.wait(v1alpha1.ReasonNotGuarded, who+" is deregistered, and its former key is refused on every port; but on port 1517, which is open, nothing keeps its host from enrolling again with an enrollment token of the manager's own"+back+
			"; revoke those tokens at the manager, or set the tenant's spec.wazuhIngress.wazuh5Agents to closed", 0)
	case back != "":
		r.wait(v1alpha1.ReasonNameStillRegistered, who+" is deregistered"+back+", from before the ban or added by hand; revoke that one too, by its id", 0)
	case r.in.Guard.answered() && !r.denied():
		r.wait(v1alpha1.ReasonWaitingForGateway, who+" is deregistered, and "+r.in.Guard.why(), soon)
	case !r.in.Guard.answered() && meta.FindStatusCondition(r.status.Conditions, v1alpha1.ConditionReady) != nil && r.settled():
		// The gateway keeps its policy on disk; that it cannot be asked now changes nothing.
	case r.status.AgentStatus == "" && r.in.Agent.Name != "":
		setReady(&r.status.Conditions, metav1.ConditionUnknown, v1alpha1.ReasonAgentUnknown, fmt.Sprintf("the host is refused, but the manager did not know %s: id %s belongs to %s, which was not touched", who, r.spec.AgentID, r.in.Agent.Name), generation, now)
	case r.status.AgentStatus == "":
		setReady(&r.status.Conditions, metav1.ConditionUnknown, v1alpha1.ReasonAgentUnknown, "the host is refused, but the manager did not know "+who+
			": it was deleted before, or it has a key and no row in the database, which the API can neither show nor delete; remove such a key on the manager with manage_agents -r "+r.spec.AgentID, generation, now)
	default:
		setReady(&r.status.Conditions, isTrue, v1alpha1.ReasonRevoked, who+" is deregistered and its host is refused for as long as this Revocation exists", generation, now)
	}
}

// guardedVersion is true for an agent that enrolls on 1515, where the gateway is.
func guardedVersion(version string) bool {
	major := majorOf(version)
	return major > 0 && major <= lastGuarded
}

// majorOf is the first number of a version, 0 where there is none.
func majorOf(version string) int {
	major, _, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	number, err := strconv.Atoi(major)
	if err != nil {
		return 0
	}
	return number
}

// settled is true when an earlier look came to a conclusion.
func (r *revoking) settled() bool {
	ready := meta.FindStatusCondition(r.status.Conditions, v1alpha1.ConditionReady)
	return ready.Reason == v1alpha1.ReasonRevoked || ready.Reason == v1alpha1.ReasonAgentUnknown
}

func timeOf(at *metav1.Time) time.Time {
	if at == nil {
		return time.Time{}
	}
	return at.Time
}
