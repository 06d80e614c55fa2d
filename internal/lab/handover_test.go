package lab_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/lab"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/reveal"
)

// quietLog collects a log that several goroutines write.
type quietLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (q *quietLog) Write(p []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.text.Write(p)
}

func (q *quietLog) String() string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.text.String()
}

// site serves the page over TLS, as its service account.
func site(t *testing.T, l *lab.Lab, now func() time.Time) (*httptest.Server, *quietLog) {
	t.Helper()
	log := &quietLog{}
	made, err := l.HandoverSite(log, now)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewTLSServer(made.Handler())
	t.Cleanup(server.Close)
	return server, log
}

// newLink makes a link by the command line, and returns it with its fragment.
func newLink(t *testing.T, l *lab.Lab, slug string) (url, fragment string) {
	t.Helper()
	out := succeed(t, l, "handover", "create", slug, "--url", "https://onboard.example.com", "--expires", "2h", "--why", "ticket 4711")
	url = strings.TrimSpace(out)
	_, fragment, found := strings.Cut(url, "#")
	if !found || !strings.HasPrefix(url, "https://onboard.example.com/kit#"+slug+".h-") {
		t.Fatal("the link does not have its form")
	}
	return url, fragment
}

// opening is what the button gets.
type opening struct {
	Status                                   int
	Title, Page, Secret, File, Code, Message string
	Bundle                                   []byte
}

func open(t *testing.T, server *httptest.Server, fragment string) opening {
	t.Helper()
	body, err := json.Marshal(map[string]string{"link": fragment})
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/kit/open", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	got := opening{Status: response.StatusCode}
	if err := json.NewDecoder(response.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if response.Header.Get("Cache-Control") != "no-store" {
		t.Error("the answer may be kept by a cache")
	}
	return got
}

func handoverOf(t *testing.T, l *lab.Lab, slug, fragment string) *v1alpha1.Handover {
	t.Helper()
	held := &v1alpha1.Handover{}
	name := strings.Split(fragment, ".")[1]
	if err := l.Client.Get(t.Context(), types.NamespacedName{Namespace: naming.Namespace(slug), Name: name}, held); err != nil {
		t.Fatal(err)
	}
	return held
}

// Nine browsers press the button of one link: one gets the kit, eight are told
// that it is used, and the Tenant has an alarm for each of those.
func TestALinkOpensOnce(t *testing.T) {
	t.Parallel()
	l := installation(t)
	create(t, l, "linked", v1alpha1.TenantSpec{DisplayName: "Linked & Sons"})
	becomesReady(t, l, "linked")
	secret := enrollmentSecret(t, l, "linked").Reveal()
	server, log := site(t, l, nil)
	_, fragment := newLink(t, l, "linked")
	token := fragment[strings.LastIndex(fragment, ".")+1:]

	// What mail scanners do spends nothing; who guesses learns nothing.
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		request, _ := http.NewRequestWithContext(t.Context(), method, server.URL+"/kit", nil)
		response, err := server.Client().Do(request)
		if err != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("%s /kit: %v, %v", method, response, err)
		}
		text, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if csp := response.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || bytes.Contains(text, []byte("://")) {
			t.Errorf("the page may load something from elsewhere: %s", csp)
		}
	}
	wrong := open(t, server, "linked."+strings.Split(fragment, ".")[1]+"."+strings.Repeat("A", 43))
	nobody := open(t, server, "linked.h-000000000000."+token)
	if wrong.Status != 404 || wrong.Code != "unknown" || wrong.Message != nobody.Message || nobody.Status != 404 {
		t.Errorf("a wrong token: %d %s; a link that does not exist: %d %s", wrong.Status, wrong.Code, nobody.Status, nobody.Code)
	}
	if handoverOf(t, l, "linked", fragment).Status.OpenedAt != nil {
		t.Fatal("the link is spent before anybody opened it")
	}

	const browsers = 8 // with the two attempts above, what one address has at once
	answers := make([]opening, browsers)
	var done sync.WaitGroup
	for i := range browsers {
		done.Go(func() { answers[i] = open(t, server, fragment) })
	}
	done.Wait()
	var won *opening
	for i := range answers {
		switch answer := &answers[i]; {
		case answer.Status == 200 && won == nil:
			won = answer
		case answer.Status != 410 || answer.Code != "used" || answer.Secret != "" || len(answer.Bundle) > 0:
			t.Errorf("browser %d: %d %s", i, answer.Status, answer.Code)
		}
	}
	if won == nil {
		t.Fatalf("nobody got the kit: %s", log)
	}
	if won.Secret != secret || won.Title != "Linked & Sons" || !strings.Contains(won.Page, "linked."+domain) || strings.Contains(won.Page, secret) {
		t.Error("the kit is not the tenant's, or the page shows the secret unasked")
	}
	files := unzip(t, won.Bundle)
	if string(files["linked-wazuh-agents/authd.pass"]) != secret+"\n" || len(files["linked-wazuh-agents/soctalk-ca.pem"]) == 0 {
		t.Errorf("the bundle lacks the secret or the authority: %d files", len(files))
	}
	held := handoverOf(t, l, "linked", fragment)
	if held.Status.OpenedAt == nil || held.Status.From != "127.0.0.1" {
		t.Errorf("status: %+v", held.Status)
	}
	if count, note := told(t, l, "linked", v1alpha1.EventHandoverOpenedAgain); count != browsers-1 || !strings.Contains(note, "127.0.0.1") {
		t.Errorf("%d warnings: %s", count, note)
	}
	status, err := reveal.Look(t.Context(), l.Client, reveal.Enrollment("linked"))
	if err != nil || status.State != reveal.Revealed || !strings.Contains(status.Revealed.By, held.Name) || status.Revealed.Why != "ticket 4711" {
		t.Errorf("the secret: %+v, %v", status, err)
	}
	stored, err := json.Marshal(held)
	if err != nil {
		t.Fatal(err)
	}
	audit, err := os.ReadFile(l.Plane.AuditLog())
	if err != nil {
		t.Fatal(err)
	}
	_, notes := told(t, l, "linked", v1alpha1.EventHandoverOpened)
	for place, text := range map[string]string{"the Handover": string(stored), "the page's log": log.String(), "the API server's audit": string(audit), "the events": notes} {
		if strings.Contains(text, token) || strings.Contains(text, secret) {
			t.Errorf("token or secret stands in %s", place)
		}
	}
	if !strings.Contains(log.String(), `"outcome":"opened"`) || !strings.Contains(log.String(), `"outcome":"used"`) {
		t.Errorf("the log does not tell what happened: %s", log)
	}

	// The reveal is used up: the next link needs a re-arm, and says so.
	if code, out, talk := run(t, l, "handover", "create", "linked", "--url", "https://onboard.example.com", "--why", "again"); code != 4 || out != "" || !strings.Contains(talk, "secret rearm linked") {
		t.Errorf("a second link: exit %d, %s", code, talk)
	}
	table := succeed(t, l, "handover", "list", "linked")
	if !strings.Contains(table, "opened") || !strings.Contains(table, "127.0.0.1") || strings.Contains(table, token) {
		t.Errorf("the list: %s", table)
	}
}

