package wazuh

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestSecretDoesNotShow(t *testing.T) {
	const text = "T3nant-Secret"
	s := NewSecret(text)
	nested := struct{ hidden Secret }{s}
	key := Key{ID: "007", Raw: s}
	var out []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%08b"} {
		out = append(out, fmt.Sprintf(verb+verb+verb+verb, s, &s, nested, key))
	}
	b, err := json.Marshal(map[string]any{"a": s, "b": &s, "c": key, "d": EnrollRequest{Password: s}})
	if err != nil {
		t.Fatal(err)
	}
	var logged bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&logged, nil), slog.NewJSONHandler(&logged, nil)} {
		slog.New(h).Info("m", "secret", s, "key", key, "request", EnrollRequest{Password: s})
	}
	out = append(out, string(b), logged.String())
	for _, o := range out {
		if strings.Contains(o, text) || strings.Contains(o, fmt.Sprintf("%x", text)) {
			t.Errorf("shows the secret: %s", o)
		}
	}
}

func TestSecretEqual(t *testing.T) {
	if !NewSecret("a").Equal(NewSecret("a")) || NewSecret("a").Equal(NewSecret("b")) || !(Secret{}).Equal(NewSecret("")) {
		t.Error("Equal is wrong")
	}
}
