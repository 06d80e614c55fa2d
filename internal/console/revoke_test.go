package console

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/console/wire"
	"github.com/soctalk/soctalk-ingress/internal/desk"
	"github.com/soctalk/soctalk-ingress/internal/roster"
)

// deskAt is a desk at an API server that the test answers for.
func deskAt(t *testing.T, answers http.HandlerFunc) *desk.Desk {
	t.Helper()
	server := httptest.NewServer(answers)
	t.Cleanup(server.Close)
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{v1alpha1.AddToScheme, authenticationv1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(v1alpha1.GroupVersion.WithKind("Tenant"), meta.RESTScopeRoot)
	mapper.Add(v1alpha1.GroupVersion.WithKind("Revocation"), meta.RESTScopeNamespace)
	mapper.Add(authenticationv1.SchemeGroupVersion.WithKind("SelfSubjectReview"), meta.RESTScopeRoot)
	c, err := client.New(&rest.Config{Host: server.URL}, client.Options{Scheme: scheme, Mapper: mapper})
	if err != nil {
		t.Fatal(err)
	}
	return &desk.Desk{Client: c}
}

// The log says how many were revoked and not how many were meant, and who revokes is
// asked once for all of them.
func TestTheLogCountsWhatWasWritten(t *testing.T) {
	asked := 0
	d := deskAt(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if strings.HasSuffix(r.URL.Path, "/selfsubjectreviews") {
			asked++
			fmt.Fprint(w, `{"kind":"SelfSubjectReview","apiVersion":"authentication.k8s.io/v1","status":{"userInfo":{"username":"jane"}}}`)
			return
		}
		var revocation v1alpha1.Revocation
		if err := json.NewDecoder(r.Body).Decode(&revocation); err != nil || r.Method != http.MethodPost {
			t.Errorf("%s %s: %v", r.Method, r.URL, err)
		}
		if revocation.Spec.By != "jane" || revocation.Spec.Why != "stolen" {
			t.Errorf("%s: by %q, why %q", revocation.Name, revocation.Spec.By, revocation.Spec.Why)
		}
		switch revocation.Spec.AgentID {
		case "001":
			w.WriteHeader(http.StatusCreated)
			_ = json.NewEncoder(w).Encode(revocation)
		case "002":
			w.WriteHeader(http.StatusConflict)
			fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"AlreadyExists","code":409}`)
		default:
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","message":"not this one","code":403}`)
		}
	})
	var log strings.Builder
	options := testOptions(t, "https://127.0.0.1:1")
	options.Log = slog.New(slog.NewJSONHandler(&log, nil))
	c := New(t.Context(), options)
	one := &visit{user: "jane", desk: d}
	name := c.visits.begin(one)
	held, err := one.rosterOf("acme", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	held.at = time.Now() // the manager has just been asked
	for _, id := range []string{"001", "002", "003"} {
		held.rows = append(held.rows, roster.Row{Agent: roster.Agent{ID: id, Name: "agent-" + id}})
	}
	got := call(c.Handler(), http.MethodPost, "/api/v1/tenants/acme/agents/revoke", `{"ids":["001","002","003"],"why":" stolen "}`, "Cookie", "console="+name)
	var revoked wire.Revoked
	if err := json.Unmarshal(got.Body.Bytes(), &revoked); err != nil || got.Code != http.StatusOK || len(revoked.Results) != 3 {
		t.Fatalf("%d %s", got.Code, got.Body)
	}
	if results := revoked.Results; results[0].Error != "" || results[0].Already || !results[1].Already || !strings.Contains(results[2].Error, "not this one") {
		t.Errorf("results: %+v", results)
	}
	if !strings.Contains(log.String(), `"agents":1,"of":3`) {
		t.Errorf("the log: %s", log.String())
	}
	if asked != 1 {
		t.Errorf("who revokes was asked %d times", asked)
	}
}
