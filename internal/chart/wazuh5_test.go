package chart

import (
	"crypto/tls"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/soctalk/soctalk-ingress/internal/golden"
)

// schema5 are the options of wazuh-manager.conf (its schema in 5.0.0, "manager
// configuration reference"): the manager starts nothing over one that is not here.
var schema5 = map[string]string{
	"global":                              "agents_disconnection_time",
	"logging":                             "log_format",
	"remote":                              "legacy https agents",
	"remote/legacy":                       "enabled port protocol ipv6 local_ip queue_size rids_closing_time connection_overtake_time",
	"remote/https":                        "port bind_addr global_prefix certificate key ca verification_mode ciphers max_body_size dual_stack",
	"remote/agents":                       "allow_higher_versions",
	"auth":                                "disabled port ipv6 use_source_ip force purge use_password ciphers ssl_agent_ca ssl_verify_host ssl_manager_cert ssl_manager_key remote_enrollment legacy_enrollment agents",
	"auth/force":                          "enabled key_mismatch disconnected_time after_registration_time",
	"auth/agents":                         "allow_higher_versions",
	"vulnerability-detection":             "enabled feed-update-interval pageSize numSlices",
	"indexer":                             "hosts ssl",
	"indexer/hosts":                       "host",
	"indexer/ssl":                         "certificate_authorities certificate key",
	"indexer/ssl/certificate_authorities": "ca",
	"cluster":                             "name node_name node_type key port bind_addr nodes hidden",
	"cluster/nodes":                       "node",
}

// Wazuh 5 refuses an option it does not know, a missing <indexer> or <cluster>, and a
// key of another shape, with the whole manager.
func TestWazuh5ConfigurationFitsItsSchema(t *testing.T) {
	golden.Folders(t, cases, func(t *testing.T, folder string) {
		if !strings.Contains(filepath.Base(folder), "wazuh-5") {
			t.Skip("another version")
		}
		got := elements(t, config(t, filepath.Base(folder)))
		for path, values := range got {
			path, isOption := strings.CutPrefix(path, "wazuh_config/")
			if !isOption || strings.Contains(path, "@") {
				continue
			}
			section, option := "", path
			if at := strings.LastIndexByte(path, '/'); at >= 0 {
				section, option = path[:at], path[at+1:]
				if !slices.Contains(strings.Fields(schema5[section]), option) {
					t.Errorf("%s is no option of Wazuh 5", path)
				}
			} else if schema5[path] == "" {
				t.Errorf("<%s> is no section of Wazuh 5", path)
			}
			if len(values) > 1 {
				t.Errorf("%s occurs %d times", path, len(values))
			}
		}
		if key := got["wazuh_config/cluster/key"]; len(key) != 1 || len(key[0]) != 32 || strings.Trim(key[0], "0123456789abcdef") != "" {
			t.Errorf("cluster key %q, want 32 letters or digits", key)
		}
		if len(got["wazuh_config/indexer/hosts/host"]) != 1 {
			t.Error("no indexer host: wazuh-manager-control starts nothing")
		}
	})
}

