package policy

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What one program writes the other reads, to the last field.
func TestRoundTrip(t *testing.T) {
	day := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	network := netip.MustParsePrefix("192.0.2.0/24")
	p := &Policy{
		Generation: 7, Suspended: true, Secret: d("a"), Previous: &Previous{Secret: d("b"), Until: day},
		Tokens: []Token{{Name: "t", Secret: d("c"), NotBefore: day, Expires: day.Add(1), MaxUses: 3, Group: "g", Names: "web-*", Sources: []netip.Prefix{network}, Revoked: true}},
		Deny:   []Ban{{ID: "1", Name: "n"}, {ID: "1", KeyHash: strings.Repeat("ab", 20)}, {ID: "2", Source: network, Until: day}},
		Proxy:  Proxy{Mode: ProxyRequired, Trusted: []netip.Prefix{network}}, SourceIP: SourceSubstitute,
		Limits: Limits{}.WithDefaults(),
	}
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	small := &Policy{Generation: 1, Secret: d("a")}
	if text, err = json.Marshal(small); err != nil || strings.Count(string(text), ":") != 2 {
		t.Errorf("a small policy has fields it doesn't need: %s, %v", text, err)
	}
}

// Every fault names its field.
func TestParseRefuses(t *testing.T) {
	a, b := digestText("a"), digestText("b")
	for text, want := range map[string]string{
		``:                                "policy: EOF",
		`{"generation": 1} {}`:            "more after the closing brace",
		`{"generation": 1, "tokenz": []}`: `unknown field "tokenz"`,
		`{}`:                              "generation: 0: want 1 or more",
		`{"generation": 1, "needs": 2}`:   "needs: 2: want at most the policy's own version, 1",
		`{"generation": 1, "version": 1, "tokenz": []}`:                                                                                               `unknown field "tokenz"`,
		`{"generation": 1, "version": 2, "needs": 2, "tokenz": []}`:                                                                                   "needs a gateway that knows version 2, and this one knows 1",
		`{"generation": 0, "version": 2, "needs": 1, "tokenz": []}`:                                                                                   "generation: 0: want 1 or more",
		`{"generation": 1, "secret": "abc"}`:                                                                                                          "64 hexadecimal",
		`{"generation": 1, "secret": "` + strings.Repeat("z", 64) + `"}`:                                                                              "not hexadecimal",
		`{"generation": 1, "secret": "` + digestText("") + `"}`:                                                                                       "secret: is the digest of nothing",
		`{"generation": 1, "previous": {"secret": "` + a + `"}}`:                                                                                      "previous.until: is missing",
		`{"generation": 1, "previous": {"until": "2026-11-23T00:00:00Z"}}`:                                                                            "previous.secret: is missing",
		`{"generation": 1, "secret": "` + a + `", "previous": {"secret": "` + a + `", "until": "2026-11-23T00:00:00Z"}}`:                              "the rotation changed nothing",
		`{"generation": 1, "tokens": [{"name": "t"}]}`:                                                                                                "tokens[0].secret: is missing",
		`{"generation": 1, "tokens": [{"name": "a b", "secret": "` + a + `"}]}`:                                                                       `tokens[0].name: "a b"`,
		`{"generation": 1, "secret": "` + a + `", "tokens": [{"name": "t", "secret": "` + a + `"}]}`:                                                  "tokens[0].secret: is the same as secret",
		`{"generation": 1, "tokens": [{"name": "t", "secret": "` + a + `"}, {"name": "t", "secret": "` + b + `"}]}`:                                   `tokens[1].name: "t" is there twice`,
		`{"generation": 1, "tokens": [{"name": "t", "secret": "` + a + `", "group": "x,y"}]}`:                                                         `tokens[0].group: "x,y"`,
		`{"generation": 1, "tokens": [{"name": "t", "secret": "` + a + `", "names": "["}]}`:                                                           `tokens[0].names: "["`,
		`{"generation": 1, "tokens": [{"name": "t", "secret": "` + a + `", "maxUses": -1}]}`:                                                          "tokens[0].maxUses: -1",
		`{"generation": 1, "tokens": [{"name": "t", "secret": "` + a + `", "expires": "2026-01-01T00:00:00Z", "notBefore": "2026-01-02T00:00:00Z"}]}`: "tokens[0].expires",
		`{"generation": 1, "deny": [{"id": "x"}]}`:                                                                                                    "deny[0]: has 0 of",
		`{"generation": 1, "deny": [{"id": "x", "name": "a", "keyHash": "b"}]}`:                                                                       "deny[0]: has 2 of",
		`{"generation": 1, "deny": [{"name": "a"}]}`:                                                                                                  "deny[0].id",
		`{"generation": 1, "deny": [{"id": "x", "source": "10.0.0.1"}]}`:                                                                              "no '/'",
		`{"generation": 1, "proxy": {"mode": "maybe"}}`:                                                                                               `proxy.mode: "maybe"`,
		`{"generation": 1, "proxy": {"mode": "required"}}`:                                                                                            "proxy.trusted: is empty",
		`{"generation": 1, "sourceIP": "keep"}`:                                                                                                       `sourceIP: "keep"`,
		`{"generation": 1, "limits": {"hello": "1h"}}`:                                                                                                "limits.hello: 1h0m0s",
		`{"generation": 1, "limits": {"hello": "soon"}}`:                                                                                              `duration "soon"`,
		`{"generation": 1, "limits": {"line": 10}}`:                                                                                                   "limits.line: 10",
		`{"generation": 1, "limits": {"connections": -1}}`:                                                                                            "limits.connections: -1",
	} {
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

func digestText(secret string) string {
	text, _ := DigestOf([]byte(secret)).MarshalText()
	return string(text)
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"generation": 1, "secret": "` + digestText("a") + `", "deny": [{"id": "x", "source": "10.0.0.0/8"}]}`))
	f.Add([]byte(`{"generation": 1, "limits": {"hello": "5s"}, "tokens": [{"name": "t", "names": "[a-z]*"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := Parse(text)
		if err != nil {
			return
		}
		again, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(again); err != nil {
			t.Fatalf("%s was accepted, its own spelling %s is not: %v", text, again, err)
		}
		Decide(p, Attempt{Secret: p.Secret, Name: "web-01", Source: netip.MustParseAddr("10.0.0.1")}, time.Unix(0, 0))
	})
}
