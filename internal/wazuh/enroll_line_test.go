package wazuh

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEnrollVectors(t *testing.T) {
	v := loadVectors(t)
	request := EnrollRequest{Password: NewSecret("T3nant-Secret"), Name: "web-01", Version: "v4.14.7", Groups: "default"}
	again := request
	again.IP, again.KeyHash = SourceIP, v.KeyHash
	for name, c := range map[string]struct{ got, want []byte }{
		"request":  {AppendEnrollRequest(nil, request), unhex(t, v.Authd["request_hex"])},
		"again":    {AppendEnrollRequest(nil, again), unhex(t, v.Authd["reenroll_hex"])},
		"response": {AppendEnrollResponse(nil, v.key()), unhex(t, v.Authd["response_hex"])},
		"wrong":    {(&Refused{ReasonInvalidPassword}).Append(nil), unhex(t, v.Authd["bad_hex"])},
	} {
		if diff := cmp.Diff(string(c.want), string(c.got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	parsed, err := ParseEnrollRequest(unhex(t, v.Authd["reenroll_hex"]), request.Password)
	if diff := cmp.Diff(again, parsed); diff != "" || err != nil {
		t.Errorf("parse (-want +got):\n%s%v", diff, err)
	}
	key, err := ParseEnrollResponse(unhex(t, v.Authd["response_hex"]))
	if diff := cmp.Diff(v.key(), key); diff != "" || err != nil {
		t.Errorf("response (-want +got):\n%s%v", diff, err)
	}
	_, err = ParseEnrollResponse(unhex(t, v.Authd["bad_hex"]))
	var refused *Refused
	if !errors.As(err, &refused) || !refused.WrongPassword() {
		t.Errorf("refusal: got %v", err)
	}
}

// Managers before 4.13 refuse in two texts, which may be read as one.
func TestOlderRefusals(t *testing.T) {
	for text, want := range map[string]struct {
		reason string
		whole  bool
	}{
		"ERROR: Invalid password. Unable to add agent":               {ReasonInvalidPassword, true},
		"ERROR: Invalid password":                                    {ReasonInvalidPassword, false},
		"ERROR: Invalid passwordERROR: Unable to add agent":          {ReasonInvalidPassword, true},
		"ERROR: Invalid password\nERROR: Unable to add agent.\n\n":   {ReasonInvalidPassword, false},
		"ERROR: Unable to add agent":                                 {ReasonUnable, true},
		"ERROR: Unable to add agent\n\n":                             {ReasonUnable, true},
		"ERROR: ":                                                    {ReasonUnable, false},
		"ERROR: Duplicate agent name: xERROR: Unable to add agent\n": {ReasonDuplicateName("x"), true},
		"HTTP/1.1 400":                                               {"", false},
	} {
		_, err := ParseEnrollResponse([]byte(text))
		var refused *Refused
		if got := errors.As(err, &refused); got != (want.reason != "") || got && refused.Reason != want.reason {
			t.Errorf("%q: got %v, want %q", text, err, want.reason)
		}
		if got := WholeRefusal([]byte(text)); got != want.whole {
			t.Errorf("%q: whole is %v", text, got)
		}
	}
}

// Each row was tried on a real authd, or follows its parser.
func TestParseEnrollRequest(t *testing.T) {
	type want struct {
		reason                          string
		name, version, groups, ip, hash string
	}
	for line, w := range map[string]want{
		"OSSEC PASS: pw OSSEC A:'web-01'":                  {name: "web-01"},
		"OSSEC PASS: pw OSSEC A:'web-01' V:'v4.14.7'":      {name: "web-01", version: "v4.14.7"},
		"OSSEC PASS: pw OSSEC A:'web-01' G:'a,b,a'":        {name: "web-01", groups: "a,b"},
		"OSSEC PASS: pw OSSEC A:'web-01' G:'a' V:'v9.9.9'": {name: "web-01", groups: "a"}, // V out of order is not seen
		"OSSEC PASS: pw OSSEC A:'web-01' IP:'10.0.0.0/8'":  {name: "web-01", ip: "10.0.0.0/8"},
		"OSSEC PASS: pw OSSEC A:'web-01' K:'ab' rubbish":   {name: "web-01", hash: "ab"},
		"OSSEC PASS: pw OSSEC A:'web-01'  V:'v9.9.9'":      {name: "web-01"},
		"OSSEC PASS: pX OSSEC A:'web-01'":                  {reason: "Invalid password"},
		"OSSEC PASS: pwOSSEC A:'web-01'":                   {reason: "Invalid password"},
		"OSSEC PASS: pw":                                   {reason: "Invalid password"},
		"OSSEC A:'web-01'":                                 {reason: "Invalid password"},
		"":                                                 {reason: "Invalid password"},
		"OSSEC PASS: pw  OSSEC A:'web-01'":                 {reason: "Invalid request for new agent"},
		"OSSEC PASS: pw OSSEC A:'web-01":                   {reason: "Invalid request for new agent"},
		"OSSEC PASS: pw OSSEC A:'x'":                       {reason: "Invalid agent name: x"},
		"OSSEC PASS: pw OSSEC A:'web-01' V:'v4":            {reason: "Unterminated version field"},
		"OSSEC PASS: pw OSSEC A:'web-01' G:'a":             {reason: "Unterminated group field"},
		"OSSEC PASS: pw OSSEC A:'web-01' IP:'a":            {reason: "Unterminated IP field"},
		"OSSEC PASS: pw OSSEC A:'web-01' IP:'a'":           {reason: "Invalid IP: a"},
		"OSSEC PASS: pw OSSEC A:'web-01' K:'a":             {reason: "Unterminated key field"},
		"OSSEC PASS: pw OSSEC A:'web-01' G:''":             {reason: "Invalid group name: Empty Group"},
		"OSSEC PASS: pw OSSEC A:'web-01' IP:''":            {reason: "Invalid IP: "},
		"OSSEC PASS: pw OSSEC A:'web-01' G:'a b'":          {reason: "Invalid group name: a b... white spaces are not allowed"},
		"OSSEC PASS: pw OSSEC A:'web-01' G:'../x'":         {reason: `Invalid group name: ../x... characters '\/:*?"<>|,' are prohibited`},
	} {
		r, err := ParseEnrollRequest([]byte(line+"\n"), NewSecret("pw"))
		got := want{name: r.Name, version: r.Version, groups: r.Groups, ip: r.IP, hash: r.KeyHash}
		var refused *Refused
		if errors.As(err, &refused) {
			got = want{reason: refused.Reason}
		}
		if diff := cmp.Diff(w, got, cmp.AllowUnexported(want{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", line, diff)
		}
	}
}

// An authd without a password refuses a request that brings one, whichever it is.
func TestParseEnrollRequestWithoutPassword(t *testing.T) {
	_, err := ParseEnrollRequest([]byte("OSSEC PASS: pw OSSEC A:'web-01'\n"), Secret{})
	var refused *Refused
	if !errors.As(err, &refused) || refused.Reason != ReasonInvalidRequest {
		t.Errorf("got %v", err)
	}
	if _, err = ParseEnrollRequest([]byte("OSSEC A:'web-01'\n"), Secret{}); err != nil {
		t.Error(err)
	}
}

func TestParseEnrollResponseRefuses(t *testing.T) {
	raw := strings.Repeat("ab", 32)
	for _, text := range []string{
		"", "HTTP/1.1 400 Bad Request\r\n", "OSSEC K:'", "OSSEC K:''", "OSSEC K:'007 web-01 any " + raw,
		"OSSEC K:'007 !web-01 any " + raw + "'", "OSSEC K:'007 web-01 nowhere " + raw + "'", "OSSEC K:'../7 web-01 any " + raw + "'",
	} {
		if k, err := ParseEnrollResponse([]byte(text)); err == nil {
			t.Errorf("%q gave key %v", text, k)
		} else if strings.Contains(err.Error(), raw) {
			t.Errorf("%q: the error shows the key", text)
		}
	}
}
