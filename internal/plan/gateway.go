package plan

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/gateway/policy"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// GatewayState is what a tenant's gateway says of itself.
type GatewayState struct {
	// Asked is true when its admin port was called.
	Asked bool `json:"asked,omitempty"`
	// Error of the call, in words; empty when it succeeded.
	Error string `json:"error,omitempty"`
	// Missing says which Secrets its pod waits for, where it is a pod of its own.
	Missing []string `json:"missing,omitempty"`
	// Pod is that pod, and Node where it runs.
	Pod  string `json:"pod,omitempty"`
	Node string `json:"node,omitempty"`
	// Generation of the policy it obeys, and the policy's fingerprint.
	Generation int64  `json:"generation,omitempty"`
	Policy     string `json:"policy,omitempty"`
	// PolicyProblem says why it lets nobody in by the policy it has, or does not take
	// the one it was shown.
	PolicyProblem string `json:"policyProblem,omitempty"`
	// ManagerUp is true when authd took the internal password last time.
	ManagerUp bool `json:"managerUp,omitempty"`
	// ManagerProblem says why not.
	ManagerProblem string `json:"managerProblem,omitempty"`
	// Serial of the certificate it serves, hexadecimal.
	Serial string `json:"serial,omitempty"`
	// CertificateProblem says why it does not serve a newer one.
	CertificateProblem string `json:"certificateProblem,omitempty"`
}

// enrollmentMode is who answers on the tenant's enrollment port: the tenant's
// choice, else the Region's, else the gateway wherever we run the manager.
func enrollmentMode(tenant v1alpha1.Tenant, region v1alpha1.RegionSpec) v1alpha1.EnrollmentMode {
	if tenant.Spec.Manager.Attach != nil {
		// The Region's choice is for managers the operator deploys.
		return cmp.Or(tenant.Spec.Enrollment, v1alpha1.EnrollmentDirect)
	}
	return cmp.Or(tenant.Spec.Enrollment, region.Enrollment, v1alpha1.EnrollmentGateway)
}

// checkEnrollment: in front of somebody else's manager our gateway needs what it
// cannot make itself, authd's password and what to hold its certificate against.
func checkEnrollment(tenant v1alpha1.Tenant) error {
	attach := tenant.Spec.Manager.Attach
	if attach == nil || tenant.Spec.Enrollment != v1alpha1.EnrollmentGateway {
		return nil
	}
	for _, needed := range []struct{ field, name, holds string }{
		{"enrollmentPasswordSecret", attach.EnrollmentPasswordSecret, "the password the manager's authd asks for, under " + naming.KeyEnrollment},
		{"enrollmentCASecret", attach.EnrollmentCASecret, "authd's certificate, or the authority that signed it, under " + naming.KeyTLSCA},
	} {
		field := "spec.manager.attach." + needed.field
		switch needed.name {
		case "":
			return invalid(field, "", fmt.Sprintf("with enrollment: gateway, name the Secret in namespace %s that holds %s; or use enrollment: direct", naming.Namespace(tenant.Name), needed.holds))
		case naming.SecretEnrollment, naming.SecretEnrollmentPrevious:
			return invalid(field, needed.name, "this is the Secret agents are given, and it is replaced when it is rotated; give authd a password of its own in another Secret")
		}
	}
	return nil
}

// gatewayProxy says from whom a gateway believes a PROXY header: from the Region's
// edges, which send one. Edges that are pods have addresses nobody can name; there
// the NetworkPolicy alone says who gets to the port. The operator's own probes
// carry no header, hence optional.
func gatewayProxy(place Placement) policy.Proxy {
	if place.Mode != v1alpha1.ModeEdgeHAProxy || !place.Gateway || place.RegionSpec.Edge == nil {
		return policy.Proxy{}
	}
	trusted := prefixes(place.RegionSpec.Edge.SourceCIDRs)
	if len(trusted) == 0 {
		trusted = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
	}
	return policy.Proxy{Mode: policy.ProxyOptional, Trusted: trusted}
}

