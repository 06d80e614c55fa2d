package conform

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/soctalk/soctalk-ingress/internal/controlplane"
	"github.com/soctalk/soctalk-ingress/internal/controlplane/controlplanetest"
	"github.com/soctalk/soctalk-ingress/internal/named"
	"github.com/soctalk/soctalk-ingress/internal/record"
)

// external is external-dns's own code, which reads what is wanted from a file.
type external struct {
	binary, file string
	arguments    []string
	secret       string
}

// newExternal runs as an owner of the zone; the resource is what its marks name.
func newExternal(t *testing.T, binary string, server *named.Server, zone, owner string) *external {
	t.Helper()
	host, _, _ := strings.Cut(server.Address(), ":")
	file := filepath.Join(t.TempDir(), "endpoint.json")
	return &external{binary: binary, file: file, secret: server.Secret(), arguments: []string{
		"--once", "--file", file, "--txt-owner-id", owner,
		"--rfc2136-host", host, "--rfc2136-port", strconv.Itoa(int(server.Port())),
		"--rfc2136-zone", zone, "--rfc2136-tsig-keyname", named.KeyName,
	}}
}

// Sync runs once, and once more after a change of type: its provider adds before it
// removes, and a server takes no address beside an alias.
func (e *external) Sync(ctx context.Context, desired []record.Record) error {
	var endpoints []map[string]any
	for _, want := range desired {
		targets := want.Values
		if want.Type == record.CNAME {
			targets = []string{strings.TrimSuffix(want.Values[0], ".")}
		}
		endpoints = append(endpoints, map[string]any{"dnsName": want.Name, "recordType": want.Type, "recordTTL": want.TTL, "targets": targets})
	}
	text, err := json.Marshal(map[string]any{
		"apiVersion": "externaldns.k8s.io/v1alpha1", "kind": "DNSEndpoint",
		"metadata": map[string]any{"name": "tenant-acme", "namespace": "soctalk-system"},
		"spec":     map[string]any{"endpoints": endpoints},
	})
	if err != nil {
		return err
	}
	if err := os.WriteFile(e.file, text, 0o600); err != nil {
		return err
	}
	for range 2 {
		command := exec.CommandContext(ctx, e.binary, e.arguments...)
		command.Env = append(os.Environ(), "EXTERNAL_DNS_RFC2136_TSIG_SECRET="+e.secret)
		if out, err := command.CombinedOutput(); err != nil {
			return fmt.Errorf("external-dns: %w: %s", err, out)
		}
	}
	return nil
}

// TestExternalDNSConforms is the table for external-dns behind our DNSEndpoints.
func TestExternalDNSConforms(t *testing.T) {
	binary := controlplanetest.Program(t, controlplane.ExternalDNS)
	Run(t, Kind[*named.Server]{Start: BIND, NoSRV: true, New: func(t *testing.T, server *named.Server, zone, owner string) Provider {
		return newExternal(t, binary, server, zone, owner)
	}})
}
