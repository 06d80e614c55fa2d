package demo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/lab"
)

const domain = "soc.mssp.example.com"

// patience bounds every wait of the story; when all is well, waits take a second.
const patience = 60 * time.Second

// story is what happens, in order.
type story struct {
	lab     *lab.Lab
	tell    *teller
	options Options
	agents  []*agent
	edge    *lab.Edge
	giver   giver
	issuer  *issuer
	// registry holds the names.
	registry *registry
}

func (s *story) run(ctx context.Context) error {
	for _, chapter := range []func(context.Context) error{
		s.onboarding, s.handover, s.enrollment, s.separation, s.refusals, s.rotation, s.revocation, s.sharing, s.summary, s.departure,
	} {
		if err := chapter(ctx); err != nil {
			return err
		}
	}
	return nil
}

// becomes waits for a condition to be true and returns its message.
func (s *story) becomes(ctx context.Context, slug, condition string) (string, error) {
	var message string
	err := lab.Until(ctx, patience, fmt.Sprintf("tenant %s: %s", slug, condition), func(ctx context.Context) (bool, error) {
		found, err := s.condition(ctx, slug, condition)
		if err != nil {
			return false, err
		}
		message = found.Message
		if found.Status != metav1.ConditionTrue {
			return false, errors.New(found.Message)
		}
		return true, nil
	})
	return message, err
}

func (s *story) condition(ctx context.Context, slug, name string) (metav1.Condition, error) {
	var tenant v1alpha1.Tenant
	if err := s.lab.Client.Get(ctx, types.NamespacedName{Name: slug}, &tenant); err != nil {
		return metav1.Condition{}, err
	}
	found := meta.FindStatusCondition(tenant.Status.Conditions, name)
	if found == nil {
		return metav1.Condition{}, errors.New("not reported yet")
	}
	return *found, nil
}

// enrollment: two agents each get a key, connect, and send an event.
func (s *story) enrollment(ctx context.Context) error {
	s.tell.chapter("Their agents enroll and send events")
	for _, slug := range []string{"acme", "beta"} {
		d, err := s.doorOf(ctx, slug)
		if err != nil {
			return err
		}
		for _, host := range []string{"web-01", "db-01"} {
			name := slug + "-" + host
			if err := s.arrives(ctx, name, d, fmt.Sprintf("Agent %s enrolls and connects", name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// arrives starts an agent that gets a key, connects, and sends its event.
func (s *story) arrives(ctx context.Context, name string, d door, told string) error {
	return s.tell.step(told, func() (string, error) {
		a, err := s.startAgent(ctx, name, d, "--event", canary(name))
		if err != nil {
			return "", err
		}
		key, err := a.reach(ctx, "enrolled")
		if err != nil {
			return "", err
		}
		_, err = a.reach(ctx, "connected")
		return fmt.Sprintf("id %s at its own manager, through %s: a key at port %d, events at %d", key.ID, d.host, d.enrollment, d.events), err
	})
}

// separation: each event is where it belongs, and only there.
func (s *story) separation(ctx context.Context) error {
	s.tell.chapter("Each lands with its own tenant")
	for _, pair := range [][2]string{{"acme", "beta"}, {"beta", "acme"}} {
		own, other := pair[0], pair[1]
		name := own + "-web-01"
		if err := s.tell.step(fmt.Sprintf("The event of %s is found at %s, and not at %s", name, own, other), func() (string, error) {
			var found alert
			err := lab.Until(ctx, patience, "the event in "+own+"'s alerts", func(ctx context.Context) (bool, error) {
				hits, err := s.search(ctx, own, marker(name))
				if len(hits) > 0 {
					found = hits[0]
				}
				return len(hits) > 0, err
			})
			if err != nil {
				return "", err
			}
			stray, err := s.search(ctx, other, marker(name))
			if err != nil {
				return "", err
			}
			if len(stray) > 0 {
				return "", fmt.Errorf("found %d times at %s", len(stray), other)
			}
			return fmt.Sprintf("rule %s, agent %s; %s: 0 hits", found.Rule.ID, found.Agent.Name, other), nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// refusals: every wrong door stays shut, and wrong specs change nothing.
func (s *story) refusals(ctx context.Context) error {
	s.tell.chapter("And nobody else's")
	for _, pair := range [][2]string{{"acme", "beta"}, {"beta", "acme"}} {
		if err := s.tell.step(fmt.Sprintf("%s's address with %s's secret is refused", pair[0], pair[1]), func() (string, error) {
			return s.wrongSecret(ctx, pair[0], pair[1])
		}); err != nil {
			return err
		}
	}
	if err := s.tell.step("A Tenant with nonsense in its spec is refused at the door", func() (string, error) {
		return s.badTenant(ctx)
	}); err != nil {
		return err
	}
	return s.tell.step("A Tenant that wants acme's name is told, and changes nothing", func() (string, error) {
		return s.takenHostname(ctx)
	})
}

func (s *story) wrongSecret(ctx context.Context, at, with string) (string, error) {
	d, err := s.doorOf(ctx, at)
	if err != nil {
		return "", err
	}
	stranger, err := s.doorOf(ctx, with)
	if err != nil {
		return "", err
	}
	d.secretFile = stranger.secretFile
	a, err := s.startAgent(ctx, "intruder", d, "--once")
	if err != nil {
		return "", err
	}
	defer a.stop()
	refused, err := a.reach(ctx, "refused")
	if err != nil {
		return "", err
	}
	if !strings.Contains(refused.Reason, "Invalid password") {
		return "", fmt.Errorf("refused for another reason: %s", refused.Reason)
	}
	return "manager: " + refused.Reason, nil
}

func (s *story) badTenant(ctx context.Context) (string, error) {
	err := s.lab.Client.Create(ctx, &v1alpha1.Tenant{
		ObjectMeta: metav1.ObjectMeta{Name: "nonsense"},
		Spec:       v1alpha1.TenantSpec{WazuhIngress: v1alpha1.WazuhIngress{AllowedCIDRs: []string{"203.0.113.0/33"}}},
	})
	if err == nil {
		return "", errors.New("it was accepted")
	}
	if !strings.Contains(err.Error(), "allowedCIDRs") {
		return "", fmt.Errorf("refused without naming the field: %w", err)
	}
	return err.Error(), nil
}

func (s *story) takenHostname(ctx context.Context) (string, error) {
	const slug = "impostor"
	tenant := &v1alpha1.Tenant{
		ObjectMeta: metav1.ObjectMeta{Name: slug},
		Spec:       v1alpha1.TenantSpec{WazuhIngress: v1alpha1.WazuhIngress{Hostname: "acme." + domain}},
	}
	if err := s.lab.Client.Create(ctx, tenant); err != nil {
		return "", err
	}
	message, err := s.becomes(ctx, slug, v1alpha1.ConditionStalled)
	if err != nil {
		return "", err
	}
	ready, err := s.condition(ctx, "acme", v1alpha1.ConditionReady)
	if err != nil {
		return "", err
	}
	if ready.Status != metav1.ConditionTrue {
		return "", fmt.Errorf("acme is no longer ready: %s", ready.Message)
	}
	if err := s.lab.Client.Delete(ctx, tenant); err != nil {
		return "", err
	}
	message, _, _ = strings.Cut(message, "; see ")
	return message, nil
}