// wantedPolicy is what the tenant's gateway is to obey; nil in mode direct, and
// until there is a secret to accept.
func wantedPolicy(in Input, place Placement) *policy.Policy {
	if !place.Gateway || in.Observed.Enrollment.Secret.IsZero() {
		return nil
	}
	return gatewayPolicy(in, gatewayProxy(place), gatewayLimits(place))
}

// gatewayLimits are the gateway's own, except where the nodes' addresses have taken
// the place of the agents': limits by source would let one agent shut out all.
func gatewayLimits(place Placement) policy.Limits {
	if sourcesHidden(place) {
		return policy.SourcesHidden()
	}
	return policy.Limits{}
}

// sourcesHidden is true where the cluster's network, by the Region's choice, puts a
// node's address in the place of the agent's.
func sourcesHidden(place Placement) bool {
	return place.Mode == v1alpha1.ModeLoadBalancer &&
		corev1.ServiceExternalTrafficPolicy(place.RegionSpec.LoadBalancer.ExternalTrafficPolicy) == corev1.ServiceExternalTrafficPolicyCluster
}

// gatewayHop judges who answers where agents enroll.
func gatewayHop(in Input, place Placement) hop {
	judged := enrollmentPortHop(in, place)
	switch {
	case judged.status != isTrue || place.Major < wazuh5:
	case place.Agents >= wazuh5 && place.Gateway:
		return no(judged.condition, v1alpha1.ReasonWazuh5Unguarded, judged.message+
			"; but port 1517 is open, as spec.wazuhIngress.wazuh5Agents asks: agents of Wazuh 5 enroll there at the manager itself, past tokens, deny list and limits")
	case place.Agents >= wazuh5:
		judged.message += "; agents of Wazuh 5 enroll on port 1517, at the manager too"
	default:
		judged.message += "; port 1517 is closed, so agents of Wazuh 5 do not come in"
	}
	return judged
}

// wazuh5 is the version whose agents enroll elsewhere.
const wazuh5 = 5

// LetsInWazuh5 is true when a tenant's status says that port 1517 is open.
func LetsInWazuh5(status v1alpha1.TenantStatus) bool {
	return slices.ContainsFunc(status.Ports, func(port v1alpha1.PortStatus) bool { return port.Name == naming.PortHTTPS })
}

func enrollmentPortHop(in Input, place Placement) hop {
	condition := v1alpha1.ConditionEnrollmentGuarded
	if !place.Gateway {
		return hop{condition, isTrue, v1alpha1.ReasonEnrollmentDirect, "the manager's authd itself answers on the enrollment port: one secret, no tokens, no deny list, no limits"}
	}
	seen := in.Observed.Gateway
	switch {
	case len(seen.Missing) > 0:
		return no(condition, v1alpha1.ReasonGatewayUnreachable, "the gateway's pod cannot start: "+strings.Join(seen.Missing, "; "))
	case !seen.Asked:
		if place.Alone {
			return no(condition, v1alpha1.ReasonGatewayUnreachable, "the gateway is asked once the manager has a pod")
		}
		return no(condition, v1alpha1.ReasonGatewayUnreachable, "the gateway starts with the manager's pod")
	case seen.Error != "":
		return no(condition, v1alpha1.ReasonGatewayUnreachable,
			fmt.Sprintf("the gateway's admin port does not answer as it should: %s; look with kubectl -n %s logs %s", seen.Error, place.Namespace, gatewayPod(in.Tenant)))
	}
	if behind := policyBehind(in, place); behind != "" {
		return no(condition, v1alpha1.ReasonPolicyBehind, behind)
	}
	if place.Alone && in.Observed.Service.Found > 0 && !in.Tenant.Spec.Suspended {
		return no(condition, v1alpha1.ReasonGatewayBypassed,
			fmt.Sprintf("the gateway answers, but the enrollment port still leads past it to authd as well; look with kubectl -n %s get endpointslices", place.Namespace))
	}
	if !seen.ManagerUp {
		return no(condition, v1alpha1.ReasonManagerRefusesGateway, "authd does not serve the gateway: "+cmp.Or(seen.ManagerProblem, "not asked yet"))
	}
	message := fmt.Sprintf("the gateway answers on the enrollment port and obeys policy %d", seen.Generation)
	if full := crowded(in); full != "" {
		return hop{condition, isTrue, v1alpha1.ReasonTokensNearLimit, message + "; " + full}
	}
	return ok(condition, message)
}

