package console

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/console/wire"
)

// watcherAt is a client for Tenants at a server that the test answers for.
func watcherAt(t *testing.T, answers http.HandlerFunc) client.WithWatch {
	t.Helper()
	server := httptest.NewServer(answers)
	t.Cleanup(server.Close)
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(v1alpha1.GroupVersion.WithKind("Tenant"), meta.RESTScopeRoot)
	watcher, err := client.NewWithWatch(&rest.Config{Host: server.URL}, client.Options{Scheme: scheme, Mapper: mapper})
	if err != nil {
		t.Fatal(err)
	}
	return watcher
}

// The API server asks for a token when a watch begins and not again, so that a watch must
// not last as long as a session: it is begun anew, goes on where it was, and ends the
// session of a person whose token has ended.
func TestAWatchDoesNotOutliveTheToken(t *testing.T) {
	var watches atomic.Int32
	watcher := watcherAt(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		query := r.URL.Query()
		if query.Get("watch") == "" {
			fmt.Fprint(w, `{"kind":"TenantList","apiVersion":"ingress.soctalk.io/v1alpha1","metadata":{"resourceVersion":"7"},"items":[]}`)
			return
		}
		if lasts, err := time.ParseDuration(query.Get("timeoutSeconds") + "s"); err != nil || lasts > 5*time.Minute || lasts < time.Second {
			t.Errorf("a watch of %q seconds", query.Get("timeoutSeconds"))
		}
		switch number := watches.Add(1); {
		case number == 1 && query.Get("resourceVersion") == "7":
			fmt.Fprintln(w, `{"type":"MODIFIED","object":{"kind":"Tenant","apiVersion":"ingress.soctalk.io/v1alpha1","metadata":{"name":"acme","resourceVersion":"9"}}}`)
			fmt.Fprintln(w, `{"type":"BOOKMARK","object":{"kind":"Tenant","apiVersion":"ingress.soctalk.io/v1alpha1","metadata":{"resourceVersion":"12"}}}`)
		case number == 2 && query.Get("resourceVersion") == "12":
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprintln(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Unauthorized","code":401}`)
		default:
			t.Errorf("watch %d from version %q", number, query.Get("resourceVersion"))
		}
	})
	c := New(t.Context(), testOptions(t, "https://127.0.0.1:1"))
	one := &visit{user: "jane", watch: watcher}
	name := c.visits.begin(one)
	news := make(chan told, backlog)
	c.follow(t.Context(), one, kinds()[0], news)
	if one.ctx.Err() == nil || c.visits.find(name, false) != nil {
		t.Error("the session goes on without a token")
	}
	close(news)
	var all []told
	for change := range news {
		all = append(all, change)
	}
	if len(all) != 1 || all[0] != (told{"change", wire.Change{Kind: "tenants", Tenant: "acme", Name: "acme"}}) {
		t.Errorf("told: %v", all)
	}
}

// When a watch cannot go on where it was, something may have changed.
func TestAWatchThatWasBrokenOffTellsOfAChange(t *testing.T) {
	var watches atomic.Int32
	ctx, stop := context.WithCancel(t.Context())
	watcher := watcherAt(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.URL.Query().Get("watch") == "":
			fmt.Fprint(w, `{"kind":"TenantList","apiVersion":"ingress.soctalk.io/v1alpha1","metadata":{"resourceVersion":"7"},"items":[]}`)
		case watches.Add(1) == 1:
			fmt.Fprintln(w, `{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Expired","code":410}}`)
		default:
			stop()
		}
	})
	c := New(t.Context(), testOptions(t, "https://127.0.0.1:1"))
	one := &visit{user: "jane", watch: watcher}
	c.visits.begin(one)
	news := make(chan told, backlog)
	c.follow(ctx, one, kinds()[0], news)
	if len(news) != 1 || <-news != (told{"change", wire.Change{Kind: "tenants"}}) {
		t.Errorf("%d changes are told", len(news))
	}
}

// A stream says nothing more once the person has signed out, and its end is told; with
// HTTP/2, as browsers come, and without.
func TestAStreamEndsWithTheSession(t *testing.T) {
	for protocol, plain := range map[string]bool{"HTTP/1.1": true, "HTTP/2.0": false} {
		t.Run(protocol, func(t *testing.T) {
			options := testOptions(t, "https://127.0.0.1:1")
			options.Plain = plain
			c := New(t.Context(), options)
			release := make(chan struct{})
			watcher := watcherAt(t, func(http.ResponseWriter, *http.Request) { <-release })
			t.Cleanup(func() { close(release) })
			one := &visit{user: "jane", watch: watcher}
			name := c.visits.begin(one)
			server := httptest.NewUnstartedServer(c.Handler())
			server.Config.ReadTimeout, server.Config.WriteTimeout = 200*time.Millisecond, 200*time.Millisecond
			if server.EnableHTTP2 = !plain; plain {
				server.Start()
			} else {
				server.StartTLS()
			}
			t.Cleanup(server.Close)
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/api/v1/events", nil)
			if err != nil {
				t.Fatal(err)
			}
			request.AddCookie(&http.Cookie{Name: c.cookieName(request), Value: name})
			answer, err := server.Client().Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			if answer.StatusCode != http.StatusOK || answer.Proto != protocol {
				t.Fatalf("status %d, %s", answer.StatusCode, answer.Proto)
			}
			// The server's limits are for answers that end: the stream outlives them.
			time.AfterFunc(time.Second, func() { c.visits.finish(one) })
			text := readAll(t, answer)
			if !strings.HasSuffix(text, "event: end\ndata: {}\n\n") || strings.Contains(text, "event: change") {
				t.Errorf("the stream says %q", text)
			}
		})
	}
}

// A browser without HTTP/2 has six connections to one host, and needs some to ask with.
func TestPagesWithoutTLSKeepConnectionsFree(t *testing.T) {
	c := New(t.Context(), testOptions(t, "https://127.0.0.1:1"))
	one := &visit{user: "jane"}
	name := c.visits.begin(one)
	for range maxStreamsPlain {
		if !one.enter(maxStreamsPlain) {
			t.Fatal("too few")
		}
	}
	if got := call(c.Handler(), http.MethodGet, "/api/v1/events", "", "Cookie", "console="+name); got.Code != http.StatusServiceUnavailable {
		t.Errorf("one stream more: %d", got.Code)
	}
}
