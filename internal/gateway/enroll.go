package gateway

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/gateway/audit"
	"github.com/soctalk/soctalk-ingress/internal/gateway/policy"
	"github.com/soctalk/soctalk-ingress/internal/gateway/upstream"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// overruled stops a request whose turn came, but which the policy in force by
// then does not allow.
type overruled struct{ reason policy.Reason }

func (o *overruled) Error() string { return string(o.reason) }

// enroll waits for a turn at the manager, judges once more, and asks.
func (v *visit) enroll(ctx context.Context, r request) *ending {
	g := v.g
	begin := time.Now()
	taken := "" // the token whose use is reserved
	judging := false
	answer, err := g.upstream.Enroll(ctx, g.wait(v.limits), func() (wazuh.EnrollRequest, error) {
		g.metrics.queued.Observe(time.Since(begin).Seconds())
		begin = time.Now()
		// Who offers a policy waits for us to finish; see Gateway.Offer.
		g.judging.RLock()
		judging = true
		now := g.policies.get()
		verdict := policy.Decide(now, r.attempt(v.source), g.c.Now())
		v.note(r, verdict)
		if !verdict.Allowed() {
			return wazuh.EnrollRequest{}, &overruled{verdict.Reason}
		}
		if verdict.Token != nil {
			if err := g.reserve(*verdict.Token); err != nil {
				return wazuh.EnrollRequest{}, err
			}
			taken = verdict.Token.UseKey()
		}
		return r.forManager(verdict, now.SourceIP, v.source, g.c.OmitAgentVersion), nil
	})
	if judging {
		g.metrics.manager.Observe(time.Since(begin).Seconds())
		g.judging.RUnlock()
	}
	end := v.outcome(r, answer, err)
	// After silence an agent may have come of it, and the use stays taken.
	if taken != "" && end.outcome != audit.Enrolled && !errors.Is(err, upstream.ErrSilent) {
		if err := g.uses.Release(taken); err != nil {
			g.log.Error("give a token's use back", "token", v.record.Token, "error", err)
		}
	}
	if end.outcome == audit.Enrolled {
		g.confirm(ctx, answer)
	}
	return end
}

// reserve takes one use of a token.
func (g *Gateway) reserve(t policy.Token) error {
	left, err := g.uses.Reserve(t.UseKey(), t.MaxUses)
	switch {
	case err != nil:
		g.log.Error("count a token's use", "token", t.Name, "error", err)
		return &overruled{policy.ReasonState}
	case !left:
		return &overruled{policy.ReasonTokenUsedUp}
	}
	return nil
}

// outcome translates what came of asking.
func (v *visit) outcome(r request, answer upstream.Answer, err error) *ending {
	var over *overruled
	switch {
	case err == nil:
		return v.answered(r, answer)
	case errors.As(err, &over) && over.reason == policy.ReasonState:
		return failed(over.reason, r)
	case errors.As(err, &over):
		end := refuse(over.reason, wazuh.ReasonInvalidPassword)
		end.mistake = true
		return end
	case errors.Is(err, upstream.ErrQueueFull):
		return failed(policy.ReasonQueueFull, r)
	case errors.Is(err, upstream.ErrDown):
		return v.g.managerTrouble(policy.ReasonManagerDown, err, r)
	case errors.Is(err, upstream.ErrSilent):
		return v.g.managerTrouble(policy.ReasonManagerSilent, err, r)
	case errors.Is(err, upstream.ErrQueueTimeout), errors.Is(err, context.DeadlineExceeded):
		return failed(policy.ReasonQueueTimeout, r)
	}
	return failed(policy.ReasonStopping, r)
}

func (g *Gateway) managerTrouble(reason policy.Reason, err error, r request) *ending {
	g.manager.saw(g.c.Now(), err)
	end := failed(reason, r)
	end.detail = err.Error()
	return end
}

// answered passes authd's answer on, unless it is about the internal secret,
// which is no business of the agent's. authd calls a request with a password
// invalid when it was told to want none.
func (v *visit) answered(r request, answer upstream.Answer) *ending {
	g := v.g
	refused := answer.Refused
	if refused != nil && (refused.WrongPassword() || refused.Reason == wazuh.ReasonInvalidRequest) {
		return g.managerTrouble(policy.ReasonManagerSecret, refused, r)
	}
	g.manager.saw(g.c.Now(), nil)
	if refused != nil {
		return &ending{outcome: audit.Refused, reason: policy.ReasonManagerRefused, detail: refused.Reason, answer: answer.Bytes()}
	}
	end := &ending{outcome: audit.Enrolled, reason: policy.ReasonEnrolled, id: answer.ID, answer: answer.Bytes()}
	if strings.HasPrefix(r.fields.IP, wazuh.SourceIP) && g.policies.get().SourceIP != policy.SourceSubstitute {
		end.detail = "asked to be registered with its source address; registered as any"
	}
	return end
}

// confirm looks after the agent's row, if we were told how, while the agent
// already has its answer.
func (g *Gateway) confirm(ctx context.Context, answer upstream.Answer) {
	if g.c.Confirm == nil {
		return
	}
	ctx = context.WithoutCancel(ctx)
	g.visits.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, confirmTimeout)
		defer cancel()
		if err := g.c.Confirm(ctx, answer.ID, answer.Name); err != nil {
			g.metrics.unconfirmed.Inc()
			g.log.Warn("the manager's database does not confirm an enrollment", "id", answer.ID, "name", answer.Name, "error", err)
		}
	})
}

const confirmTimeout = 30 * time.Second

func (g *Gateway) wait(l policy.Limits) upstream.Wait {
	return upstream.Wait{Behind: l.Waiting, Patience: l.Queue.D()}
}
