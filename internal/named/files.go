package named

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/miekg/dns"
)

// configuration lets the holder of the key update and transfer every zone that is
// not frozen. There is no control channel, and nothing outside the folder is written.
var configuration = template.Must(template.New("named.conf").Parse(`options {
	directory "{{.Dir}}";
	pid-file none;
	session-keyfile "{{.Dir}}/session.key";
	managed-keys-directory "{{.Dir}}";
	listen-on port {{.Port}} { {{.V4}} };
	listen-on-v6 port {{.Port}} { {{.V6}} };
	recursion no;
	dnssec-validation no;
	notify no;
	empty-zones-enable no;
	minimal-responses no;
};
controls { };
key "{{.KeyName}}" {
	algorithm {{.Algorithm}};
	secret "{{.Secret}}";
};
{{range .Zones}}zone "{{.Name}}" {
	type primary;
	file "{{.Name}}.zone";
	allow-transfer { key "{{$.KeyName}}"; };
{{- if .Grant}}
	update-policy { grant "{{$.KeyName}}" zonesub {{.Grant}}; };
{{- else if not .Frozen}}
	allow-update { key "{{$.KeyName}}"; };
{{- end}}
};
{{end}}`))

func (s *Server) writeFiles() error {
	v4, v6 := s.options.Address.String()+";", "none;"
	if s.options.Address.Is6() {
		v4, v6 = v6, v4
	}
	var text strings.Builder
	err := configuration.Execute(&text, map[string]any{
		"Dir": s.dir, "Port": s.options.Port, "V4": v4, "V6": v6, "KeyName": KeyName,
		"Algorithm": strings.TrimSuffix(Algorithm, "."), "Secret": s.options.Secret, "Zones": s.options.Zones,
	})
	if err != nil {
		return fmt.Errorf("write BIND's configuration: %w", err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "named.conf"), []byte(text.String()), 0o600); err != nil {
		return fmt.Errorf("write BIND's configuration: %w", err)
	}
	for _, zone := range s.options.Zones {
		path := filepath.Join(s.dir, zone.Name+".zone")
		if err := os.WriteFile(path, []byte(zoneFile(zone, s.options.Address)), 0o600); err != nil {
			return fmt.Errorf("write zone %q: %w", zone.Name, err)
		}
	}
	return nil
}

// zoneFile lets resolvers remember a missing name for one second only.
func zoneFile(zone Zone, own netip.Addr) string {
	servers := zone.Servers
	if len(servers) == 0 {
		servers = []netip.Addr{own}
	}
	lines := []string{
		"$ORIGIN " + dns.Fqdn(zone.Name),
		"$TTL 60",
		"@ IN SOA ns1 hostmaster 1 60 60 3600 1",
	}
	for i, server := range servers {
		kind := "A"
		if server.Is6() {
			kind = "AAAA"
		}
		lines = append(lines, fmt.Sprintf("@ IN NS ns%d", i+1), fmt.Sprintf("ns%d IN %s %s", i+1, kind, server))
	}
	return strings.Join(append(lines, zone.Records...), "\n") + "\n"
}
