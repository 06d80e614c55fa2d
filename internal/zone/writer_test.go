package zone

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/soctalk/soctalk-ingress/internal/named"
	"github.com/soctalk/soctalk-ingress/internal/record"
)

const testZone = "soc.example.com"

func timeout(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// TestWriterLosesARace reads, lets somebody else be faster, and must not overwrite.
func TestWriterLosesARace(t *testing.T) {
	server := named.Start(t, named.Options{Zones: []named.Zone{{Name: testZone}}})
	writer := newDirect(server, testZone, "eu-1").writer
	name := "acme." + testZone
	want := record.Addresses(name, 60, []string{"192.0.2.7"})
	for _, faster := range []string{
		name + ". 60 IN A 192.0.2.99",
		name + ". 60 IN AAAA 2001:db8::99",
		"a-" + name + `. 60 IN TXT "heritage=external-dns,external-dns/owner=us-1"`,
	} {
		read, err := writer.Read(timeout(t), []string{name})
		if err != nil || len(read) > 0 {
			t.Fatalf("read %v, %v", read, err)
		}
		server.Change(testZone, []string{faster}, nil)
		err = writer.Apply(timeout(t), read, record.Plan(read, want, "eu-1"), "tenant/acme")
		if !errors.Is(err, record.ErrChanged) {
			t.Errorf("after somebody made %q: error %v, want %v", faster, err, record.ErrChanged)
		}
		server.Change(testZone, nil, []string{faster})
	}
}

// TestWriterRefused says why, in words without secrets.
func TestWriterRefused(t *testing.T) {
	server := named.Start(t, named.Options{Zones: []named.Zone{{Name: testZone}, {Name: "frozen.example.com", Frozen: true}}})
	good := newDirect(server, testZone, "eu-1").writer
	for _, c := range []struct {
		name   string
		change func(*Writer)
		want   string
	}{
		{"unknown key", func(w *Writer) { w.Key.Name = "nobody" }, `does not accept the TSIG key "nobody": BADKEY`},
		{"wrong secret", func(w *Writer) {
			w.Key.Secret = base64.StdEncoding.EncodeToString([]byte("wrong-secret-of-some-length"))
		}, `does not accept the TSIG key "soctalk-test": BADSIG`},
		{"clock off", func(w *Writer) { w.Now = func() time.Time { return time.Now().Add(-time.Hour) } }, "BADTIME"},
		{"not base64", func(w *Writer) { w.Key.Secret = "!" }, "not base64"},
		{"frozen zone", func(w *Writer) { w.Zone = "frozen.example.com" }, "answers REFUSED to an update of zone frozen.example.com"},
		{"no such zone", func(w *Writer) { w.Zone = "example.org" }, "to an update of zone example.org"},
	} {
		t.Run(c.name, func(t *testing.T) {
			writer := good
			c.change(&writer)
			want := record.Addresses("acme."+writer.Zone, 60, []string{"192.0.2.7"})
			err := writer.Apply(timeout(t), nil, record.Plan(nil, want, "eu-1"), "tenant/acme")
			var refused *record.Refused
			if !errors.As(err, &refused) || !strings.Contains(refused.Why, c.want) {
				t.Errorf("error is %v, want a refusal with %q", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), writer.Key.Secret) && writer.Key.Secret != "!" {
				t.Error("the error holds the secret")
			}
		})
	}
}

// TestWriterAdoptsAnOldMark: records that an external-dns before v0.12 made under
// the same owner id are taken over, with the mark as it is written today.
func TestWriterAdoptsAnOldMark(t *testing.T) {
	name := "acme." + testZone
	server := named.Start(t, named.Options{Zones: []named.Zone{{Name: testZone, Records: []string{
		"acme 60 IN A 192.0.2.7",
		`acme 60 IN TXT "heritage=external-dns,external-dns/owner=eu-1,external-dns/resource=service/a/b"`,
		`acme 60 IN TXT "v=spf1 -all"`,
	}}}})
	provider := newDirect(server, testZone, "eu-1")
	if err := provider.Sync(timeout(t), record.Addresses(name, 60, []string{"192.0.2.8"})); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"192.0.2.8"}, server.Lookup(name, "A")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"v=spf1 -all"}, server.Lookup(name, "TXT")); diff != "" {
		t.Error(diff)
	}
	mark := []string{"heritage=external-dns,external-dns/owner=eu-1,external-dns/resource=service/a/b"}
	if diff := cmp.Diff(mark, server.Lookup("a-"+name, "TXT")); diff != "" {
		t.Error(diff)
	}
}

// TestWriterLeavesStrayMarksOfOthers: a mark without a record still says that the
// name is somebody's.
func TestWriterLeavesStrayMarksOfOthers(t *testing.T) {
	name := "acme." + testZone
	server := named.Start(t, named.Options{Zones: []named.Zone{{Name: testZone, Records: []string{
		`a-acme 60 IN TXT "heritage=external-dns,external-dns/owner=us-1"`,
	}}}})
	provider := newDirect(server, testZone, "eu-1")
	if err := provider.Sync(timeout(t), record.Addresses(name, 60, []string{"192.0.2.8"})); err != nil {
		t.Fatal(err)
	}
	if got := server.Lookup(name, "A"); len(got) > 0 {
		t.Errorf("made %v beside another owner's mark", got)
	}
}
