package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// Two nodes of one Region: of the first one it holds the address, of the second one the
// tunnel is missing, and a network it holds belongs to nobody.
func TestWhatARegionIsToHold(t *testing.T) {
	now := time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)
	lease := func(region, name, origins string) coordinationv1.Lease {
		lasts, renewed := int32(60), metav1.NewMicroTime(now.Add(-5*time.Second))
		return coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Name: region + "." + name, Labels: map[string]string{naming.LabelRegion: region}, Annotations: map[string]string{naming.AnnotationEdgeOrigins: origins}},
			Spec:       coordinationv1.LeaseSpec{HolderIdentity: &name, LeaseDurationSeconds: &lasts, RenewTime: &renewed},
		}
	}
	known := knownEdges([]coordinationv1.Lease{
		lease("eu", "node-2", `[{"interface":"eth0","address":"192.0.2.6"},{"interface":"flannel.1","address":"10.42.1.0"}]`),
		lease("eu", "node-1", `[{"interface":"eth0","address":"192.0.2.5"}]`),
		lease("us", "node-9", `[{"interface":"eth0","address":"2001:db8::9"}]`),
	}, nil)
	region := func(name string, cidrs ...string) v1alpha1.Region {
		return v1alpha1.Region{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.RegionSpec{Edge: &v1alpha1.EdgeSpec{SourceCIDRs: cidrs}}}
	}
	regions := []v1alpha1.Region{region("us"), region("eu", "192.0.2.0/28", "203.0.113.7/32"), region("bare"), {ObjectMeta: metav1.ObjectMeta{Name: "none"}}}
	found, err := sourcesByRegion(regions, known, "")
	if err != nil {
		t.Fatal(err)
	}
	var out, said bytes.Buffer
	s := &session{streams: genericiooptions.IOStreams{Out: &out, ErrOut: &said}}
	if err := s.printSources(found, now); err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{
		"REGION   EDGE     INTERFACE   SOURCE            IN REGION   HEARD",
		"eu       node-1   eth0        192.0.2.5/32      yes         5s ago",
		"eu       node-2   eth0        192.0.2.6/32      yes         5s ago",
		"eu       node-2   flannel.1   10.42.1.0/32      MISSING     5s ago",
		"us       node-9   eth0        2001:db8::9/128   MISSING     5s ago", "",
	}, "\n")
	if out.String() != want {
		t.Errorf("it prints\n%s\nand not\n%s", out.String(), want)
	}
	for _, words := range []string{
		`no edge of Region "bare" was heard of`,
		`Region "eu" holds "203.0.113.7/32", where no edge has an address`,
		`kubectl patch region eu --type merge -p '{"spec":{"edge":{"sourceCIDRs":["192.0.2.0/28","203.0.113.7/32","10.42.1.0/32"]}}}'`,
		`kubectl patch region us --type merge -p '{"spec":{"edge":{"sourceCIDRs":["2001:db8::9/128"]}}}'`,
	} {
		if !strings.Contains(said.String(), words) {
			t.Errorf("it does not say %s:\n%s", words, said.String())
		}
	}
	if _, err := sourcesByRegion(regions, known, "none"); codeOf(err) != exitNotFound {
		t.Errorf("a Region without edges: %v", err)
	}
	forged := knownEdges([]coordinationv1.Lease{lease("eu", "node-1", `[{"interface":"eth0","address":"0.0.0.0/0"}]`)}, nil)
	if _, err := sourcesByRegion(regions, forged, ""); codeOf(err) != exitRefused {
		t.Errorf("a forged Lease: %v", err)
	}
}
