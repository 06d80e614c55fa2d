package dnswebhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/soctalk/soctalk-ingress/internal/record"
)

const acme = "acme.soc.example.com"

// fake is a provider that keeps records in memory and can be unkind. What real ones
// do is in internal/conform.
type fake struct {
	mu       sync.Mutex
	records  []endpoint
	requests []string
	posted   []changes
	// answer replaces what a request, such as "POST /records", is answered with.
	answer map[string]http.HandlerFunc
	// after is done to every endpoint that is created or changed.
	after func(*endpoint)
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	what := r.Method + " " + r.URL.Path
	f.requests = append(f.requests, what)
	if answer := f.answer[what]; answer != nil {
		answer(w, r)
		return
	}
	w.Header().Set("Content-Type", mediaType)
	switch what {
	case "GET /":
		_, _ = w.Write([]byte(`{"include":["soc.example.com"]}`))
	case "GET /records":
		_ = json.NewEncoder(w).Encode(f.records)
	case "POST /adjustendpoints":
		var asked []endpoint
		_ = json.NewDecoder(r.Body).Decode(&asked)
		_ = json.NewEncoder(w).Encode(asked)
	case "POST /records":
		f.change(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (f *fake) change(w http.ResponseWriter, r *http.Request) {
	var post changes
	if err := json.NewDecoder(r.Body).Decode(&post); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	f.posted = append(f.posted, post)
	for _, gone := range append(post.Delete, post.UpdateOld...) {
		for i, have := range f.records {
			if have.DNSName == gone.DNSName && have.RecordType == gone.RecordType && have.SetIdentifier == gone.SetIdentifier {
				f.records = append(f.records[:i:i], f.records[i+1:]...)
				break
			}
		}
	}
	for _, made := range append(post.Create, post.UpdateNew...) {
		if f.after != nil {
			f.after(&made)
		}
		f.records = append(f.records, made)
	}
	w.WriteHeader(http.StatusNoContent)
}

func (f *fake) count(what string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	count := 0
	for _, request := range f.requests {
		if request == what {
			count++
		}
	}
	return count
}

func (f *fake) start(t *testing.T) *Writer {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	provider := New(Options{URL: server.URL, Lasts: time.Minute, Now: time.Now})
	t.Cleanup(provider.Close)
	return &Writer{Provider: provider, OwnerID: "eu-1"}
}

func sync1(t *testing.T, w *Writer, wanted ...record.Record) (record.Changes, error) {
	t.Helper()
	adjusted, err := w.Adjust(t.Context(), wanted)
	if err != nil {
		return record.Changes{}, err
	}
	read, err := w.Read(t.Context(), []string{acme})
	if err != nil {
		return record.Changes{}, err
	}
	planned := record.Plan(read, adjusted, w.OwnerID)
	return planned, w.Apply(t.Context(), read, planned, "tenant/acme")
}

// TestWordsOfAProvider: an error says who said what, in one line, and whether a
// person must act.
func TestWordsOfAProvider(t *testing.T) {
	say := func(code int, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, text, code) }
	}
	for name, c := range map[string]struct {
		request string
		answer  http.HandlerFunc
		want    string
		refused bool
	}{
		"its own words":     {"POST /records", say(500, "zone is\n locked\x00 by admin"), "answers 500 (Internal Server Error) to POST /records: zone is locked by admin", false},
		"no words":          {"GET /records", say(502, ""), "answers 502 (Bad Gateway) to GET /records: it does not say why; its log may", false},
		"many words":        {"GET /records", say(500, strings.Repeat("é", 4000)), "é…", false},
		"a refusal":         {"POST /records", say(422, "invalid TTL"), "answers 422 (Unprocessable Entity) to POST /records: invalid TTL", true},
		"too many requests": {"GET /records", say(429, "slow down"), "slow down", false},
		"elsewhere": {"GET /", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://192.0.2.1/", http.StatusFound)
		}, "answers 302 (Found)", true},
		"another program": {"GET /", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }, "is it an external-dns webhook provider?", true},
		"another version": {"GET /", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/external.dns.webhook+json;version=2")
			_, _ = w.Write([]byte("{}"))
		}, "version=1", true},
		"no list":               {"GET /records", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"a":`)) }, "the answer to GET /records cannot be read", false},
		"another success":       {"POST /records", say(200, "done"), "answers 200 (OK) to POST /records: done", true},
		"takes it and does not": {"POST /records", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, "took the change and does not list acme.soc.example.com. 60 A 192.0.2.7; does it manage that zone?", false},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fake{answer: map[string]http.HandlerFunc{c.request: c.answer}}
			_, err := sync1(t, f.start(t), record.Addresses(acme, 60, []string{"192.0.2.7"})...)
			var refused *record.Refused
			if err == nil || !strings.Contains(err.Error(), c.want) || errors.As(err, &refused) != c.refused {
				t.Errorf("error %v, want %q, refused %v", err, c.want, c.refused)
			}
			if err != nil && strings.ContainsAny(err.Error(), "\n\x00") {
				t.Errorf("error %q has more than one line", err)
			}
		})
	}
}

// TestOneListingForMany: a hundred tenants cost a provider one request, and a
// change of one of them two more.
func TestOneListingForMany(t *testing.T) {
	f := &fake{}
	w := f.start(t)
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			if _, err := w.Read(t.Context(), []string{fmt.Sprintf("t%d.soc.example.com", i)}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := f.count("GET /records"); got != 1 {
		t.Errorf("%d listings for 100 readers", got)
	}
	if _, err := sync1(t, w, record.Addresses(acme, 60, []string{"192.0.2.7"})...); err != nil {
		t.Fatal(err)
	}
	if got := f.count("GET /records"); got != 3 {
		t.Errorf("%d listings after a change, want one before it and one after it", got)
	}
	if planned, err := sync1(t, w, record.Addresses(acme, 60, []string{"192.0.2.7"})...); err != nil || !planned.Empty() || f.count("POST /records") != 1 {
		t.Errorf("again: %+v, %v", planned, err)
	}
}

// TestAProviderThatHangs keeps one reader waiting, and not those after it.
func TestAProviderThatHangs(t *testing.T) {
	now := time.Now()
	f := &fake{answer: map[string]http.HandlerFunc{"GET /records": func(w http.ResponseWriter, _ *http.Request) {
		now = now.Add(20 * time.Second)
		http.Error(w, "overloaded", http.StatusServiceUnavailable)
	}}}
	w := f.start(t)
	w.Provider.now = func() time.Time { return now }
	for _, c := range []struct {
		pause time.Duration
		asked int
	}{{0, 1}, {19 * time.Second, 1}, {2 * time.Second, 2}} {
		now = now.Add(c.pause)
		if _, err := w.Read(t.Context(), []string{acme}); err == nil || !strings.Contains(err.Error(), "overloaded") {
			t.Errorf("error %v", err)
		}
		if got := f.count("GET /records"); got != c.asked {
			t.Errorf("after %s it was asked %d times, want %d", c.pause, got, c.asked)
		}
	}
}

// TestSomebodyIsFaster: what was planned on an older listing is not carried out.
func TestSomebodyIsFaster(t *testing.T) {
	f := &fake{}
	w := f.start(t)
	read, err := w.Read(t.Context(), []string{acme})
	if err != nil {
		t.Fatal(err)
	}
	f.records = append(f.records, endpoint{DNSName: acme, RecordType: "AAAA", RecordTTL: 60, Targets: []string{"2001:DB8::99"}})
	planned := record.Plan(read, record.Addresses(acme, 60, []string{"192.0.2.7"}), "eu-1")
	if err := w.Apply(t.Context(), read, planned, "tenant/acme"); !errors.Is(err, record.ErrChanged) {
		t.Errorf("error %v, want %v", err, record.ErrChanged)
	}
	read, err = w.Read(t.Context(), []string{acme})
	if err != nil || len(read) != 1 || read[0].Values[0] != "2001:db8::99" {
		t.Errorf("read again: %+v, %v", read, err)
	}
	if len(f.posted) > 0 {
		t.Errorf("posted %+v", f.posted)
	}
}

// TestATTLThatIsRounded is asked for once: an unchanged tenant costs no write.
func TestATTLThatIsRounded(t *testing.T) {
	f := &fake{after: func(made *endpoint) { made.RecordTTL = max(made.RecordTTL, 300) }}
	w := f.start(t)
	for _, want := range []int{1, 1, 1} {
		if _, err := sync1(t, w, record.Addresses(acme, 60, []string{"192.0.2.7"})...); err != nil {
			t.Fatal(err)
		}
		if got := f.count("POST /records"); got != want {
			t.Errorf("%d changes, want %d", got, want)
		}
	}
	if _, err := sync1(t, w, record.Addresses(acme, 600, []string{"192.0.2.7"})...); err != nil {
		t.Fatal(err)
	}
	if have := f.records[len(f.records)-1]; have.RecordTTL != 600 {
		t.Errorf("another TTL is not asked for: %+v", have)
	}
}

// TestTextsOfOthersStay: a mark may share its name with a person's text; providers
// replace whole sets.
func TestTextsOfOthersStay(t *testing.T) {
	const person = `"v=spf1 -all"`
	f := &fake{records: []endpoint{{DNSName: "a-" + acme, RecordType: "TXT", Targets: []string{person}}}}
	w := f.start(t)
	texts := func(want ...string) {
		t.Helper()
		for _, have := range f.records {
			if have.RecordType == "TXT" {
				if diff := cmp.Diff(want, have.Targets); diff != "" {
					t.Errorf("texts (-want +got):\n%s", diff)
				}
			}
		}
	}
	if _, err := sync1(t, w, record.Addresses(acme, 60, []string{"192.0.2.7"})...); err != nil {
		t.Fatal(err)
	}
	texts(person, `"`+record.Owner{ID: "eu-1", Resource: "tenant/acme"}.Text()+`"`)
	if _, err := sync1(t, w); err != nil {
		t.Fatal(err)
	}
	texts(person)
	if len(f.records) != 1 {
		t.Errorf("left %+v", f.records)
	}
}

// TestUnlistedServicesAreTakenBack: the text beside ours stays, here too.
func TestUnlistedServicesAreTakenBack(t *testing.T) {
	service := record.Service("_wazuh._tcp", acme, 60, 1514)
	const person = `"v=spf1 -all"`
	name := record.Naming{}.Mark(service.Name, service.Type)
	f := &fake{records: []endpoint{{DNSName: name, RecordType: "TXT", Targets: []string{person}}}}
	f.after = func(made *endpoint) {
		if made.RecordType == record.SRV {
			made.RecordType = "unlisted"
		}
	}
	w := f.start(t)
	w.SRV = true
	err := w.Apply(t.Context(), nil, record.Changes{Create: []record.Record{service}}, "tenant/acme")
	var refused *record.Refused
	if !errors.As(err, &refused) || !strings.Contains(refused.Why, "does not list them") {
		t.Errorf("got %v", err)
	}
	var texts []string
	for _, have := range f.records {
		if have.RecordType == "TXT" {
			texts = append(texts, have.Targets...)
		}
	}
	if diff := cmp.Diff([]string{person}, texts); diff != "" {
		t.Errorf("texts (-want +got):\n%s", diff)
	}
	last := f.posted[len(f.posted)-1]
	if len(last.Delete) != 1 || last.Delete[0].RecordType != record.SRV {
		t.Errorf("deleted %+v", last.Delete)
	}
}

// TestMembersOfASetAreOthers: weighted or regional records at the name are left
// alone, whatever their marks say.
func TestMembersOfASetAreOthers(t *testing.T) {
	f := &fake{records: []endpoint{
		{DNSName: acme, RecordType: "A", SetIdentifier: "blue", RecordTTL: 60, Targets: []string{"192.0.2.1"}},
		{DNSName: "a-" + acme, RecordType: "TXT", SetIdentifier: "blue", Targets: []string{record.Owner{ID: "eu-1"}.Text()}},
	}}
	planned, err := sync1(t, f.start(t), record.Addresses(acme, 60, []string{"192.0.2.7"})...)
	if err != nil || len(planned.Blocked) != 1 || len(f.posted) != 0 {
		t.Errorf("planned %+v, posted %+v, %v", planned, f.posted, err)
	}
}

// TestAliasGoesFirst: no server holds an alias beside an address.
func TestAliasGoesFirst(t *testing.T) {
	f := &fake{}
	w := f.start(t)
	for _, target := range []string{"lb.cloud.example", "192.0.2.7"} {
		if _, err := sync1(t, w, record.Addresses(acme, 60, []string{target})...); err != nil {
			t.Fatal(err)
		}
	}
	if len(f.posted) != 3 || len(f.posted[1].Delete) != 2 || len(f.posted[1].Create) != 0 || len(f.posted[2].Create) != 2 {
		t.Errorf("posted %+v", f.posted)
	}
}

func TestFilter(t *testing.T) {
	for _, c := range []struct {
		filter filter
		name   string
		want   bool
	}{
		{filter{}, acme, true},
		{filter{Include: []string{"example.com"}}, acme, true},
		{filter{Include: []string{"ample.com"}}, acme, false},
		{filter{Include: []string{"SOC.example.com."}}, "soc.example.com", true},
		{filter{Include: []string{".soc.example.com"}}, "soc.example.com", false},
		{filter{Include: []string{"example.com"}, Exclude: []string{"soc.example.com"}}, acme, false},
		{filter{RegexInclude: `^a.*\.com$`}, acme, true},
		{filter{RegexInclude: `^b`}, acme, false},
		{filter{RegexExclude: `^a`}, acme, false},
		{filter{RegexExclude: `^b`}, acme, true},
	} {
		if err := c.filter.compile(); err != nil {
			t.Fatal(err)
		}
		if got := c.filter.match(c.name); got != c.want {
			t.Errorf("%s through %s: %v", c.name, &c.filter, got)
		}
	}
	bad := filter{Include: []string{"a"}, RegexInclude: "b"}
	if bad.compile() == nil || (&filter{RegexExclude: "("}).compile() == nil {
		t.Error("a filter that means nothing is accepted")
	}
}

// FuzzListing: what a provider lists comes from the network.
func FuzzListing(f *testing.F) {
	f.Add([]byte(`[{"dnsName":"acme.soc.example.com","recordType":"A","targets":["192.0.2.7"],"recordTTL":60},
		{"dnsName":"a-acme.soc.example.com","recordType":"TXT","targets":["\"heritage=external-dns,external-dns/owner=eu-1\""]}]`))
	f.Add([]byte(`[{"dnsName":"acme.soc.example.com","recordType":"CNAME","targets":[""],"recordTTL":-1,"providerSpecific":[{}]}]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var found []endpoint
		if json.Unmarshal(text, &found) != nil {
			return
		}
		l := listing{names: index(found)}
		b := builder{Writer: &Writer{OwnerID: "eu-1"}, listed: l}
		for _, have := range l.current(acme, record.Naming{}) {
			if have.Name != acme {
				t.Errorf("read %+v at %s", have, acme)
			}
			b.remove(have)
		}
	})
}
