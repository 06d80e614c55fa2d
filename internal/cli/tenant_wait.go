package cli

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/fault"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/report"
)

// lookEvery is how often a waiting command looks; a tenant takes minutes.
const lookEvery = time.Second

// progress is how far a tenant is on its way to ready.
type progress struct {
	ready bool
	// stuck is what a person must change first; waiting on would be pointless.
	stuck string
	// line says what is awaited, in words.
	line string
}

// progressOf reads a tenant's conditions. What they say of an older
// specification does not count.
func progressOf(tenant v1alpha1.Tenant) progress {
	conditions := tenant.Status.Conditions
	if tenant.Status.ObservedGeneration < tenant.Generation || len(conditions) == 0 {
		return progress{line: "waiting for the operator to look at it"}
	}
	if meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionReady) {
		return progress{ready: true}
	}
	stalled := meta.FindStatusCondition(conditions, v1alpha1.ConditionStalled)
	if stalled != nil && stalled.Status == metav1.ConditionTrue && !passes(stalled.Reason) {
		return progress{stuck: stalled.Message}
	}
	for _, name := range v1alpha1.HopConditions() {
		hop := meta.FindStatusCondition(conditions, name)
		if hop == nil {
			return progress{line: "waiting for " + name}
		}
		if hop.Status != metav1.ConditionTrue {
			return progress{line: "waiting for " + name + ": " + hop.Message}
		}
	}
	line := "waiting for Ready"
	if ready := meta.FindStatusCondition(conditions, v1alpha1.ConditionReady); ready != nil {
		line += ": " + ready.Message
	}
	return progress{line: line}
}

// passes is true for what looks like a mistake while a manager starts: its API
// answers before the operator's user exists in it.
func passes(reason string) bool { return reason == v1alpha1.ReasonManagerRefusesCredentials }

// waitReady looks until the tenant is ready, says what it waits for whenever
// that changes, and gives up when only a person can help.
func (s *session) waitReady(ctx context.Context, c *cluster, slug string, timeout time.Duration) (v1alpha1.Tenant, error) {
	var tenant v1alpha1.Tenant
	var last string
	err := poll(ctx, timeout, func(ctx context.Context) (bool, error) {
		var err error
		if tenant, err = c.Tenant(ctx, slug); err != nil {
			return false, err
		}
		now := progressOf(tenant)
		if now.stuck != "" {
			return false, hinted(exitRefused, fmt.Errorf("tenant %q cannot become ready: %s", slug, now.stuck), "correct it with kubectl edit tenant %s, or remove the tenant", slug)
		}
		if !now.ready && now.line != last {
			last = now.line
			s.talk("%s", last)
		}
		return now.ready, nil
	})
	if errors.Is(err, errTimeout) {
		return tenant, hinted(exitTimeout, fmt.Errorf("tenant %q is not ready after %s: %s", slug, timeout, last), "it goes on without you; see soctalk-ingress tenant describe %s", slug)
	}
	return tenant, err
}

// waitGone shows the steps of an offboarding as they are done, until the tenant
// is gone.
func (s *session) waitGone(ctx context.Context, c *cluster, slug string, uid string, timeout time.Duration) error {
	paint := s.painter(s.streams.ErrOut)
	shown, begun := 0, false
	last := "waiting for the operator to begin"
	err := poll(ctx, timeout, func(ctx context.Context) (bool, error) {
		tenant, err := c.Tenant(ctx, slug)
		var known *failure
		if errors.As(err, &known) && known.Class == fault.NotFound {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		if string(tenant.UID) != uid {
			return true, nil // somebody created it anew; ours is gone
		}
		offboarding := tenant.Status.Offboarding
		if offboarding == nil {
			return false, nil
		}
		begun = true
		for ; shown < len(offboarding.Done); shown++ {
			record := offboarding.Done[shown]
			s.talk("%s %s: %s", paint.mark(markGood), record.Step, record.Evidence)
		}
		if line := currentStep(tenant); line != last && line != "" {
			last = line
			s.talk("%s %s", paint.mark(markWaiting), line)
		}
		return false, nil
	})
	if err == nil && begun {
		// The last steps end with the tenant itself; its report still tells of them.
		s.tellLastSteps(ctx, c, naming.OffboardingReport(slug, uid), shown, paint)
	}
	if errors.Is(err, errTimeout) {
		return hinted(exitTimeout, fmt.Errorf("tenant %q is still being removed after %s: %s", slug, timeout, last), "it goes on without you; see soctalk-ingress tenant describe %s", slug)
	}
	return err
}

func (s *session) tellLastSteps(ctx context.Context, c *cluster, name string, shown int, paint painter) {
	evidence := map[v1alpha1.OffboardingStep]string{v1alpha1.StepReport: ": " + name}
	var held v1alpha1.OffboardingReport
	if err := c.Get(ctx, client.ObjectKey{Name: name}, &held); err == nil {
		for _, step := range reportedSteps(held) {
			evidence[step.Step] = ": " + step.Evidence
		}
	}
	for _, step := range v1alpha1.OffboardingSteps()[shown:] {
		s.talk("%s %s%s", paint.mark(markGood), step, evidence[step])
	}
}

// reportedSteps reads a report for progress, where its signature is of no interest.
func reportedSteps(held v1alpha1.OffboardingReport) []report.Step {
	payload, err := base64.StdEncoding.DecodeString(held.Spec.Envelope.Payload)
	if err != nil {
		return nil
	}
	statement, err := report.Parse(payload)
	if err != nil {
		return nil
	}
	return statement.Steps
}

// currentStep is the step under way, with what holds it up if anything does.
func currentStep(tenant v1alpha1.Tenant) string {
	step := string(tenant.Status.Offboarding.Step)
	ready := meta.FindStatusCondition(tenant.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil || ready.Reason != v1alpha1.ReasonOffboarding {
		return step
	}
	if _, trouble, found := strings.Cut(ready.Message, step+": "); found {
		return step + ": " + trouble
	}
	return step
}

var errTimeout = errors.New("timed out")

// poll looks at once and then again and again. Its errTimeout is told from the
// end of ctx, which is the user's Ctrl-C.
func poll(ctx context.Context, timeout time.Duration, look wait.ConditionWithContextFunc) error {
	bounded, cancel := context.WithTimeoutCause(ctx, timeout, errTimeout)
	defer cancel()
	err := wait.PollUntilContextCancel(bounded, lookEvery, true, look)
	if err != nil && bounded.Err() != nil && errors.Is(context.Cause(bounded), errTimeout) {
		return errTimeout
	}
	return err
}
