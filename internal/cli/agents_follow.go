package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/desk"
)

// revocationView is a revocation in -o json and -o yaml.
type revocationView struct {
	Name      string   `json:"name"`
	AgentID   string   `json:"agentID"`
	AgentName string   `json:"agentName"`
	Step      string   `json:"step,omitempty"`
	Ready     string   `json:"ready,omitempty"`
	Reason    string   `json:"reason,omitempty"`
	Message   string   `json:"message,omitempty"`
	Evidence  []string `json:"evidence,omitempty"`
}

func viewOfRevocation(r v1alpha1.Revocation) revocationView {
	view := revocationView{
		Name: r.Name, AgentID: r.Spec.AgentID, AgentName: r.Spec.AgentName, Step: string(r.Status.Step), Evidence: r.Status.Evidence,
	}
	if ready := meta.FindStatusCondition(r.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
		view.Ready, view.Reason, view.Message = string(ready.Status), ready.Reason, ready.Message
	}
	return view
}

// ended is true for a revocation that is done, however it stands.
func (v revocationView) ended() bool {
	return desk.RevocationEnded(v1alpha1.RevocationStep(v.Step), v.Reason)
}

// followRevocations waits where that was asked for, and prints how they stand.
func (s *session) followRevocations(ctx context.Context, c *cluster, out *output, flags revokeFlags, slug string, names []string) error {
	var views []revocationView
	var err error
	if flags.wait {
		views, err = s.waitRevoked(ctx, c, flags, slug, names)
	} else {
		views, err = c.revocationViews(ctx, slug, names)
	}
	if err != nil {
		return err
	}
	if err := s.sayRevocations(out, views); err != nil {
		return err
	}
	if !flags.wait {
		s.talk("next: soctalk-ingress agents revocations %s shows how far they are", slug)
		return nil
	}
	var open []error
	for _, view := range views {
		if view.Ready != string(metav1.ConditionTrue) {
			open = append(open, fmt.Errorf("agent %s (%s): %s", view.AgentID, view.AgentName, view.Message))
		}
	}
	if len(open) == 0 {
		return nil
	}
	return hinted(exitRefused, errors.Join(open...), "the revocations stay; see soctalk-ingress agents revocations %s -o yaml", slug)
}

// waitRevoked shows each step when it was seen done, until all revocations ended.
func (s *session) waitRevoked(ctx context.Context, c *cluster, flags revokeFlags, slug string, names []string) ([]revocationView, error) {
	paint := s.painter(s.streams.ErrOut)
	shown, last := map[string]int{}, map[string]string{}
	var views []revocationView
	err := poll(ctx, flags.timeout, func(ctx context.Context) (bool, error) {
		var err error
		if views, err = c.revocationViews(ctx, slug, names); err != nil {
			return false, err
		}
		ended := 0
		for _, view := range views {
			who := fmt.Sprintf("%s %s", view.AgentID, view.AgentName)
			for ; shown[view.Name] < len(view.Evidence); shown[view.Name]++ {
				s.talk("%s %s: %s", paint.mark(markGood), who, view.Evidence[shown[view.Name]])
			}
			if view.ended() {
				ended++
				continue
			}
			if view.Message != "" && view.Message != last[view.Name] {
				last[view.Name] = view.Message
				s.talk("%s %s: %s", paint.mark(markWaiting), who, view.Message)
			}
		}
		return ended == len(names), nil
	})
	if errors.Is(err, errTimeout) {
		return nil, hinted(exitTimeout, fmt.Errorf("not every revocation of tenant %q is done after %s", slug, flags.timeout), "it goes on without you; see soctalk-ingress agents revocations %s", slug)
	}
	return views, err
}

func (c *cluster) revocationViews(ctx context.Context, slug string, names []string) ([]revocationView, error) {
	revocations, err := c.Revocations(ctx, slug)
	if err != nil {
		return nil, err
	}
	var views []revocationView
	for _, r := range revocations {
		if slices.Contains(names, r.Name) {
			views = append(views, viewOfRevocation(r))
		}
	}
	return views, nil
}

// sayRevocations prints them as asked for.
func (s *session) sayRevocations(out *output, views []revocationView) error {
	if out.format != formatText {
		if views == nil {
			views = []revocationView{} // an empty list is [], not null
		}
		return out.printData(s.streams.Out, views)
	}
	for _, view := range views {
		switch {
		case view.Ready == string(metav1.ConditionTrue):
			fmt.Fprintf(s.streams.Out, "agent %s (%s) is revoked\n", view.AgentID, view.AgentName)
		case view.ended():
			fmt.Fprintf(s.streams.Out, "agent %s (%s) is deregistered: %s\n", view.AgentID, view.AgentName, view.Reason)
		default:
			fmt.Fprintf(s.streams.Out, "agent %s (%s) is being revoked\n", view.AgentID, view.AgentName)
		}
	}
	return nil
}
