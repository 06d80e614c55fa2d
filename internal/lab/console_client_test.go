package lab_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"sync"
	"testing"

	"github.com/soctalk/soctalk-ingress/internal/console/wire"
	"github.com/soctalk/soctalk-ingress/internal/lab"
)

// logBook is a log that may be read while it is written.
type logBook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBook) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBook) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// caller is somebody at the console. It keeps every answer, to be searched for
// secrets.
type caller struct {
	t    *testing.T
	url  string
	http *http.Client

	mu      sync.Mutex
	answers bytes.Buffer
}

func newCaller(t *testing.T, url string) *caller {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &caller{t: t, url: url, http: &http.Client{Jar: jar}}
}

// at signs somebody in who has roles of the chart.
func at(t *testing.T, l *lab.Lab, url, name string, roles ...string) *caller {
	t.Helper()
	token, err := l.PersonToken(t.Context(), name, roles...)
	if err != nil {
		t.Fatal(err)
	}
	b := newCaller(t, url)
	session := want[wire.Session](b, "POST /api/v1/session", wire.SignInRequest{Token: token}, http.StatusOK)
	if expected := "system:serviceaccount:soctalk-system:" + name; session.User != expected {
		t.Errorf("signed in as %q, want %q", session.User, expected)
	}
	return b
}

// send asks the API and returns what it says.
func (b *caller) send(what string, body any) (int, []byte) {
	b.t.Helper()
	method, path, _ := strings.Cut(what, " ")
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			b.t.Fatal(err)
		}
	}
	request, err := http.NewRequestWithContext(b.t.Context(), method, b.url+path, bytes.NewReader(text))
	if err != nil {
		b.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Sec-Fetch-Site", "same-origin")
	answer, err := b.http.Do(request)
	if err != nil {
		b.t.Fatal(err)
	}
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	if !strings.HasSuffix(path, "/secret/reveal") {
		b.mu.Lock()
		b.answers.Write(got)
		b.mu.Unlock()
	}
	return answer.StatusCode, got
}

// want expects an answer of one type with one status, and no field beside that type's.
func want[T any](b *caller, what string, body any, status int) T {
	b.t.Helper()
	var into T
	got, text := b.send(what, body)
	if got != status {
		b.t.Fatalf("%s: %d %s, want %d", what, got, text, status)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&into); err != nil {
		b.t.Fatalf("%s: %v in %s", what, err, text)
	}
	return into
}

// refused wants a problem that says something, in some field where one is given.
func (b *caller) refused(what string, body any, status int, field, says string) {
	b.t.Helper()
	problem := want[wire.Problem](b, what, body, status)
	if problem.Field != field || !strings.Contains(problem.Error+" "+problem.Next, says) {
		b.t.Errorf("%s: %+v, want field %q and %q", what, problem, field, says)
	}
}

// soon asks until the answer is as wanted.
func soon[T any](b *caller, what, path string, wanted func(T) bool) T {
	b.t.Helper()
	var last T
	eventually(b.t, what, func(context.Context) (bool, error) {
		last = want[T](b, "GET "+path, nil, http.StatusOK)
		return wanted(last), nil
	})
	return last
}

// listen collects the stream's changes until the test ends.
func (b *caller) listen(query string) func(kind, tenant string) bool {
	b.t.Helper()
	request, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, b.url+"/api/v1/events"+query, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	answer, err := b.http.Do(request)
	if err != nil {
		b.t.Fatal(err)
	}
	if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "text/event-stream" {
		b.t.Fatalf("the stream answers %d, %s", answer.StatusCode, answer.Header.Get("Content-Type"))
	}
	b.t.Cleanup(func() { _ = answer.Body.Close() })
	var mu sync.Mutex
	seen := map[[2]string]bool{}
	go func() {
		scanner := bufio.NewScanner(answer.Body)
		event := ""
		for scanner.Scan() {
			if name, ok := strings.CutPrefix(scanner.Text(), "event: "); ok {
				event = name
			}
			data, ok := strings.CutPrefix(scanner.Text(), "data: ")
			if !ok {
				continue
			}
			var change wire.Change
			if json.Unmarshal([]byte(data), &change) == nil {
				mu.Lock()
				seen[[2]string{event + " " + change.Kind, change.Tenant}] = true
				mu.Unlock()
			}
			b.mu.Lock()
			b.answers.WriteString(data)
			b.mu.Unlock()
		}
	}()
	return func(kind, tenant string) bool {
		mu.Lock()
		defer mu.Unlock()
		return seen[[2]string{kind, tenant}]
	}
}
