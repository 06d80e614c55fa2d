package controller

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/gateway/admin"
	"github.com/soctalk/soctalk-ingress/internal/gateway/policy"
	"github.com/soctalk/soctalk-ingress/internal/gatewayapi"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/plan"
)

// gateways keeps one admin client for each tenant, and with it the connection.
type gateways struct {
	dial func(ctx context.Context, network, address string) (net.Conn, error)

	mu      sync.Mutex
	clients map[string]gatewayClient
	// refused is what a gateway last said of a policy it would not take.
	refused map[string]string
}

type gatewayClient struct {
	// version changes with the Secret the client was made from.
	version string
	client  *admin.Client
	hangUp  func()
}

func newGateways(dial func(ctx context.Context, network, address string) (net.Conn, error)) *gateways {
	return &gateways{dial: dial, clients: map[string]gatewayClient{}, refused: map[string]string{}}
}

// gateway returns the client of a tenant's gateway.
func (r *Reconciler) gateway(ctx context.Context, slug string) (*admin.Client, error) {
	held, err := r.readSecret(ctx, naming.Namespace(slug), naming.SecretGatewayAdmin)
	if err != nil {
		return nil, err
	}
	g := r.gateways
	g.mu.Lock()
	defer g.mu.Unlock()
	have, ok := g.clients[slug]
	if ok && have.version == secretVersion(held) {
		return have.client, nil
	}
	client, hangUp, err := gatewayapi.Open(gatewayapi.Options{Slug: slug, Admin: secretData(held), Dial: g.dial, Timeout: apiTimeout})
	if err != nil {
		return nil, err
	}
	if ok {
		have.hangUp()
	}
	g.clients[slug] = gatewayClient{version: secretVersion(held), client: client, hangUp: hangUp}
	return client, nil
}

// remember keeps what became of a push, for the next look at the gateway.
func (g *gateways) remember(slug string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.refused, slug)
	var refused *admin.Refused
	if errors.As(err, &refused) {
		g.refused[slug] = refused.Why
	}
}

func (g *gateways) refusal(slug string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.refused[slug]
}

func (g *gateways) forget(slug string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.refused, slug)
	if have, ok := g.clients[slug]; ok {
		have.hangUp()
		delete(g.clients, slug)
	}
}

// observeGateway asks the gateway what it obeys.
func (r *Reconciler) observeGateway(ctx context.Context, slug string) plan.GatewayState {
	seen := plan.GatewayState{Asked: true}
	client, err := r.gateway(ctx, slug)
	if err != nil {
		seen.Error = words(err)
		return seen
	}
	state, err := client.State(ctx)
	if err != nil {
		seen.Error = words(err)
		return seen
	}
	seen.Generation, seen.Policy = state.Policy.Generation, state.Policy.Fingerprint
	seen.PolicyProblem = cmp.Or(state.Policy.Problem, r.gateways.refusal(slug))
	seen.ManagerUp, seen.ManagerProblem = state.Manager.Up, state.Manager.Problem
	seen.Serial, seen.CertificateProblem = state.Certificate.Serial, state.Certificate.Problem
	return seen
}

// applyPolicy makes a policy count: it is written first, so that a gateway that
// starts in this moment finds it, and pushed then, since the kubelet shows a
// changed Secret only after a minute. A gateway that obeys it already is left alone.
func (r *Reconciler) applyPolicy(ctx context.Context, place plan.Placement, want *policy.Policy, seen plan.GatewayState) error {
	if want == nil {
		return nil
	}
	if err := r.writePolicy(ctx, place, want); err != nil {
		return err
	}
	if !seen.Asked || seen.Error != "" || seen.Policy == want.Fingerprint() {
		return nil
	}
	err := r.pushPolicy(ctx, place.Slug, want)
	var outdated *admin.Outdated
	switch {
	case errors.As(err, &outdated):
		return errConflict // it went further meanwhile; the next turn sees how far
	case err != nil:
		// EnrollmentGuarded says so, and the next turn tries again.
		ctrl.LoggerFrom(ctx).Error(err, "push the policy", "tenant", place.Slug, "generation", want.Generation)
	}
	return nil
}

// pushPolicy returns when the policy counts: no enrollment that was judged by an
// older one is on its way to the manager any more.
func (r *Reconciler) pushPolicy(ctx context.Context, slug string, want *policy.Policy) error {
	client, err := r.gateway(ctx, slug)
	if err != nil {
		return err
	}
	_, err = client.PutPolicy(ctx, want)
	r.gateways.remember(slug, err)
	if err != nil {
		return err
	}
	r.writes.Add(1) // what was seen before no longer holds
	return nil
}

// writePolicy keeps the Secret the gateway mounts equal to what it is to obey.
func (r *Reconciler) writePolicy(ctx context.Context, place plan.Placement, want *policy.Policy) error {
	text, err := json.Marshal(want)
	if err != nil {
		return fmt.Errorf("encode the policy of tenant %q: %w", place.Slug, err)
	}
	data := map[string][]byte{naming.KeyGatewayPolicy: text}
	held, err := r.readSecret(ctx, place.Namespace, naming.SecretGatewayPolicy)
	if err != nil {
		return err
	}
	if held == nil {
		return r.ensureOnce(ctx, place, naming.SecretGatewayPolicy, func() (map[string][]byte, error) { return data, nil })
	}
	if sameData(held.Data, data) {
		return nil
	}
	held.Data = data
	return r.updateSecret(ctx, held)
}

// shutGateway tells the gateway of a tenant that is being removed to let nobody in,
// and is done when it obeys. It changes the policy that is stored instead of making
// one, because a tenant is removed whatever its spec says.
func (r *Reconciler) shutGateway(ctx context.Context, tenant *v1alpha1.Tenant, place plan.Placement) (sight, error) {
	if mode := tenant.Status.Enrollment; mode == nil || mode.Mode != v1alpha1.EnrollmentGateway {
		return finished("there is no gateway")
	}
	stored, err := r.storedPolicy(ctx, place.Namespace)
	if err != nil {
		return sight{}, err
	}
	seen := r.observeGateway(ctx, place.Slug)
	if stored == nil || !stored.Suspended || stored.Previous != nil || seen.Error == "" && seen.Policy != stored.Fingerprint() {
		shut := &policy.Policy{Generation: 1, Suspended: true}
		if stored != nil {
			*shut = *stored
			shut.Suspended, shut.Previous = true, nil
			shut.Generation = max(stored.Generation, seen.Generation) + 1
		}
		if err := r.applyPolicy(ctx, place, shut, seen); err != nil {
			return sight{}, err
		}
		stored, seen = shut, r.observeGateway(ctx, place.Slug)
	}
	switch {
	case seen.Error != "":
		return waitingForTheirs("the gateway cannot be told to let nobody in: %s; %s", seen.Error, wayAround(tenant))
	case seen.Policy != stored.Fingerprint():
		return waitingForTheirs("the gateway has not taken the policy over that lets nobody in; %s", wayAround(tenant))
	}
	return finished("the gateway lets nobody in")
}
