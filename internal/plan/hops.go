package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// A hop is one of the things an agent depends on, judged.
type hop struct {
	condition string
	status    metav1.ConditionStatus
	reason    string
	message   string
}

const (
	isTrue  = metav1.ConditionTrue
	isFalse = metav1.ConditionFalse
)

// good is true for a part that agents can do with: one that is in place, and one
// that somebody asked not to have.
func good(is metav1.ConditionStatus, reason string) bool {
	return is == isTrue || reason == v1alpha1.ReasonWazuh5Unguarded
}

func ok(condition, message string) hop {
	return hop{condition, isTrue, v1alpha1.ReasonOK, message}
}

func no(condition, reason, message string) hop {
	return hop{condition, isFalse, reason, message}
}

// hops judges everything an agent depends on, in order of dependence.
func hops(in Input, place Placement) []hop {
	return append(hopsBeforeDNS(in, place), dnsHop(in, place))
}

func hopsBeforeDNS(in Input, place Placement) []hop {
	return []hop{
		claimsHop(in, place),
		secretHop(in),
		certificateHop(in, place),
		addressHop(in, place),
		managerHop(in, place),
		gatewayHop(in, place),
	}
}

func claimsHop(in Input, place Placement) hop {
	for _, claim := range wantedClaims(place) {
		if held := in.Observed.Claims[claim.Name]; held.Tenant != place.Slug || !held.QuarantinedUntil.IsZero() {
			return no(v1alpha1.ConditionClaimsHeld, v1alpha1.ReasonProgressing, fmt.Sprintf("claiming %s", claim.Name))
		}
	}
	message := fmt.Sprintf("%s belongs to this tenant", place.Hostname)
	if place.EdgePorts != nil {
		message = fmt.Sprintf("%s and edge ports %s belong to this tenant", place.Hostname, place.EdgePorts)
	}
	return ok(v1alpha1.ConditionClaimsHeld, message)
}

func secretHop(in Input) hop {
	name := naming.SecretEnrollment
	switch secret := in.Observed.Secret; {
	case !secret.Exists:
		return no(v1alpha1.ConditionSecretReady, v1alpha1.ReasonSecretMissing, fmt.Sprintf("Secret %s is not there yet", name))
	case secret.Problem != "":
		return no(v1alpha1.ConditionSecretReady, v1alpha1.ReasonSecretUnsound,
			fmt.Sprintf("Secret %s, key %s: %s; correct it, or delete the Secret and a new one is generated", name, naming.KeyEnrollment, secret.Problem))
	}
	return ok(v1alpha1.ConditionSecretReady, fmt.Sprintf("Secret %s holds a sound enrollment secret", name))
}

func managerHop(in Input, place Placement) hop {
	condition := v1alpha1.ConditionManagerReachable
	manager := in.Observed.Manager
	attached := in.Tenant.Spec.Manager.Attach
	switch {
	case manager.Pods == 0 && attached != nil:
		return no(condition, v1alpha1.ReasonManagerNotFound,
			fmt.Sprintf("no pod in namespace %s has the labels %s; correct spec.manager.attach.selector, or start the manager", place.Namespace, selectorText(attached.Selector)))
	case manager.Ready == 0:
		return no(condition, v1alpha1.ReasonWaitingForManager,
			fmt.Sprintf("%d of %d manager pods are ready%s; look with kubectl -n %s get pods", manager.Ready, manager.Pods, because(manager.Unready, in.Observed.PullSecrets), place.Namespace))
	case manager.Refused:
		return no(condition, v1alpha1.ReasonManagerRefusesCredentials,
			fmt.Sprintf("the manager's API rejects the user in Secret %s; put the API user's name and password there", apiCredentials(in.Tenant.Spec.Manager)))
	case manager.Error != "" || !manager.Asked:
		return no(condition, v1alpha1.ReasonManagerUnreachable, "the manager's API does not answer as it should: "+cmp.Or(manager.Error, "not asked yet"))
	}
	if in.Observed.Service.Endpoints == 0 && !in.Tenant.Spec.Suspended {
		return no(condition, v1alpha1.ReasonWaitingForManager,
			fmt.Sprintf("the manager's API answers, but Service %s leads to no ready pod yet; look with kubectl -n %s get endpointslices", naming.ServiceAgents, place.Namespace))
	}
	return ok(condition, "the manager's API answers, "+cmp.Or(manager.Version, "version unknown"))
}

// because says what keeps pods from running, as far as that is known.
func because(trouble string, more []string) string {
	if trouble != "" {
		more = append([]string{trouble}, more...)
	}
	if len(more) == 0 {
		return ""
	}
	return ": " + strings.Join(more, "; ")
}

func selectorText(selector map[string]string) string {
	var pairs []string
	for key, value := range selector {
		pairs = append(pairs, key+"="+value)
	}
	return strings.Join(sorted(pairs), ",")
}

func sameSet(a, b []string) bool { return slices.Equal(sorted(a), sorted(b)) }

func sorted(in []string) []string {
	out := slices.Clone(in)
	slices.Sort(out)
	return slices.Compact(out)
}
