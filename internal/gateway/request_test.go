package gateway

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/soctalk/soctalk-ingress/internal/gateway/policy"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// However the bytes arrive, a line is the same line.
func TestReadLine(t *testing.T) {
	for _, c := range []struct {
		text string
		most int
		want string
		err  error
	}{
		{"one\ntwo\n", 100, "one\n", nil},
		{"\n", 100, "\n", nil},
		{strings.Repeat("x", 5000) + "\nrest", 6000, strings.Repeat("x", 5000) + "\n", nil},
		{strings.Repeat("x", 300), 256, strings.Repeat("x", 256), errTooLong},
		{strings.Repeat("x", 255) + "\n", 256, strings.Repeat("x", 255) + "\n", nil},
		{"no end", 100, "no end", io.EOF},
		{"", 100, "", io.EOF},
	} {
		for name, reader := range map[string]io.Reader{
			"whole": strings.NewReader(c.text), "bytes": iotest.OneByteReader(strings.NewReader(c.text)),
			"halves": iotest.HalfReader(strings.NewReader(c.text)), "data with error": iotest.DataErrReader(strings.NewReader(c.text)),
		} {
			line, err := readLine(reader, c.most)
			if string(line) != c.want || !errors.Is(err, c.err) {
				t.Errorf("%s, %.20q, at most %d: got %.20q, %v", name, c.text, c.most, line, err)
			}
		}
	}
}

func TestParseRequestFindsThePassword(t *testing.T) {
	secret := policy.DigestOf([]byte("pw"))
	for line, want := range map[string]policy.Digest{
		"OSSEC PASS: pw OSSEC A:'web-01'": secret,
		"OSSEC PASS: pw  OSSEC A:'web'":   secret,
		"OSSEC PASS: pw ":                 secret,
		"OSSEC PASS: pw":                  {},
		"OSSEC PASS:  OSSEC A:'web-01'":   {},
		"OSSEC PASS:pw OSSEC A:'web-01'":  {},
		"OSSEC A:'web-01'":                {},
		"OSSEC PASS: pw\x00 OSSEC A:'w'":  {},
		"OSSEC PASS: pwOSSEC A:'web-01'":  policy.DigestOf([]byte("pwOSSEC")),
		"":                                {},
	} {
		if got := parseRequest([]byte(line + "\n")); got.secret != want {
			t.Errorf("%q: got secret %s, want %s", line, got.secret.Short(), want.Short())
		}
	}
}

// What goes to authd is one line that authd understands as we did, with the
// internal password, whatever came in.
func FuzzParseRequest(f *testing.F) {
	for _, seed := range []string{
		"OSSEC PASS: pw OSSEC A:'web-01' V:'v4.14.7' G:'a,b' IP:'src' K:'ab'\n", "OSSEC PASS: pw OSSEC A:'web-01' G:'a' V:'v9'\n",
		"OSSEC PASS: a b OSSEC A:'x1'", "OSSEC A:'x'", "OSSEC PASS: pw OSSEC A:'x1' IP:'src'\x00\n", "", "\n",
	} {
		f.Add([]byte(seed))
	}
	internal := wazuh.NewSecret("internal secret")
	f.Fuzz(func(t *testing.T, input []byte) {
		line, err := readLine(bytes.NewReader(input), 4096)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, errTooLong) {
			t.Fatal(err)
		}
		r := parseRequest(line)
		if r.secret.IsZero() || r.refusal != nil {
			return
		}
		fields := r.forManager(policy.Verdict{Group: "forced"}, policy.SourceSubstitute, netip.MustParseAddr("192.0.2.7"), false)
		fields.Password = internal
		sent := wazuh.AppendEnrollRequest(nil, fields)
		if bytes.Count(sent, []byte("\n")) != 1 || bytes.IndexByte(sent, 0) >= 0 {
			t.Fatalf("not one line: %q", sent)
		}
		understood, err := wazuh.ParseEnrollRequest(sent, internal)
		if err != nil {
			t.Fatalf("authd refuses %q: %v", sent, err)
		}
		understood.Password, fields.Password = wazuh.Secret{}, wazuh.Secret{}
		if diff := cmp.Diff(fields, understood, cmp.AllowUnexported(wazuh.Secret{})); diff != "" {
			t.Fatalf("authd understands %q otherwise:\n%s", sent, diff)
		}
		if understood.Groups != "forced" || strings.HasPrefix(understood.IP, wazuh.SourceIP) {
			t.Fatalf("the token's group or the source was lost: %+v", understood)
		}
	})
}
