package lab_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/lab"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// tokenSecret is the secret of a token, as an agent would show it.
func tokenSecret(t *testing.T, l *lab.Lab, slug, token string) wazuh.Secret {
	t.Helper()
	file := key(t, l, slug, naming.TokenSecret(token), naming.KeyEnrollment)
	return wazuh.NewSecret(strings.TrimSuffix(string(file), "\n"))
}

// tokenBecomes waits until a token is in a state, for the reason that goes with it.
func tokenBecomes(t *testing.T, l *lab.Lab, slug, name string, state v1alpha1.TokenState) v1alpha1.EnrollmentToken {
	t.Helper()
	var token v1alpha1.EnrollmentToken
	eventually(t, "token "+name+" is "+string(state), func(ctx context.Context) (bool, error) {
		err := l.Client.Get(ctx, types.NamespacedName{Namespace: naming.Namespace(slug), Name: name}, &token)
		if err != nil {
			return false, err
		}
		if token.Status.State != state {
			return false, fmt.Errorf("it is %s, with %d uses", token.Status.State, token.Status.Uses)
		}
		return true, nil
	})
	return token
}

// isRefused wants the answer a stranger gets.
func isRefused(t *testing.T, what string, err error) {
	t.Helper()
	var refused *wazuh.Refused
	if !errors.As(err, &refused) || !refused.WrongPassword() {
		t.Errorf("%s: %v; want Invalid password", what, err)
	}
}

// Each restriction of a token holds on the wire, and each end of one.
func TestTokens(t *testing.T) {
	t.Parallel()
	l := installation(t)
	create(t, l, "tokens", v1alpha1.TenantSpec{})
	becomesReady(t, l, "tokens")
	make := func(name string, flags ...string) wazuh.Secret {
		t.Helper()
		out := succeed(t, l, append([]string{"token", "create", "tokens", name, "--wait", "--timeout", "90s"}, flags...)...)
		secret := tokenSecret(t, l, "tokens", name)
		if strings.Contains(out, secret.Reveal()) {
			t.Errorf("creating token %s printed its secret", name)
		}
		return secret
	}
	wants := func(what string, name string, secret wazuh.Secret) {
		t.Helper()
		if _, err := enroll(t, l, "tokens", name, secret); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	refuses := func(what string, name string, secret wazuh.Secret) {
		t.Helper()
		_, err := enroll(t, l, "tokens", name, secret)
		isRefused(t, what, err)
	}

	once := make("once", "--max-uses", "1")
	// It is shown once, as the tenant's own secret is.
	if shown := succeed(t, l, "secret", "reveal", "tokens", "--secret", naming.TokenSecret("once"), "--why", "test"); strings.TrimSpace(shown) != once.Reveal() {
		t.Error("what was revealed is not the token's secret")
	}
	if code, shown, _ := run(t, l, "secret", "reveal", "tokens", "--secret", naming.TokenSecret("once"), "--why", "again"); code != 4 || shown != "" {
		t.Errorf("revealed twice: exit code %d", code)
	}
	wants("the first use", "once-1", once)
	refuses("the second use", "once-2", once)
	if token := tokenBecomes(t, l, "tokens", "once", v1alpha1.TokenUsedUp); token.Status.Uses != 1 {
		t.Errorf("%d uses counted", token.Status.Uses)
	}

	named := make("named", "--names", "berlin-??")
	refuses("another name", "paris-01", named)
	wants("a name that fits", "berlin-01", named)

	elsewhere := make("elsewhere", "--source", "203.0.113.0/24")
	refuses("another network", "elsewhere-1", elsewhere)
	here := make("here", "--source", "127.0.0.0/8", "--source", "203.0.113.0/24")
	wants("one of its networks", "here-1", here)

	// The group the agent asks for does not exist, and authd would refuse it.
	grouped := make("grouped", "--group", "default")
	if _, err := enrollAs(t, l, "tokens", wazuh.EnrollRequest{Password: grouped, Name: "grouped-1", Groups: "made-up"}); err != nil {
		t.Errorf("the token's group did not replace the agent's: %v", err)
	}

	// An hour is brought forward, so that the machine may be as slow as it likes.
	expiring := make("expiring", "--expires", "1h")
	wants("before its end", "expiring-1", expiring)
	ends := &v1alpha1.EnrollmentToken{}
	if err := l.Client.Get(t.Context(), types.NamespacedName{Namespace: naming.Namespace("tokens"), Name: "expiring"}, ends); err != nil {
		t.Fatal(err)
	}
	if left := time.Until(ends.Spec.Expires.Time); left <= 0 || left > time.Hour {
		t.Errorf("it ends in %s", left)
	}
	change(t, l, ends, func() { ends.Spec.Expires = &metav1.Time{Time: time.Now().Add(2 * time.Second)} })
	tokenBecomes(t, l, "tokens", "expiring", v1alpha1.TokenExpired)
	refuses("after its end", "expiring-2", expiring)
	for _, verb := range []string{"reveal", "rearm"} {
		code, shown, talk := run(t, l, "secret", verb, "tokens", "--secret", naming.TokenSecret("expiring"), "--why", "late")
		if code != 4 || shown != "" || !strings.Contains(talk, `token "expiring" of tenant "tokens" has expired`) || !strings.Contains(talk, "token create tokens") {
			t.Errorf("%s of a token that ended: exit %d, %q, %s", verb, code, shown, talk)
		}
	}

	revoked := make("revoked")
	wants("before it is revoked", "revoked-1", revoked)
	succeed(t, l, "token", "revoke", "tokens", "revoked")
	refuses("right after it was revoked", "revoked-2", revoked)

	deleted := make("deleted")
	wants("before it is deleted", "deleted-1", deleted)
	succeed(t, l, "token", "delete", "tokens", "deleted")
	refuses("right after it was deleted", "deleted-2", deleted)
	gone(t, l, &corev1.Secret{}, types.NamespacedName{Namespace: naming.Namespace("tokens"), Name: naming.TokenSecret("deleted")})

	// The tenant's own secret is none of a token's business.
	wants("the tenant's secret", "plain-1", enrollmentSecret(t, l, "tokens"))
	table := succeed(t, l, "token", "list", "tokens")
	for _, want := range []string{"STATE", "USES", "once", "UsedUp", "Expired", "Revoked", "Active"} {
		if !strings.Contains(table, want) {
			t.Errorf("the list of tokens lacks %q:\n%s", want, table)
		}
	}
	listsHowTheyCame(t, l)
}

// The list of agents tells who came in with what, and from where.
func listsHowTheyCame(t *testing.T, l *lab.Lab) {
	t.Helper()
	var agents []struct {
		Name, State, Status string
		Enrollment          *struct{ Credential, Token, Source string }
	}
	if err := json.Unmarshal([]byte(succeed(t, l, "agents", "list", "tokens", "-o", "json")), &agents); err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, agent := range agents {
		want, ok := map[string]string{"once-1": "token once", "berlin-01": "token named", "plain-1": "secret "}[agent.Name]
		if !ok {
			continue
		}
		found++
		if agent.Enrollment == nil || agent.Enrollment.Credential+" "+agent.Enrollment.Token != want || agent.Enrollment.Source == "" {
			t.Errorf("%s: enrollment %+v, want %q from an address", agent.Name, agent.Enrollment, want)
		}
		if agent.State != "enrolled" || agent.Status != "never_connected" {
			t.Errorf("%s, which has its key and was not heard of: state %q, manager says %q", agent.Name, agent.State, agent.Status)
		}
	}
	if found != 3 {
		t.Errorf("%d of 3 agents are listed", found)
	}
	if chosen := succeed(t, l, "agents", "list", "tokens", "-l", "token=once", "-o", "name"); strings.Count(chosen, "agent/") != 1 {
		t.Errorf("chose by token: %q", chosen)
	}
}

// With enrollment direct there is nobody who would know a token: that is refused
// before anything is written, and a token that is there says so.
func TestATokenNeedsTheGateway(t *testing.T) {
	t.Parallel()
	l := installation(t)
	create(t, l, "tokenless", v1alpha1.TenantSpec{Enrollment: v1alpha1.EnrollmentDirect})
	becomesReady(t, l, "tokenless")
	if code, _, talk := run(t, l, "token", "create", "tokenless", "berlin"); code != 4 || !strings.Contains(talk, "enrollment") {
		t.Errorf("exit code %d: %s", code, talk)
	}
	token := &v1alpha1.EnrollmentToken{}
	token.Namespace, token.Name = naming.Namespace("tokenless"), "by-hand"
	if err := l.Client.Create(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the token says that it counts for nothing", func(ctx context.Context) (bool, error) {
		if err := l.Client.Get(ctx, types.NamespacedName{Namespace: token.Namespace, Name: token.Name}, token); err != nil {
			return false, err
		}
		ready := meta.FindStatusCondition(token.Status.Conditions, v1alpha1.ConditionReady)
		return ready != nil && ready.Reason == v1alpha1.ReasonNotGuarded, nil
	})
	// A deleted token does not hang where no gateway could let it go.
	succeed(t, l, "token", "delete", "tokenless", "by-hand")
}

