//go:build linux

package realnode_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/soctalk/soctalk-ingress/internal/realnode"
)

// The image the nodes run is the one that `make image` builds: the same files, user
// and entry point. There is no builder here to ask, so the Dockerfile is read.
func TestTheImageIsTheDockerfiles(t *testing.T) {
	text, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	_, final, found := strings.Cut(string(text), "\nFROM scratch\n")
	if !found {
		t.Fatal("the Dockerfile's last stage does not begin with FROM scratch")
	}
	if !strings.Contains(string(text), "CGO_ENABLED=0 go build") {
		t.Error("the Dockerfile's program is not static")
	}
	made := realnode.ProductImage(realnode.Programs{Product: "/soctalk-ingress"}, realnode.ProductTag)
	var files []string
	for line := range strings.Lines(final) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		switch words[0] {
		case "COPY":
			files = append(files, words[len(words)-1])
		case "USER":
			if made.User != words[1] {
				t.Errorf("user %q, the Dockerfile has %q", made.User, words[1])
			}
		case "ENTRYPOINT":
			var entry []string
			if err := json.Unmarshal([]byte(strings.TrimPrefix(strings.TrimSpace(line), "ENTRYPOINT")), &entry); err != nil || !slices.Equal(entry, made.Entrypoint) {
				t.Errorf("entry point %q, the Dockerfile has %q (%v)", made.Entrypoint, entry, err)
			}
		default:
			t.Errorf("the Dockerfile says %q, which nothing here does", strings.TrimSpace(line))
		}
	}
	var ours []string
	for _, file := range made.Files {
		ours = append(ours, file.Path)
	}
	if slices.Sort(ours); !slices.Equal(slices.Sorted(slices.Values(files)), ours) {
		t.Errorf("files %q, the Dockerfile has %q", ours, files)
	}
}
