package haproxy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/soctalk/soctalk-ingress/internal/controlplane"
	"github.com/soctalk/soctalk-ingress/internal/controlplane/controlplanetest"
	"github.com/soctalk/soctalk-ingress/internal/golden"
)

// envoySays gives a bootstrap to the judge built of Envoy's own types; silence is
// consent.
func envoySays(t *testing.T, text string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), controlplanetest.Program(t, controlplane.Envoy))
	command.Stdin = strings.NewReader(text)
	out, err := command.CombinedOutput()
	if err != nil && len(out) == 0 {
		t.Fatal(err)
	}
	return string(out)
}

func bootstrapOf(t *testing.T, folder string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "envoy.json"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What is printed for Envoy has no field Envoy does not know, none it has
// deprecated, and no value its API's rules forbid.
func TestEnvoysTypesTakeTheBootstrap(t *testing.T) {
	golden.Folders(t, "testdata", func(t *testing.T, folder string) {
		if filepath.Base(folder) == "fuzz" {
			t.Skip("inputs the fuzzer found")
		}
		if said := envoySays(t, bootstrapOf(t, folder)); said != "" {
			t.Error(said)
		}
	})
}

// The judge finds each mistake that could be made in what we print.
func TestEnvoysJudgeRefuses(t *testing.T) {
	good := bootstrapOf(t, "testdata/everything")
	for _, c := range []struct{ what, find, put, want string }{
		{"a field nobody knows", `"idle_timeout"`, `"idle_time"`, `unknown field "idle_time"`},
		{"an extension nobody has", `tcp_proxy\.v3\.TcpProxy"`, `tcp_proxy.v3.TCPProxy"`, "unable to resolve"},
		{"a field of an extension", `"stat_prefix": "[^"]*"`, `"stat_prefix": ""`, "StatPrefix: value length must be at least 1"},
		{"a word for a number", `"port_value": 15140`, `"port_value": "events"`, "invalid value for uint32"},
		{"a port beyond the last", `"port_value": 15140`, `"port_value": 95140`, "PortValue: value must be less than or equal to 65535"},
		{"no time to connect", `"connect_timeout": "5s"`, `"connect_timeout": "0s"`, "ConnectTimeout: value must be greater than 0s"},
		{"a network wider than IPv6", `"prefix_len": [0-9]+`, `"prefix_len": 129`, "PrefixLen: value must be less than or equal to 128"},
		{"a kind of cluster", `"STATIC"`, `"STATICAL"`, "invalid value for enum"},
		{"a version of the PROXY protocol", `"V2"`, `"V3"`, "invalid value for enum"},
		{"a deprecated field", `"connect_timeout"`, `"max_requests_per_connection": 5, "connect_timeout"`, "deprecated this field"},
		{"a cluster that is not there", `"cluster": "[^"]*"`, `"cluster": "elsewhere"`, `"elsewhere" is named by a filter, and not there`},
		{"a name twice", `"name": "wazuh-[0-9]+-[0-9]"`, `"name": "wazuh"`, `listener "wazuh" is there twice`},
	} {
		t.Run(c.what, func(t *testing.T) {
			wrong := regexp.MustCompile(c.find).ReplaceAllString(good, c.put)
			if wrong == good {
				t.Fatalf("%s is not in the golden bootstrap any more", c.find)
			}
			if said := envoySays(t, wrong); !strings.Contains(said, c.want) {
				t.Errorf("the judge says %q, want it to contain %q", said, c.want)
			}
		})
	}
}
