package record

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/soctalk/soctalk-ingress/internal/golden"
)

// TestPlan reads what a zone says and what is wanted, and compares the changes.
func TestPlan(t *testing.T) {
	golden.Folders(t, "testdata", func(t *testing.T, folder string) {
		in := filepath.Join(folder, "in.yaml")
		golden.Why(t, in)
		var given struct {
			Owner   string    `json:"owner"`
			Current []Current `json:"current"`
			Desired []Record  `json:"desired"`
		}
		golden.Read(t, in, &given)
		golden.Compare(t, filepath.Join(folder, "want.yaml"), golden.YAML(t, Plan(given.Current, given.Desired, given.Owner)))
	})
}

func TestMarks(t *testing.T) {
	for _, c := range []struct{ prefix, kind, want string }{
		{"", A, "a-acme.example.com"},
		{"", SRV, "srv-acme.example.com"},
		{"mark-", AAAA, "mark-aaaa-acme.example.com"},
		{"%{record_type}.mark.", CNAME, "cname.mark.acme.example.com"},
	} {
		if got := (Naming{Prefix: c.prefix}).Mark("acme.example.com", c.kind); got != c.want {
			t.Errorf("mark of %s with prefix %q is %q, want %q", c.kind, c.prefix, got, c.want)
		}
	}
}

func TestOwnerText(t *testing.T) {
	owner := Owner{ID: "eu-1", Resource: "tenant/acme"}
	const text = "heritage=external-dns,external-dns/owner=eu-1,external-dns/resource=tenant/acme"
	if owner.Text() != text {
		t.Errorf("text is %q, want %q", owner.Text(), text)
	}
	got, ok := ParseOwner(`"` + text + `"`)
	if diff := cmp.Diff(owner, got); !ok || diff != "" {
		t.Errorf("read back as %+v, %v", got, ok)
	}
	for _, other := range []string{"", "v=spf1 -all", "heritage=mate,external-dns/owner=eu-1"} {
		if got, ok := ParseOwner(other); ok {
			t.Errorf("%q passes for a mark of %+v", other, got)
		}
	}
}

func TestAddresses(t *testing.T) {
	got := Addresses("acme.example.com", 60, []string{"2001:db8::7", "192.0.2.8", "192.0.2.7", "192.0.2.7"})
	want := []Record{
		{Name: "acme.example.com", Type: A, TTL: 60, Values: []string{"192.0.2.7", "192.0.2.8"}},
		{Name: "acme.example.com", Type: AAAA, TTL: 60, Values: []string{"2001:db8::7"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	got = Addresses("acme.example.com", 60, []string{"lb.cloud.example"})
	want = []Record{{Name: "acme.example.com", Type: CNAME, TTL: 60, Values: []string{"lb.cloud.example."}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// FuzzParseOwner: texts come from the network.
func FuzzParseOwner(f *testing.F) {
	f.Add(Owner{ID: "eu-1", Resource: "tenant/acme"}.Text())
	f.Add("heritage=external-dns")
	f.Fuzz(func(t *testing.T, text string) {
		owner, ok := ParseOwner(text)
		if again, okAgain := ParseOwner(owner.Text()); ok && (!okAgain || again != owner) {
			t.Errorf("%q is read as %+v and, written again, as %+v", text, owner, again)
		}
	})
}
