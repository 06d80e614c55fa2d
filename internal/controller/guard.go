package controller

import (
	"context"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/gateway/admin"
	"github.com/soctalk/soctalk-ingress/internal/gateway/policy"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/plan"
)

// tenantIn returns the tenant a namespace belongs to; nil when it is no tenant's,
// or the tenant is on its way out.
func (r *Reconciler) tenantIn(ctx context.Context, namespace string) (*v1alpha1.Tenant, error) {
	slug := naming.SlugOf(namespace)
	if naming.Namespace(slug) != namespace {
		return nil, nil
	}
	var tenant v1alpha1.Tenant
	err := r.cached.Get(ctx, types.NamespacedName{Name: slug}, &tenant)
	if apierrors.IsNotFound(err) || err == nil && tenant.DeletionTimestamp != nil {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read tenant %q: %w", slug, err)
	}
	return &tenant, nil
}

// guard is what a tenant's gateway obeys, for tokens and revocations. A gateway
// that does not answer is a state of things and no error.
func (r *Reconciler) guard(ctx context.Context, tenant v1alpha1.Tenant) (plan.Guard, error) {
	guard := plan.Guard{Wazuh5: plan.LetsInWazuh5(tenant.Status)}
	if tenant.Status.Enrollment != nil {
		guard.Mode = tenant.Status.Enrollment.Mode
	}
	if guard.Mode != v1alpha1.EnrollmentGateway {
		return guard, nil
	}
	stored, err := r.readSecret(ctx, naming.Namespace(tenant.Name), naming.SecretGatewayPolicy)
	if err != nil {
		return guard, err
	}
	if stored != nil {
		if guard.Stored, err = policy.Parse(stored.Data[naming.KeyGatewayPolicy]); err != nil {
			guard.Problem = fmt.Sprintf("Secret %s cannot be read: %v", naming.SecretGatewayPolicy, err)
			return guard, nil
		}
	}
	state, err := r.gatewayState(ctx, tenant)
	if err != nil {
		guard.Problem = words(err)
		return guard, nil
	}
	guard.Obeyed = state.Policy.Generation
	guard.Uses = map[string]int{}
	for _, token := range state.Policy.Tokens {
		guard.Uses[token.Name] = token.Uses
	}
	return guard, nil
}

func (r *Reconciler) gatewayState(ctx context.Context, tenant v1alpha1.Tenant) (admin.State, error) {
	client, err := r.gateway(ctx, tenant.Name)
	if err != nil {
		return admin.State{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	return client.State(ctx)
}

// refusals remembers, for each tenant, which bans refused whom and when, as far as
// the gateway's enrollment log goes back. What is forgotten here, because the
// operator starts anew, is read again; statuses count by time and not by line.
type refusals struct {
	mu      sync.Mutex
	tenants map[string]*tenantRefusals
}

type tenantRefusals struct {
	mu       sync.Mutex
	instance string // of the gateway that wrote the log
	next     uint64
	byBan    map[string][]time.Time
}

// keptRefusals bounds what one ban may have remembered between two looks.
const keptRefusals = 10_000

func newRefusals() *refusals { return &refusals{tenants: map[string]*tenantRefusals{}} }

func (f *refusals) of(slug string) *tenantRefusals {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.tenants[slug] == nil {
		f.tenants[slug] = &tenantRefusals{byBan: map[string][]time.Time{}}
	}
	return f.tenants[slug]
}

func (f *refusals) forget(slug string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.tenants, slug)
}

// read takes in what is new in the log.
func (t *tenantRefusals) read(ctx context.Context, client *admin.Client) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		page, err := client.Enrollments(ctx, t.next)
		if err != nil {
			return err
		}
		if page.Instance != t.instance {
			again := t.instance != "" || t.next != 0
			t.instance, t.next = page.Instance, 0
			if again {
				continue // a new gateway counts from one again
			}
		}
		for _, record := range page.Records {
			if record.Ban != "" && len(t.byBan[record.Ban]) < keptRefusals {
				t.byBan[record.Ban] = append(t.byBan[record.Ban], record.Time)
			}
		}
		t.next = page.Next
		if len(page.Records) == 0 {
			return nil
		}
	}
}

// settle is how long a second must be over before its attempts are counted: the
// status keeps whole seconds, and the clocks are two.
const settle = 2 * time.Second

// take returns the attempts a ban refused after a time, up to the last second that
// is over, and forgets those before.
func (t *tenantRefusals) take(ban string, after, now time.Time) []time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	var kept, due []time.Time
	for _, at := range t.byBan[ban] {
		second := at.Truncate(time.Second)
		if !second.After(after) {
			continue
		}
		kept = append(kept, at)
		if second.Before(now.Add(-settle).Truncate(time.Second)) {
			due = append(due, second)
		}
	}
	t.byBan[ban] = kept
	if len(kept) == 0 {
		delete(t.byBan, ban)
	}
	return due
}
