package demo

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/lab"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// summary shows what `kubectl get tenants` shows, by asking kubectl.
func (s *story) summary(ctx context.Context) error {
	s.tell.chapter("Side by side, as kubectl get tenants shows them")
	active := map[string]int32{"acme": 2, "beta": 2}
	title := "Both tenants count their active agents"
	if s.edge != nil {
		active["gamma"] = 1
		title = "Tenants of both modes count their active agents"
	}
	return s.tell.step(title, func() (string, error) {
		for slug, want := range active {
			err := lab.Until(ctx, patience, fmt.Sprintf("%d active agents at %s", want, slug), func(ctx context.Context) (bool, error) {
				var tenant v1alpha1.Tenant
				err := s.lab.Client.Get(ctx, types.NamespacedName{Name: slug}, &tenant)
				return tenant.Status.Agents != nil && tenant.Status.Agents.Active == want, err
			})
			if err != nil {
				return "", err
			}
		}
		return s.kubectl(ctx, "get", "tenants")
	})
}

func (s *story) kubectl(ctx context.Context, arguments ...string) (string, error) {
	all := append([]string{"kubectl", "--kubeconfig", s.lab.Plane.Kubeconfig()}, arguments...)
	out, err := exec.CommandContext(ctx, s.lab.Plane.Binary(), all...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("kubectl %s: %w: %s", strings.Join(arguments, " "), err, out)
	}
	return string(out), nil
}

// next says what a curious reader can try while everything runs.
func (s *story) next(ctx context.Context, dir string) {
	program := s.options.Program
	console, err := s.console(ctx, dir)
	if err != nil {
		console = "the console does not run: " + err.Error()
	}
	lines := []string{
		"",
		"Everything keeps running. In another terminal:",
		"",
		"  export KUBECONFIG=" + s.lab.Plane.Kubeconfig(),
		fmt.Sprintf("  alias kubectl='%s kubectl'    # or your own kubectl", s.lab.Plane.Binary()),
		"  kubectl get tenants,regions,claims -o wide",
		"  kubectl -n tenant-acme get all,networkpolicies",
		"  " + program + " tenant describe acme",
		"  " + program + " onboard acme",
		"  " + program + " agents list acme",
		"  " + program + " tenant create delta --display-name 'Delta SA' --wait",
		"  " + program + " agents revoke acme acme-db-01 --why 'sold' --yes --wait",
		"  " + program + " secret rotate acme --overlap 1m --wait",
		"  " + program + " tenant offboard gamma --why 'moved away' --yes --report gamma.json",
		"",
		console,
		"",
		"Ctrl-C ends it and leaves nothing behind.",
	}
	s.tell.say(strings.Join(lines, "\n"))
}

// console serves the console until the demo ends, for somebody who may work with
// tenants, and says how to get in.
func (s *story) console(ctx context.Context, dir string) (string, error) {
	const person = "demo-operator"
	log, err := os.OpenFile(filepath.Join(dir, "console.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	if _, err := s.lab.PersonToken(ctx, person, lab.RoleViewer, lab.RoleOperator, lab.RoleAccess); err != nil {
		return "", err
	}
	url, err := s.lab.Console(ctx, log)
	return "The same in a browser: " + url + ", signed in with what this prints:\n\n" +
		"  kubectl -n " + naming.DefaultSystemNamespace + " create token " + person, err
}

// end stops the agents; the lab stops the rest.
func (s *story) end() {
	var stopping sync.WaitGroup
	for _, agent := range s.agents {
		stopping.Go(agent.stop)
	}
	stopping.Wait()
	if s.edge == nil {
		return
	}
	if err := s.edge.Stop(); err != nil {
		s.tell.say("edge: " + err.Error())
	}
}
