package zone

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/soctalk/soctalk-ingress/internal/record"
)

// startKnot runs Knot DNS as the guide configures it, with a wildcard and a record
// of a person's in its zone.
func startKnot(t *testing.T) Writer {
	t.Helper()
	binary := "/usr/sbin/knotd"
	if _, err := os.Stat(binary); err != nil {
		const missing = "Knot DNS is not installed; as root, run: bash hack/install-peers.sh"
		if os.Getenv("CI") != "" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	dir, bits := t.TempDir(), make([]byte, 32)
	_, _ = rand.Read(bits)
	secret := base64.StdEncoding.EncodeToString(bits)
	// A port of an address that is this process's own is nobody else's before Knot has it.
	probe, err := net.Listen("tcp", fmt.Sprintf("127.192.%d.%d:0", os.Getpid()>>8%256, os.Getpid()%256))
	if err != nil {
		t.Fatal(err)
	}
	address := probe.Addr().String()
	host, port, _ := net.SplitHostPort(address)
	_ = probe.Close()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(testZone+".zone", "$TTL 60\n@ SOA ns1 hostmaster 1 60 60 3600 1\n@ NS ns1\nns1 A 127.0.0.1\n* A 192.0.2.250\nbeta A 192.0.2.99\n")
	write("knot.conf", fmt.Sprintf(`server:
    rundir: %[1]q
    listen: %[5]s@%[2]s
database:
    storage: %[1]q
key:
  - id: soctalk
    algorithm: hmac-sha256
    secret: %[3]s
acl:
  - id: soctalk-updates
    key: soctalk
    action: update
template:
  - id: default
    storage: %[1]q
zone:
  - domain: %[4]s
    acl: soctalk-updates
`, dir, port, secret, testZone, host))
	process := exec.CommandContext(t.Context(), binary, "-c", filepath.Join(dir, "knot.conf"))
	out, err := os.Create(filepath.Join(dir, "knotd.log"))
	if err != nil {
		t.Fatal(err)
	}
	process.Stdout, process.Stderr = out, out
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = process.Process.Kill()
		_ = process.Wait()
		_ = out.Close()
	})
	writer := Writer{Server: address, Zone: testZone, OwnerID: "eu-1", Now: time.Now, Key: Key{Name: "soctalk", Algorithm: "hmac-sha256", Secret: secret}}
	until := time.Now().Add(30 * time.Second)
	for {
		if _, err = writer.Read(timeout(t), []string{"ns1." + testZone}); err == nil {
			return writer
		}
		if time.Now().After(until) {
			text, _ := os.ReadFile(out.Name())
			t.Fatalf("Knot does not answer: %v\n%s", err, text)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// TestWriterOnKnot: another server than BIND, and the same: a record under a
// wildcard is made, changed and removed; a person's is left alone; a race is lost.
func TestWriterOnKnot(t *testing.T) {
	writer := startKnot(t)
	names := []string{"acme." + testZone, "_wazuh-events._tcp.acme." + testZone, "beta." + testZone}
	sync := func(desired ...record.Record) record.Changes {
		t.Helper()
		read, err := writer.Read(timeout(t), names)
		if err != nil {
			t.Fatal(err)
		}
		changes := record.Plan(read, desired, writer.OwnerID)
		if err := writer.Apply(timeout(t), read, changes, "tenant/acme"); err != nil {
			t.Fatal(err)
		}
		return changes
	}
	addresses := func(want ...string) {
		t.Helper()
		answer := askOne(timeout(t), Server{Address: writer.Server}, names[0])
		if diff := cmp.Diff(want, answer.Addresses); diff != "" || answer.Error != "" {
			t.Errorf("Knot says %+v (-want +got):\n%s", answer, diff)
		}
	}
	addresses("192.0.2.250")
	wanted := append(record.Addresses(names[0], 60, []string{"192.0.2.7", "2001:db8::7"}), record.Service("_wazuh-events._tcp", names[0], 60, 15140))
	changes := sync(append(wanted, record.Addresses(names[2], 60, []string{"192.0.2.9"})...)...)
	if len(changes.Create) != 3 || len(changes.Blocked) != 1 {
		t.Errorf("changes %+v, want three made and a person's record left alone", changes)
	}
	addresses("192.0.2.7", "2001:db8::7")
	if again := sync(wanted...); !again.Empty() {
		t.Errorf("changes when all is done: %+v", again)
	}
	sync(record.Addresses(names[0], 60, []string{"192.0.2.8"})...)
	addresses("192.0.2.8")
	late := record.Plan(nil, record.Addresses(names[0], 60, []string{"192.0.2.1"}), writer.OwnerID)
	if err := writer.Apply(timeout(t), nil, late, "tenant/acme"); !errors.Is(err, record.ErrChanged) {
		t.Errorf("a lost race ends with %v, want %v", err, record.ErrChanged)
	}
	sync()
	addresses("192.0.2.250")
}