// A token opens its own tenant's door and no other, in both directions.
func TestATokenOfAnotherTenantOpensNothing(t *testing.T) {
	t.Parallel()
	l := installation(t)
	secrets := map[string]wazuh.Secret{}
	for _, slug := range []string{"tok-a", "tok-b"} {
		create(t, l, slug, v1alpha1.TenantSpec{})
		becomesReady(t, l, slug)
		succeed(t, l, "token", "create", slug, "site", "--names", slug+"-*", "--wait", "--timeout", "90s")
		secrets[slug] = tokenSecret(t, l, slug, "site")
	}
	for at, other := range map[string]string{"tok-a": "tok-b", "tok-b": "tok-a"} {
		_, err := enroll(t, l, at, at+"-1", secrets[other])
		isRefused(t, other+"'s token at "+at, err)
		_, err = enroll(t, l, at, other+"-1", secrets[at])
		isRefused(t, "a name that is not meant at "+at, err)
		if _, err := enroll(t, l, at, at+"-1", secrets[at]); err != nil {
			t.Errorf("%s's own token: %v", at, err)
		}
	}
}

// An agent that has just enrolled is in the list within five seconds.
func TestAFreshAgentShowsWithinFiveSeconds(t *testing.T) {
	l := installation(t)
	create(t, l, "fresh", v1alpha1.TenantSpec{})
	becomesReady(t, l, "fresh")
	if _, err := enroll(t, l, "fresh", "fresh-1", enrollmentSecret(t, l, "fresh")); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	var asked time.Duration // after it; how long an answer takes is the machine's affair
	eventually(t, "fresh-1 is listed as enrolled", func(context.Context) (bool, error) {
		asked = time.Since(begin)
		for _, a := range listed(t, l, "fresh") {
			if a.Name == "fresh-1" {
				return a.State == "enrolled", nil
			}
		}
		return false, nil
	})
	if asked > 5*time.Second {
		t.Errorf("whoever asked before %s was not told", asked)
	}
	eventually(t, "the tenant counts it", func(context.Context) (bool, error) {
		agents := get(t, l, "fresh").Status.Agents
		return agents != nil && agents.Total == 1 && agents.NeverConnected == 1, nil
	})
}
