package chart

import (
	"encoding/xml"
	"errors"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/soctalk/soctalk-ingress/internal/golden"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// elements reads XML into "path: text" pairs, repeated elements in order.
func elements(t *testing.T, text string) map[string][]string {
	t.Helper()
	decoder := xml.NewDecoder(strings.NewReader(text))
	out := map[string][]string{}
	var path []string
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatalf("the configuration is no XML: %v", err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			path = append(path, token.Name.Local)
			out[strings.Join(path, "/")] = append(out[strings.Join(path, "/")], "")
			for _, attr := range token.Attr {
				key := strings.Join(path, "/") + "@" + attr.Name.Local
				out[key] = append(out[key], attr.Value)
			}
		case xml.EndElement:
			path = path[:len(path)-1]
		case xml.CharData:
			if key := strings.Join(path, "/"); strings.TrimSpace(string(token)) != "" {
				out[key][len(out[key])-1] += strings.TrimSpace(string(token))
			}
		}
	}
}

func config(t *testing.T, folder string) string {
	t.Helper()
	maps4 := typed[corev1.ConfigMap](t, renderCase(t, filepath.Join(cases, folder)), "ConfigMap")
	data := maps4[naming.Manager+"-config"].Data
	if len(data) != 1 {
		t.Fatalf("%s: %d files, want one", folder, len(data))
	}
	for _, text := range data {
		return text
	}
	return ""
}

func TestManagerConfiguration(t *testing.T) {
	common4 := map[string]string{
		"ossec_config/remote/connection":                    "secure",
		"ossec_config/remote/port":                          "1514",
		"ossec_config/remote/protocol":                      "tcp",
		"ossec_config/auth/disabled":                        "no",
		"ossec_config/auth/port":                            "11515", // 1515 is the gateway's
		"ossec_config/auth/use_password":                    "yes",
		"ossec_config/auth/use_source_ip":                   "no",
		"ossec_config/auth/purge":                           "yes",
		"ossec_config/auth/ssl_manager_cert":                "/etc/soctalk/tls/tls.crt",
		"ossec_config/auth/ssl_manager_key":                 "/etc/soctalk/tls/tls.key",
		"ossec_config/auth/force/disconnected_time@enabled": "yes",
		"ossec_config/cluster/disabled":                     "yes",
		"ossec_config/global/jsonout_output":                "yes",
		"ossec_config/global/email_notification":            "no",
		"ossec_config/alerts/log_alert_level":               "3",
		"ossec_config/ruleset/decoder_dir":                  "ruleset/decoders,etc/decoders",
		"ossec_config/ruleset/rule_dir":                     "ruleset/rules,etc/rules",
		"ossec_config/syscheck/disabled":                    "yes",
		"ossec_config/rootcheck/disabled":                   "yes",
	}
	with := func(base, more map[string]string) map[string]string {
		out := maps.Clone(base)
		maps.Copy(out, more)
		return out
	}
	common5 := map[string]string{
		"wazuh_config/remote/legacy/local_ip": "0.0.0.0",
		"wazuh_config/remote/legacy/port":     "1514",
		"wazuh_config/auth/use_password":      "yes",
		"wazuh_config/auth/port":              "11515",
		"wazuh_config/auth/ssl_manager_cert":  "etc/certs/remoted.pem",
		"wazuh_config/cluster/bind_addr":      "127.0.0.1",
		"wazuh_config/indexer/hosts/host":     "https://127.0.0.1:9200", // without <indexer> nothing starts
	}
	for folder, want := range map[string]map[string]string{
		"loadbalancer": with(common4, map[string]string{
			"ossec_config/global/agents_disconnection_time":   "15m",
			"ossec_config/auth/force/after_registration_time": "1h",
			"ossec_config/vulnerability-detection/enabled":    "no",
			"ossec_config/indexer/enabled":                    "no",
			"ossec_config/remote/ipv6":                        "(absent)",
			"ossec_config/auth/ipv6":                          "(absent)",
			"ossec_config/ruleset/list":                       "etc/lists/audit-keys,etc/lists/amazon/aws-eventnames,etc/lists/security-eventchannel,etc/lists/malicious-ioc/malware-hashes,etc/lists/malicious-ioc/malicious-ip,etc/lists/malicious-ioc/malicious-domains",
		}),
		"wazuh-4.3": with(common4, map[string]string{
			"ossec_config/auth/force/key_mismatch":            "no",
			"ossec_config/auth/force/disconnected_time":       "5m",
			"ossec_config/auth/force/after_registration_time": "0",
			"ossec_config/ruleset/list":                       "etc/lists/audit-keys,etc/lists/amazon/aws-eventnames,etc/lists/security-eventchannel",
			"ossec_config/vulnerability-detection":            "(absent)",
			"ossec_config/indexer":                            "(absent)",
		}),
		"indexer": with(common4, map[string]string{
			"ossec_config/vulnerability-detection/enabled": "yes",
			"ossec_config/indexer/hosts/host":              "https://wazuh-indexer.tenant-acme.svc:9200",
		}),
		"ipv6": with(common4, map[string]string{
			"ossec_config/remote/ipv6": "yes",
			"ossec_config/auth/ipv6":   "(absent)",
		}),
		"direct": with(common4, map[string]string{
			"ossec_config/auth/port": "1515",
		}),
		"direct-wazuh-5-ipv6": with(common5, map[string]string{
			"wazuh_config/auth/port":              "1515",
			"wazuh_config/auth/ipv6":              "yes",
			"wazuh_config/remote/legacy/local_ip": "::",
		}),
		"wazuh-5-ipv6": with(common5, map[string]string{
			"wazuh_config/remote/https/bind_addr":  "::",
			"wazuh_config/remote/https/dual_stack": "yes",
			"wazuh_config/remote/legacy/ipv6":      "yes",
			"wazuh_config/remote/legacy/local_ip":  "::",
			"wazuh_config/auth/ipv6":               "(absent)",
		}),
		"wazuh-5": with(common5, map[string]string{
			"wazuh_config/remote/https/bind_addr": "127.0.0.1",
			"wazuh_config/remote/https/port":      "1517",
			"wazuh_config/indexer/ssl":            "(absent)",
		}),
		"wazuh-5-unguarded": with(common5, map[string]string{
			"wazuh_config/remote/https/bind_addr": "0.0.0.0",
			"wazuh_config/remote/https/port":      "1517",
		}),
		"wazuh-5-indexer": with(common5, map[string]string{
			"wazuh_config/remote/https/bind_addr":                 "127.0.0.1",
			"wazuh_config/vulnerability-detection/enabled":        "yes",
			"wazuh_config/indexer/hosts/host":                     "https://indexer.soc.svc:9200",
			"wazuh_config/indexer/ssl/certificate_authorities/ca": "etc/certs/indexer-ca.pem",
		}),
	} {
		t.Run(folder, func(t *testing.T) {
			got := elements(t, config(t, folder))
			for _, path := range slices.Sorted(maps.Keys(want)) {
				text := "(absent)"
				if values, ok := got[path]; ok {
					text = strings.Join(values, ",")
				}
				if text != want[path] {
					t.Errorf("%s is %q, want %q", path, text, want[path])
				}
			}
		})
	}
}

