package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/console/wire"
	"github.com/soctalk/soctalk-ingress/internal/desk"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// need is one right in Kubernetes.
type need struct {
	verb, group, resource, subresource, namespace, name string
}

func (n need) String() string {
	text := n.verb + " " + n.resource
	if n.group != "" {
		text += "." + n.group
	}
	if n.subresource != "" {
		text = n.verb + " " + n.resource + "/" + n.subresource
	}
	if n.name != "" {
		text += fmt.Sprintf(" %q", n.name)
	}
	if n.namespace != "" {
		text += " in namespace " + n.namespace
	}
	return text
}

func ours(verb, resource, namespace string) need {
	return need{verb: verb, group: v1alpha1.GroupVersion.Group, resource: resource, namespace: namespace}
}

func core(verb, resource, namespace, name string) need {
	return need{verb: verb, resource: resource, namespace: namespace, name: name}
}

// audit is the right to write down that a secret was shown.
func audit() need {
	return need{verb: "create", group: "events.k8s.io", resource: "events", namespace: metav1.NamespaceDefault}
}

// action is something to do, and what it takes.
type action struct {
	name  string
	needs []need
}

// generalActions are those that concern no tenant in particular.
func generalActions(system string) []action {
	return []action{
		{wire.ActionTenants, []need{ours("list", "tenants", "")}},
		{wire.ActionCreate, []need{ours("create", "tenants", ""), ours("list", "regions", "")}},
		{wire.ActionRegions, []need{ours("list", "regions", "")}},
		{wire.ActionReports, []need{
			ours("get", "offboardingreports", ""), ours("list", "offboardingreports", ""),
			core("get", "configmaps", system, naming.ReportKey),
		}},
	}
}

// tenantActions are those on one tenant; secrets are the names of its Secrets.
func tenantActions(slug string, secrets desk.Secrets) []action {
	ns := naming.Namespace(slug)
	look := ours("get", "tenants", "")
	see := []need{look, core("list", "pods", ns, ""), {verb: "create", resource: "pods", subresource: "portforward", namespace: ns}}
	for _, name := range secrets.Manager {
		see = append(see, core("get", "secrets", ns, name))
	}
	change := []need{look, ours("patch", "tenants", "")}
	sheet := []need{look, ours("list", "regions", "")}
	if secrets.Sheet != "" {
		sheet = append(sheet, core("get", "secrets", ns, secrets.Sheet))
	}
	secret := core("get", "secrets", ns, naming.SecretEnrollment)
	with := func(needs []need, more ...need) []need { return append(append([]need{}, needs...), more...) }
	return []action{
		{wire.ActionTenant, []need{look}},
		{wire.ActionSuspend, change},
		{wire.ActionOffboard, with(change, ours("delete", "tenants", ""))},
		{wire.ActionEvents, []need{{verb: "list", group: "events.k8s.io", resource: "events", namespace: metav1.NamespaceDefault}}},
		{wire.ActionAgents, see},
		{wire.ActionRevoke, with(see, ours("create", "revocations", ns))},
		{wire.ActionRevocations, []need{look, ours("list", "revocations", ns)}},
		{wire.ActionUnrevoke, []need{ours("get", "revocations", ns), ours("delete", "revocations", ns)}},
		{wire.ActionSecret, []need{look, secret}},
		{wire.ActionReveal, []need{look, secret, core("update", "secrets", ns, naming.SecretEnrollment), audit()}},
		{wire.ActionRotate, change},
		{wire.ActionTokens, []need{look, ours("list", "enrollmenttokens", ns)}},
		{wire.ActionTokenMake, []need{look, ours("list", "enrollmenttokens", ns), ours("create", "enrollmenttokens", ns)}},
		{wire.ActionTokenRevoke, []need{ours("get", "enrollmenttokens", ns), ours("patch", "enrollmenttokens", ns)}},
		{wire.ActionTokenDelete, []need{ours("get", "enrollmenttokens", ns), ours("delete", "enrollmenttokens", ns)}},
		// Their Secrets have names of their own: the right for all in the namespace is asked for.
		{wire.ActionTokenReveal, []need{look, ours("get", "enrollmenttokens", ns), core("get", "secrets", ns, ""), core("update", "secrets", ns, ""), audit()}},
		{wire.ActionHandovers, []need{look, ours("list", "handovers", ns)}},
		{wire.ActionHandoverMake, with(sheet, ours("create", "handovers", ns), audit())},
		{wire.ActionHandoverEnd, []need{look, ours("get", "handovers", ns), ours("update", "handovers", ns), audit()}},
		{wire.ActionOnboarding, sheet},
	}
}

