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
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

const (
	tokenName = "berlin"
	// tokenLife is enough for one agent to come in.
	tokenLife = 12 * time.Second
	laptop    = "acme-laptop-7"
)

// revocation: a token lets an agent in and ends; the agent is revoked, keeps trying,
// and stays out.
func (s *story) revocation(ctx context.Context) error {
	s.tell.chapter("A token that ends, and an agent that is shown the door")
	var d door
	if err := s.tell.step(fmt.Sprintf("A token for acme's Berlin office, good for %s", tokenLife), func() (string, error) {
		var err error
		d, err = s.issueToken(ctx)
		return "the gateway knows it by its digest", err
	}); err != nil {
		return err
	}
	if err := s.arrives(ctx, laptop, d, fmt.Sprintf("Agent %s enrolls with it and connects", laptop)); err != nil {
		return err
	}
	host := s.agents[len(s.agents)-1]
	if err := s.tell.step("Once the token's time is over, it lets nobody in", func() (string, error) {
		return s.expiredToken(ctx, d)
	}); err != nil {
		return err
	}
	if err := s.tell.step(fmt.Sprintf("%s is revoked: refused, deregistered, cut", laptop), func() (string, error) {
		return s.revoke(ctx, host)
	}); err != nil {
		return err
	}
	return s.tell.step("It keeps trying, and stays out; its neighbours stay connected", func() (string, error) {
		return s.staysOut(ctx, host)
	})
}

// issueToken makes a token and returns acme's door with its secret.
func (s *story) issueToken(ctx context.Context) (door, error) {
	end := metav1.NewTime(time.Now().Add(tokenLife))
	token := &v1alpha1.EnrollmentToken{
		ObjectMeta: metav1.ObjectMeta{Namespace: naming.Namespace("acme"), Name: tokenName},
		Spec:       v1alpha1.EnrollmentTokenSpec{Expires: &end, Names: "acme-laptop-*"},
	}
	if err := s.lab.Client.Create(ctx, token); err != nil {
		return door{}, err
	}
	if err := s.tokenIs(ctx, v1alpha1.TokenActive); err != nil {
		return door{}, err
	}
	d, err := s.doorOf(ctx, "acme")
	if err != nil {
		return door{}, err
	}
	d.secretFile, err = s.saveKey(ctx, "acme-token", "acme", naming.TokenSecret(tokenName), naming.KeyEnrollment)
	return d, err
}

func (s *story) tokenIs(ctx context.Context, state v1alpha1.TokenState) error {
	return lab.Until(ctx, patience, "the token is "+string(state), func(ctx context.Context) (bool, error) {
		var token v1alpha1.EnrollmentToken
		err := s.lab.Client.Get(ctx, types.NamespacedName{Namespace: naming.Namespace("acme"), Name: tokenName}, &token)
		return token.Status.State == state, err
	})
}

func (s *story) expiredToken(ctx context.Context, d door) (string, error) {
	if err := s.tokenIs(ctx, v1alpha1.TokenExpired); err != nil {
		return "", err
	}
	late, err := s.startAgent(ctx, "acme-laptop-8", d, "--once")
	if err != nil {
		return "", err
	}
	defer late.stop()
	refused, err := late.reach(ctx, "refused")
	return "acme-laptop-8 is told: " + refused.Reason, err
}

func (s *story) revoke(ctx context.Context, host *agent) (string, error) {
	key, err := host.reach(ctx, "enrolled")
	if err != nil {
		return "", err
	}
	r := &v1alpha1.Revocation{
		ObjectMeta: metav1.ObjectMeta{Namespace: naming.Namespace("acme"), Name: naming.Revocation(laptop, key.ID)},
		Spec:       v1alpha1.RevocationSpec{AgentID: key.ID, AgentName: laptop, Why: "left on a train"},
	}
	if err := s.lab.Client.Create(ctx, r); err != nil {
		return "", err
	}
	err = lab.Until(ctx, patience, laptop+" is revoked", func(ctx context.Context) (bool, error) {
		if err := s.lab.Client.Get(ctx, types.NamespacedName{Namespace: r.Namespace, Name: r.Name}, r); err != nil {
			return false, err
		}
		if ready := meta.FindStatusCondition(r.Status.Conditions, v1alpha1.ConditionReady); ready != nil && ready.Status != metav1.ConditionTrue {
			return false, errors.New(ready.Message)
		}
		return meta.IsStatusConditionTrue(r.Status.Conditions, v1alpha1.ConditionReady), nil
	})
	return strings.Join(r.Status.Evidence, "\n"), err
}

// staysOut waits for two more attempts, which the gateway's log must have too.
func (s *story) staysOut(ctx context.Context, host *agent) (string, error) {
	var refused int32
	err := lab.Until(ctx, patience, "two refused attempts of "+laptop, func(ctx context.Context) (bool, error) {
		var list v1alpha1.RevocationList
		if err := s.lab.Client.List(ctx, &list); err != nil {
			return false, err
		}
		for _, r := range list.Items {
			if r.Spec.AgentName == laptop {
				refused = r.Status.RefusedAttempts
			}
		}
		return refused >= 2, nil
	})
	if err != nil {
		return "", err
	}
	told, err := host.reach(ctx, "refused")
	if err != nil {
		return "", err
	}
	err = lab.Until(ctx, patience, "acme's other two agents are active", func(ctx context.Context) (bool, error) {
		var tenant v1alpha1.Tenant
		err := s.lab.Client.Get(ctx, types.NamespacedName{Name: "acme"}, &tenant)
		return tenant.Status.Agents != nil && tenant.Status.Agents.Active == 2, err
	})
	return fmt.Sprintf("%d attempts refused so far, each with: %s; acme's two others stay active", refused, told.Reason), err
}