// strayGateway is the gateway's pod when it is not where the manager is. Kubernetes
// places it beside the manager once, when it is made, and leaves it where it is when
// the manager moves. Where nodes serve only their own pods, its node then has agents
// come to it for events it cannot take, so its endpoint is left out, and nobody
// enrolls: it must be made anew. Elsewhere the way from node to node is there.
func strayGateway(in Input, place Placement) string {
	seen, nodes := in.Observed.Gateway, in.Observed.Manager.Nodes
	local := corev1.ServiceExternalTrafficPolicy(in.Observed.Service.TrafficPolicy) == corev1.ServiceExternalTrafficPolicyLocal
	if !place.Alone || !local || seen.Node == "" || len(nodes) == 0 || slices.Contains(nodes, seen.Node) {
		return ""
	}
	return seen.Pod
}

// gatewayPod is what kubectl logs is to be asked for.
func gatewayPod(tenant v1alpha1.Tenant) string {
	if tenant.Spec.Manager.Attach != nil {
		return "deploy/" + naming.ServiceGateway
	}
	return naming.Manager + "-0 -c gateway"
}

// policyBehind says how the policy in force is not the wanted one; empty when it is.
func policyBehind(in Input, place Placement) string {
	want := wantedPolicy(in, place)
	if want == nil {
		return "there is no enrollment secret to tell the gateway of"
	}
	seen := in.Observed.Gateway
	switch {
	case seen.Policy == want.Fingerprint():
		return ""
	case seen.PolicyProblem != "":
		return fmt.Sprintf("the gateway does not take policy %d over: %s", want.Generation, seen.PolicyProblem)
	}
	return fmt.Sprintf("the gateway obeys policy %d, policy %d is on its way", seen.Generation, want.Generation)
}

// enrollmentFacts are what status.enrollment tells.
func enrollmentFacts(in Input, place Placement) *v1alpha1.EnrollmentStatus {
	facts := &v1alpha1.EnrollmentStatus{Mode: v1alpha1.EnrollmentDirect}
	if since := in.Observed.Enrollment.Since; !since.IsZero() {
		facts.SecretSince = &metav1.Time{Time: since}
	}
	if !place.Gateway {
		return facts
	}
	facts.Mode = v1alpha1.EnrollmentGateway
	facts.PolicyGeneration = in.Observed.Gateway.Generation
	for _, t := range in.Observed.Enrollment.Tokens {
		if !t.Digest.IsZero() && t.Token.Ended(in.Now) == "" {
			facts.Tokens++
		}
	}
	denied := map[string]bool{}
	for _, ban := range policyBans(in.Observed.Enrollment.Revocations) {
		denied[ban.ID] = true
	}
	facts.Denied = int32(len(denied))
	return facts
}

// gatewayValues are the chart's values of the container: the operator's own image
// unless it was started by hand.
func gatewayValues(in Input, place Placement) map[string]any {
	name, digest, _ := strings.Cut(in.Operator.GatewayImage, "@")
	repository, tag := name, ""
	if colon := strings.LastIndexByte(name, ':'); colon > strings.LastIndexByte(name, '/') {
		repository, tag = name[:colon], name[colon+1:]
	}
	out := map[string]any{"image": map[string]any{"repository": repository, "tag": tag, "digest": digest}}
	if in.Operator.MetricsNamespace != "" {
		out["metrics"] = map[string]any{"namespace": in.Operator.MetricsNamespace}
	}
	if place.Alone {
		out["storage"] = map[string]any{"className": place.RegionSpec.Manager.StorageClass}
		out["endpoints"] = endpointsAreOurs(in)
	}
	return out
}
