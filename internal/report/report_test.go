package report_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/golden"
	"github.com/soctalk/soctalk-ingress/internal/report"
)

// testKey is the same in every run: its seed is not secret.
func testKey() ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
}

// Each folder holds a Tenant at the end of its removal, the payload that is signed,
// and what people are shown.
func TestStatements(t *testing.T) {
	golden.Folders(t, "testdata", func(t *testing.T, folder string) {
		text, err := os.ReadFile(filepath.Join(folder, "in.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		var in struct {
			Tenant    v1alpha1.Tenant `json:"tenant"`
			Abandoned string          `json:"abandoned"`
		}
		if err := yaml.UnmarshalStrict(text, &in); err != nil {
			t.Fatal(err)
		}
		statement, err := report.Of(in.Tenant, in.Abandoned)
		if err != nil {
			t.Fatal(err)
		}
		payload, err := statement.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		golden.Compare(t, filepath.Join(folder, "payload.json"), payload)
		golden.Compare(t, filepath.Join(folder, "want.txt"), []byte(report.Text(statement)))
		back, err := report.Parse(payload)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := back.Bytes(); err != nil || !bytes.Equal(again, payload) {
			t.Errorf("read back and written again it differs (%v):\n%s", err, again)
		}
	})
}

// The example of the DSSE specification, protocol.md.
func TestEncodingIsDSSEs(t *testing.T) {
	got := report.Encoded("http://example.com/HelloWorld", []byte("hello world"))
	if want := "DSSEv1 29 http://example.com/HelloWorld 11 hello world"; string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAnyChangeIsSeen(t *testing.T) {
	key := testKey()
	public := key.Public().(ed25519.PublicKey)
	payload := []byte(`{"tenant":"acme"}`)
	sealed, err := report.Sign(key, report.Type, payload)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := report.Verify(public, sealed); err != nil || !bytes.Equal(got, payload) {
		t.Fatalf("untouched: %q, %v", got, err)
	}
	encode := base64.StdEncoding.EncodeToString
	other := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{8}, ed25519.SeedSize))
	for name, change := range map[string]func(*v1alpha1.SignedEnvelope){
		"payload":       func(e *v1alpha1.SignedEnvelope) { e.Payload = encode([]byte(`{"tenant":"beta"}`)) },
		"type":          func(e *v1alpha1.SignedEnvelope) { e.PayloadType = "text/plain" },
		"signature":     func(e *v1alpha1.SignedEnvelope) { e.Signatures[0].Sig = encode(make([]byte, 64)) },
		"short":         func(e *v1alpha1.SignedEnvelope) { e.Signatures[0].Sig = "AA==" },
		"no signature":  func(e *v1alpha1.SignedEnvelope) { e.Signatures = nil },
		"not base64":    func(e *v1alpha1.SignedEnvelope) { e.Payload = "%" },
		"another's key": func(e *v1alpha1.SignedEnvelope) { *e, _ = report.Sign(other, report.Type, payload) },
		// Whoever signs with our key for another purpose has not signed a report.
		"another kind": func(e *v1alpha1.SignedEnvelope) { *e, _ = report.Sign(key, "text/plain", payload) },
	} {
		changed := sealed
		changed.Signatures = slices.Clone(sealed.Signatures)
		change(&changed)
		if got, err := report.Verify(public, changed); err == nil {
			t.Errorf("%s: accepted as %q", name, got)
		}
	}
	two := sealed
	two.Signatures = append([]v1alpha1.EnvelopeSignature{{KeyID: "somebody", Sig: "%"}}, sealed.Signatures...)
	if _, err := report.Verify(public, two); err != nil {
		t.Errorf("a second signature by somebody else: %v", err)
	}
	if _, err := report.Verify(other.Public().(ed25519.PublicKey), sealed); !errors.Is(err, report.ErrSignature) {
		t.Errorf("another key: %v", err)
	}
}

func TestKeysSurviveTheirFiles(t *testing.T) {
	private, public, err := report.EncodeKey(testKey())
	if err != nil {
		t.Fatal(err)
	}
	key, err := report.ParsePrivateKey(private)
	if err != nil || !key.Equal(testKey()) {
		t.Errorf("private key: %v", err)
	}
	half, err := report.ParsePublicKey(public)
	if err != nil || !half.Equal(testKey().Public()) {
		t.Errorf("public key: %v", err)
	}
	if _, err := report.ParsePrivateKey(public); err == nil {
		t.Error("the public half passed for the private one")
	}
	if _, err := report.ParsePublicKey(private); err == nil {
		t.Error("the private half passed for the public one")
	}
}

// Nobody needs this program to verify a report: openssl does.
func TestOpenSSLVerifies(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed; as root: apt-get install openssl")
	}
	payload := []byte(`{"tenant":"acme"}`)
	sealed, err := report.Sign(testKey(), report.Type, payload)
	if err != nil {
		t.Fatal(err)
	}
	_, public, err := report.EncodeKey(testKey())
	if err != nil {
		t.Fatal(err)
	}
	sig, err := base64.StdEncoding.DecodeString(sealed.Signatures[0].Sig)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range map[string][]byte{"public.pem": public, "signed": report.Encoded(report.Type, payload), "sig": sig} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.CommandContext(t.Context(), "openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "public.pem", "-rawin", "-in", "signed", "-sigfile", "sig")
	command.Dir = dir
	if out, err := command.CombinedOutput(); err != nil || !strings.Contains(string(out), "Verified Successfully") {
		t.Errorf("openssl: %v\n%s", err, out)
	}
}

func TestFilesOfEitherForm(t *testing.T) {
	sealed, err := report.Sign(testKey(), report.Type, []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	bare, err := json.Marshal(sealed)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := json.Marshal(v1alpha1.OffboardingReport{Spec: v1alpha1.OffboardingReportSpec{Envelope: sealed}})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"envelope": bare, "object": whole} {
		got, err := report.ParseEnvelope(text)
		if err != nil || got.Payload != sealed.Payload || len(got.Signatures) != 1 {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	for _, junk := range []string{"", "{}", "[]", "no"} {
		if _, err := report.ParseEnvelope([]byte(junk)); err == nil {
			t.Errorf("%q was read as a report", junk)
		}
	}
}
