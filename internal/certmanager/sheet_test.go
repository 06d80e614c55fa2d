package certmanager_test

import (
	"bytes"
	"encoding/json"
	"strings"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/soctalk/soctalk-ingress/internal/cert"
	"github.com/soctalk/soctalk-ingress/internal/cli"
)

// sheetHas: what the customer's administrator is handed carries the authority.
func (w *world) sheetHas(slug string, authority []byte) {
	w.Helper()
	var out, talk bytes.Buffer
	code := cli.Main(w.Context(), []string{"onboard", slug, "-o", "json", "--kubeconfig", w.lab.Plane.Kubeconfig()},
		genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &talk})
	if code != 0 {
		w.Fatalf("onboard %s ended with %d: %s", slug, code, talk.String())
	}
	var sheet struct {
		Trust struct{ PEM string } `json:"trust"`
	}
	if err := json.Unmarshal(out.Bytes(), &sheet); err != nil {
		w.Fatal(err)
	}
	if strings.TrimSpace(sheet.Trust.PEM) != strings.TrimSpace(string(authority)) {
		w.Errorf("the sheet of %s tells agents to trust %q", slug, sheet.Trust.PEM)
	}
}

// serialOf a chain's leaf, as the status writes it; empty for what is no chain.
func serialOf(chain []byte) string {
	leaf, err := cert.Leaf(chain)
	if err != nil {
		return ""
	}
	return leaf.SerialNumber.Text(16)
}