// What Wazuh 5 reads after it gave up root lies in its own folder, for its own user.
func TestWazuh5GetsCopies(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("the copies belong to root")
	}
	p := newPod(t)
	p.env = append(p.env, "SOCTALK_WAZUH_MAJOR=5")
	p.write("etc/soctalk/enrollment/authd.pass", goodSecret+"\n", 0o400)
	p.renew("etc/soctalk/tls")
	p.renew("etc/soctalk/api-tls")
	p.write("etc/soctalk/indexer-tls/ca.crt", "ca", 0o444)
	p.write("etc/soctalk/tls-ca/ca.crt", "the issuer", 0o444)
	const conf = "<https>\n  <bind_addr>0.0.0.0</bind_addr>\n  <key>etc/certs/remoted-key.pem</key>\n</https>\n" +
		"<cluster>\n  <key>%s</key>\n  <bind_addr>10.0.0.1</bind_addr>\n</cluster>\n"
	p.write("var/wazuh-manager/etc/wazuh-manager.conf", fmt.Sprintf(conf, strings.Repeat("0", 32)), 0o640)
	for _, script := range []string{"10-enrollment-secret.sh", "15-certificates.sh"} {
		if out, err := p.run(script); err != nil {
			t.Fatalf("%s: %v\n%s", script, err, out)
		}
	}
	home := "var/wazuh-manager/"
	for file, source := range map[string]string{
		"etc/authd.pass":            "etc/soctalk/enrollment/authd.pass",
		"etc/certs/remoted.pem":     "etc/soctalk/tls/tls.crt",
		"etc/certs/remoted-key.pem": "etc/soctalk/tls/tls.key",
		"etc/certs/apid.pem":        "etc/soctalk/api-tls/tls.crt",
		"etc/certs/apid-key.pem":    "etc/soctalk/api-tls/tls.key",
		"etc/certs/indexer-ca.pem":  "etc/soctalk/indexer-tls/ca.crt",
		"etc/certs/root-ca.pem":     "etc/soctalk/tls-ca/ca.crt",
	} {
		info, err := os.Lstat(filepath.Join(p.root, home+file))
		if err != nil || !info.Mode().IsRegular() || info.Mode().Perm() != 0o640 || p.read(home+file) != p.read(source) {
			t.Errorf("%s is no copy of %s with mode 0640 (%v)", file, source, err)
		}
	}
	// Only the cluster's key is a word of 32 letters, and only 1517 is closed.
	got := p.read(home + "etc/wazuh-manager.conf")
	_, key, _ := strings.Cut(got, "<cluster>\n  <key>")
	key, _, _ = strings.Cut(key, "</key>")
	want := strings.Replace(fmt.Sprintf(conf, key), "0.0.0.0", "127.0.0.1", 1)
	if len(key) != 32 || strings.Trim(key, "0123456789abcdef") != "" || strings.Trim(key, "0") == "" || got != want {
		t.Errorf("the configuration became\n%s\nwant a key of 32 hexadecimal digits, and\n%s", got, want)
	}
}

// An ACME issuer gives no root: the file the manager does not start without is there all the same.
// Where 1517 is open, its address stays.
func TestWazuh5WithoutAnAuthority(t *testing.T) {
	if os.Getuid() != 0 || !hasOpenSSL() {
		t.Skip("the copies belong to root, and openssl makes the API's certificate")
	}
	p := newPod(t)
	p.env = append(p.env, "SOCTALK_WAZUH_MAJOR=5", "SOCTALK_PORT_HTTPS=1517")
	p.renew("etc/soctalk/tls")
	const conf = "<https>\n  <bind_addr>0.0.0.0</bind_addr>\n</https>\n"
	p.write("var/wazuh-manager/etc/wazuh-manager.conf", conf, 0o640)
	if out, err := p.run("15-certificates.sh"); err != nil || out != "" {
		t.Fatalf("%v\n%s", err, out)
	}
	if p.read("var/wazuh-manager/etc/certs/root-ca.pem") != p.read("etc/soctalk/tls/tls.crt") {
		t.Error("root-ca.pem is not the chain that is served")
	}
	if got := p.read("var/wazuh-manager/etc/wazuh-manager.conf"); got != conf {
		t.Errorf("the configuration became\n%s", got)
	}
	// The API of Wazuh 5 makes no certificate of its own, and keeps the one it was given.
	first := p.read("var/wazuh-manager/etc/certs/apid.pem")
	if _, err := tls.X509KeyPair([]byte(first), []byte(p.read("var/wazuh-manager/etc/certs/apid-key.pem"))); err != nil {
		t.Errorf("the API's pair: %v", err)
	}
	if out, err := p.run("15-certificates.sh"); err != nil || p.read("var/wazuh-manager/etc/certs/apid.pem") != first {
		t.Errorf("a restart made another certificate for the API (%v)\n%s", err, out)
	}
}

// Kubernetes and the image both start the watch; there is one.
func TestOneWatchOnly(t *testing.T) {
	p := newPod(t)
	if err := os.MkdirAll(filepath.Join(p.root, "run/soctalk-watch"), 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := p.run("20-authd-watch.sh"); err != nil || out != "" {
		t.Errorf("%v, it said %q", err, out)
	}
	if loops, _ := exec.Command("pgrep", "-f", p.scripts).Output(); len(loops) > 0 {
		t.Errorf("a second watch runs: %s", loops)
	}
}