// A link that expired, was taken back, or whose secret went another way, opens
// nothing; and the last is still good after a re-arm.
func TestALinkThatOpensNothing(t *testing.T) {
	t.Parallel()
	l := installation(t)
	create(t, l, "unlinked", v1alpha1.TenantSpec{})
	becomesReady(t, l, "unlinked")
	server, _ := site(t, l, nil)
	_, first := newLink(t, l, "unlinked")
	late, _ := site(t, l, func() time.Time { return time.Now().Add(3 * time.Hour) })
	if got := open(t, late, first); got.Status != 410 || got.Code != "expired" {
		t.Errorf("an expired link: %d %s", got.Status, got.Code)
	}
	succeed(t, l, "secret", "reveal", "unlinked", "--why", "by hand")
	if got := open(t, server, first); got.Status != 409 || got.Code != "secret-spent" || strings.Contains(got.Message, "by hand") {
		t.Errorf("a link whose secret was shown: %d %s", got.Status, got.Code)
	}
	succeed(t, l, "secret", "rearm", "unlinked", "--why", "the link must work")
	_, second := newLink(t, l, "unlinked")
	succeed(t, l, "handover", "revoke", "unlinked", strings.Split(second, ".")[1], "--why", "sent to the wrong person")
	if got := open(t, server, second); got.Status != 410 || got.Code != "revoked" {
		t.Errorf("a revoked link: %d %s", got.Status, got.Code)
	}
	if got := open(t, server, first); got.Status != 200 || got.Secret == "" {
		t.Errorf("the link that was left: %d %s", got.Status, got.Code)
	}
	if code, _, talk := run(t, l, "handover", "revoke", "unlinked", strings.Split(first, ".")[1], "--why", "too late"); code != 4 || !strings.Contains(talk, "rotate") {
		t.Errorf("revoking an opened link: exit %d, %s", code, talk)
	}
	held := handoverOf(t, l, "unlinked", second)
	held.Spec.Revoked = false
	if err := l.Client.Update(t.Context(), held); err == nil {
		t.Error("a revoked link was put back")
	}
	held = handoverOf(t, l, "unlinked", first)
	held.Spec.TokenSHA256 = strings.Repeat("0", 64)
	if err := l.Client.Update(t.Context(), held); err == nil {
		t.Error("a link's token was replaced")
	}
}

func unzip(t *testing.T, archive []byte) map[string][]byte {
	t.Helper()
	reader, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, file := range reader.File {
		content, err := file.Open()
		if err != nil {
			t.Fatal(err)
		}
		if files[file.Name], err = io.ReadAll(content); err != nil {
			t.Fatal(err)
		}
		_ = content.Close()
	}
	return files
}
