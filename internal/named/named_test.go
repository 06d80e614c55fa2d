package named

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestServerKeepsItsZone changes a zone, takes the server down and up again, and
// finds the zone as it was, at the same address.
func TestServerKeepsItsZone(t *testing.T) {
	server := Start(t, Options{Zones: []Zone{{Name: "soc.example.com", Records: []string{"byhand 60 IN A 192.0.2.1"}}}})
	server.Change("soc.example.com", []string{
		"acme.soc.example.com. 60 IN A 192.0.2.7",
		"acme.soc.example.com. 60 IN AAAA 2001:db8::7",
		"acme.soc.example.com. 60 IN TXT \"two words\"",
	}, []string{"byhand.soc.example.com"})
	address := server.Address()
	server.Down()
	server.Up()
	if server.Address() != address {
		t.Errorf("address %s after the restart, %s before", server.Address(), address)
	}
	for _, c := range []struct {
		name, kind string
		want       []string
	}{
		{"acme.soc.example.com", "A", []string{"192.0.2.7"}},
		{"acme.soc.example.com", "AAAA", []string{"2001:db8::7"}},
		{"acme.soc.example.com", "TXT", []string{"two words"}},
		{"byhand.soc.example.com", "A", []string{}},
		{"soc.example.com", "NS", []string{"ns1.soc.example.com."}},
	} {
		if diff := cmp.Diff(c.want, server.Lookup(c.name, c.kind)); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", c.name, c.kind, diff)
		}
	}
}