// rightsKept is how long an answer of the API server is believed. Whether something
// may be done it decides anew each time; this is only for what is shown.
const rightsKept = 30 * time.Second

// knownRights are answers of a moment ago.
type knownRights struct {
	rights wire.Rights
	at     time.Time
}

func (c *Console) rights(w http.ResponseWriter, r *http.Request, one *visit) error {
	return c.giveRights(w, r, one, "", func() ([]action, error) { return generalActions(c.options.System), nil })
}

func (c *Console) tenantRights(w http.ResponseWriter, r *http.Request, one *visit) error {
	slug := r.PathValue("slug")
	return c.giveRights(w, r, one, slug, func() ([]action, error) {
		// Who may not see the tenant, or the Regions, is told of the usual names.
		tenant, unseen := one.desk.Tenant(r.Context(), slug)
		regions, unlisted := one.desk.Regions(r.Context())
		if apierrors.IsUnauthorized(unseen) || apierrors.IsUnauthorized(unlisted) {
			return nil, errors.Join(unseen, unlisted)
		}
		return tenantActions(slug, desk.SecretsOf(tenant, regions)), nil
	})
}

func (c *Console) giveRights(w http.ResponseWriter, r *http.Request, one *visit, scope string, actionsOf func() ([]action, error)) error {
	now := c.options.Now()
	one.mu.Lock()
	known, ok := one.rights[scope]
	one.mu.Unlock()
	if ok && now.Sub(known.at) < rightsKept {
		return give(w, known.rights)
	}
	actions, err := actionsOf()
	if err != nil {
		return err
	}
	rights, err := one.ask(r.Context(), actions)
	if err != nil {
		return err
	}
	one.mu.Lock()
	if len(one.rights) > maxRosters {
		clear(one.rights)
	}
	one.rights[scope] = knownRights{rights, now}
	one.mu.Unlock()
	return give(w, rights)
}

// askAtOnce is how many rights are asked for at the same time.
const askAtOnce = 8

// ask asks the API server once for each different right.
func (one *visit) ask(ctx context.Context, actions []action) (wire.Rights, error) {
	var needs []need
	seen := map[need]int{}
	for _, action := range actions {
		for _, n := range action.needs {
			if _, asked := seen[n]; !asked {
				seen[n] = len(needs)
				needs = append(needs, n)
			}
		}
	}
	allowed, failed := make([]bool, len(needs)), make([]error, len(needs))
	var running sync.WaitGroup
	slots := make(chan struct{}, askAtOnce)
	for i, n := range needs {
		running.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			allowed[i], failed[i] = one.may(ctx, n)
		})
	}
	running.Wait()
	rights := wire.Rights{Rights: []wire.Right{}}
	for _, action := range actions {
		right := wire.Right{Action: action.name, Allowed: true}
		for _, n := range action.needs {
			if !allowed[seen[n]] {
				right.Allowed, right.Missing = false, append(right.Missing, n.String())
			}
		}
		rights.Rights = append(rights.Rights, right)
	}
	return rights, errors.Join(failed...)
}

func (one *visit) may(ctx context.Context, n need) (bool, error) {
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb: n.verb, Group: n.group, Resource: n.resource, Subresource: n.subresource, Namespace: n.namespace, Name: n.name,
		},
	}}
	if err := one.desk.Create(ctx, review); err != nil {
		return false, fmt.Errorf("ask what you may do: %w", err)
	}
	return review.Status.Allowed, nil
}