// wazuh-control greps for opening tags and takes the lines between them: a
// second <auth> anywhere, even in a comment, would confuse it.
func TestSectionsAreFoundByGrep(t *testing.T) {
	golden.Folders(t, cases, func(t *testing.T, folder string) {
		if strings.HasPrefix(filepath.Base(folder), "attach") {
			t.Skip("no manager of ours")
		}
		text := config(t, filepath.Base(folder))
		for _, tag := range []string{"<auth>", "</auth>", "<cluster>", "</cluster>"} {
			if strings.Count(text, tag) != 1 {
				t.Errorf("%s occurs %d times", tag, strings.Count(text, tag))
			}
			for line := range strings.Lines(text) {
				if strings.Contains(line, tag) && strings.TrimSpace(line) != tag {
					t.Errorf("%s shares its line: %s", tag, line)
				}
			}
		}
	})
}

// The same configuration must not restart a pod, another one must.
func TestChecksumFollowsTheConfiguration(t *testing.T) {
	checksum := func(change func(map[string]any)) string {
		values := map[string]any{}
		golden.Read(t, cases+"/loadbalancer/values.yaml", &values)
		change(values)
		objects, err := Render(values, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, object := range objects {
			if object.GetKind() == "StatefulSet" {
				annotations, _, _ := unstructured.NestedStringMap(object.Object, "spec", "template", "metadata", "annotations")
				return annotations["ingress.soctalk.io/config-checksum"]
			}
		}
		return ""
	}
	base := checksum(func(map[string]any) {})
	if len(base) != 64 {
		t.Fatalf("checksum %q, want 64 hexadecimal digits", base)
	}
	if got := checksum(func(v map[string]any) { v["dns"] = map[string]any{"publish": false} }); got != base {
		t.Error("DNS values restart the manager")
	}
	if got := checksum(func(v map[string]any) { v["manager"].(map[string]any)["disconnectionTime"] = "20m" }); got == base {
		t.Error("a changed configuration does not restart the manager")
	}
}
