package edge

import (
	"encoding/json"
	"net"
	"slices"
	"strings"
	"testing"
)

// What of a node's interfaces may be where managers see the edge come from.
func TestWhereAnEdgeComesFrom(t *testing.T) {
	up := net.FlagUp | net.FlagBroadcast
	for name, c := range map[string]struct {
		flags     net.Flags
		addresses []string
		want      []string
	}{
		"eth0":       {up, []string{"192.0.2.5/24", "2001:db8::5/64", "fe80::1/64"}, []string{"192.0.2.5/32", "2001:db8::5/128"}},
		"flannel.1":  {up, []string{"10.42.1.0/32"}, []string{"10.42.1.0/32"}},
		"cni0":       {up, []string{"10.42.1.1/24"}, []string{"10.42.1.1/32"}},
		"lo":         {up | net.FlagLoopback, []string{"127.0.0.1/8", "203.0.113.9/32"}, nil},
		"kube-ipvs0": {net.FlagBroadcast, []string{"10.96.0.1/32"}, nil},
		"nodelocal":  {up, []string{"169.254.20.10/32"}, nil},
	} {
		var addresses []net.Addr
		for _, text := range c.addresses {
			ip, network, err := net.ParseCIDR(text)
			if err != nil {
				t.Fatal(err)
			}
			addresses = append(addresses, &net.IPNet{IP: ip, Mask: network.Mask})
		}
		var got []string
		for _, origin := range originsAt(name, c.flags, addresses) {
			got = append(got, origin.CIDR())
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// A Lease may have been written by somebody else: nobody is to be trusted by it as a
// whole network.
func TestWhatALeaseSaysOfAddresses(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "[]": "",
		`[{"interface":"eth0","address":"192.0.2.5"},{"interface":"lo","address":"127.0.0.1"},{"interface":"x","address":"0.0.0.0"}]`: "192.0.2.5/32",
		`[{"interface":"eth0","address":"0.0.0.0/0"}]`:      "error",
		`[{"interface":"\u001b[2J","address":"192.0.2.5"}]`: "error",
		`[{"interface":"eth0"}]`:                            "",
		"[" + strings.Repeat(`{"interface":"x","address":"192.0.2.5"},`, 64) + `{"interface":"x","address":"192.0.2.5"}]`: "error",
		"eth0": "error",
	} {
		origins, err := ReadOrigins(text)
		var got []string
		for _, origin := range origins {
			got = append(got, origin.CIDR())
		}
		if err != nil {
			got = []string{"error"}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%.80s: %v, %v; want %s", text, got, err, want)
		}
	}
	here, err := Origins()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(here)
	if err != nil {
		t.Fatal(err)
	}
	if read, err := ReadOrigins(string(text)); err != nil || !slices.Equal(read, here) {
		t.Errorf("this machine's addresses %v are read as %v: %v", here, read, err)
	}
}
