package conform

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/soctalk/soctalk-ingress/internal/controlplane/controlplanetest"
	"github.com/soctalk/soctalk-ingress/internal/controlplane/process"
)

const powerDNSProgram = "/usr/sbin/pdns_server"

// apiKey of a server that lives as long as a test, on loopback.
const apiKey = "conform"

// powerDNS is a PowerDNS with its HTTP API: another provider than RFC 2136, with
// another idea of an update.
type powerDNS struct {
	t            *testing.T
	dir          string
	address, api string
	process      *process.Process
}

func startPowerDNS(t *testing.T, records []string) *powerDNS {
	t.Helper()
	if _, err := os.Stat(powerDNSProgram); err != nil {
		const missing = "PowerDNS is not installed; as root, run: bash hack/install-peers.sh"
		if os.Getenv("CI") != "" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	s := &powerDNS{t: t, dir: t.TempDir(), address: controlplanetest.FreeAddress(t), api: controlplanetest.FreeAddress(t)}
	host, port, _ := net.SplitHostPort(s.address)
	apiHost, apiPort, _ := net.SplitHostPort(s.api)
	configuration := fmt.Sprintf(`launch=lmdb
lmdb-filename=%[1]s/zones.lmdb
local-address=%[2]s
local-port=%[3]s
webserver=yes
webserver-address=%[6]s
webserver-port=%[4]s
api=yes
api-key=%[5]s
socket-dir=%[1]s
cache-ttl=0
query-cache-ttl=0
negquery-cache-ttl=0
zone-cache-refresh-interval=0
`, s.dir, host, port, apiPort, apiKey, apiHost)
	if err := os.WriteFile(filepath.Join(s.dir, "pdns.conf"), []byte(configuration), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Up()
	t.Cleanup(s.Down)
	s.call(http.MethodPost, "/zones", map[string]any{"name": Zone + ".", "kind": "Native", "nameservers": []string{"ns1." + Zone + "."}})
	for _, line := range records {
		name, rest, _ := strings.Cut(line, " ")
		s.Change(Zone, []string{name + "." + Zone + ". " + rest}, nil)
	}
	return s
}

func (s *powerDNS) Up() {
	s.t.Helper()
	s.process = startProgram(s.t, s.api, process.Spec{Name: "PowerDNS", Path: powerDNSProgram, LogFile: filepath.Join(s.dir, "pdns.log"),
		Args: []string{"--config-dir=" + s.dir, "--daemon=no", "--guardian=no", "--disable-syslog=yes"}})
}

// startProgram starts one and waits until it listens; the caller stops it.
func startProgram(t *testing.T, address string, spec process.Spec) *process.Process {
	t.Helper()
	started, err := process.Start(spec)
	if err != nil {
		t.Fatal(err)
	}
	until := time.Now().Add(30 * time.Second)
	for {
		if conn, err := net.Dial("tcp", address); err == nil {
			_ = conn.Close()
			return started
		}
		if !started.Running() || time.Now().After(until) {
			t.Fatalf("%s does not answer: %s", spec.Name, started.Tail())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (s *powerDNS) Down() { s.process.Stop(10 * time.Second) }

// call asks the API for something about the only server it knows.
func (s *powerDNS) call(method, path string, body any) {
	s.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(s.t.Context(), method, "http://"+s.api+"/api/v1/servers/localhost"+path, bytes.NewReader(text))
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("X-API-Key", apiKey)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if said, _ := io.ReadAll(response.Body); response.StatusCode >= 300 {
		s.t.Fatalf("%s %s: %s: %s", method, path, response.Status, said)
	}
}

// Change replaces the set of records that a line belongs to, or removes everything
// at a name.
func (s *powerDNS) Change(zone string, add, remove []string) {
	s.t.Helper()
	var sets []map[string]any
	for _, name := range remove {
		for _, kind := range []string{"A", "AAAA", "CNAME", "SRV", "TXT"} {
			sets = append(sets, map[string]any{"name": name + ".", "type": kind, "changetype": "DELETE"})
		}
	}
	for _, line := range add {
		parsed, err := dns.NewRR(line)
		if err != nil {
			s.t.Fatal(err)
		}
		header := parsed.Header()
		sets = append(sets, map[string]any{
			"name": header.Name, "type": dns.TypeToString[header.Rrtype], "ttl": header.Ttl, "changetype": "REPLACE",
			"records": []map[string]any{{"content": strings.TrimPrefix(parsed.String(), header.String()), "disabled": false}},
		})
	}
	s.call(http.MethodPatch, "/zones/"+zone+".", map[string]any{"rrsets": sets})
}

func (s *powerDNS) Lookup(name, kind string) []string {
	s.t.Helper()
	question := new(dns.Msg)
	question.SetQuestion(dns.Fqdn(name), dns.StringToType[kind])
	client := &dns.Client{Net: "tcp", Timeout: 10 * time.Second}
	answer, _, err := client.Exchange(question, s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	found := []string{}
	for _, one := range answer.Answer {
		if one.Header().Rrtype != question.Question[0].Qtype {
			continue
		}
		if text, ok := one.(*dns.TXT); ok {
			found = append(found, strings.Join(text.Txt, ""))
			continue
		}
		found = append(found, strings.TrimPrefix(one.String(), one.Header().String()))
	}
	slices.Sort(found)
	return found
}

// TestWebhookConformsOnPowerDNS is the table for external-dns's own PowerDNS
// provider, in front of PowerDNS; it manages SRV records.
func TestWebhookConformsOnPowerDNS(t *testing.T) {
	urls := map[*powerDNS]string{}
	Run(t, Kind[*powerDNS]{Start: startPowerDNS, New: func(t *testing.T, server *powerDNS, zone, owner string) Provider {
		if urls[server] == "" {
			urls[server] = startWebhook(t, "EXTERNAL_DNS_PDNS_API_KEY="+apiKey, "--provider", "pdns", "--pdns-server", "http://"+server.api, "--domain-filter", zone)
		}
		return newThrough(t, urls[server], owner, true)
	}})
}
