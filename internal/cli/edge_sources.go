package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/edge"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// maxSourceCIDRs is what the API server lets a Region hold.
const maxSourceCIDRs = 32

func newEdgeSourcesCommand(s *session) *cobra.Command {
	var region string
	var here bool
	command := &cobra.Command{
		Use:   "sources [--region REGION | --here]",
		Short: "print what spec.edge.sourceCIDRs of a Region is to hold",
		Long: "Print from which addresses managers and gateways may see the edges of a Region come, as\n" +
			"each edge tells with its Lease, and which of them spec.edge.sourceCIDRs does not hold yet.\n" +
			"A gateway drops the enrollments an edge brings from another address, and the tenant's\n" +
			"NetworkPolicy its connections.\n\n" +
			"They are all addresses of the edges' machines: on a node with an overlay network, pods are\n" +
			"reached from the address of its tunnel, and those of the same node from that of their\n" +
			"bridge. Where something beyond the machine translates addresses, it is not in the list;\n" +
			"the gateway's log names it with the reason proxy-untrusted.\n\n" +
			"With --here the addresses are those of the machine this runs on, and no cluster is asked:\n" +
			"for an edge that does not run yet, or has its routes from a file.",
		Example: "  soctalk-ingress edge sources --region eu\n\n" +
			"  # into a script: the whole list of the first Region that has edges\n" +
			"  soctalk-ingress edge sources -o json | jq -r '.[0].sourceCIDRs[]'\n\n" +
			"  # on the machine\n" +
			"  soctalk-ingress edge sources --here",
		Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
	}
	command.Flags().StringVar(&region, "region", "", "Region whose edges are meant (default every Region that has some)")
	command.Flags().BoolVar(&here, "here", false, "print the addresses of this machine, and ask no cluster")
	s.addClusterFlags(command)
	out := addOutput(command, formatTable, formatJSON, formatYAML)
	if err := command.RegisterFlagCompletionFunc("region", s.completeRegion); err != nil {
		panic(err) // the flag stands some lines above
	}
	command.RunE = func(command *cobra.Command, _ []string) error {
		if err := out.check(); err != nil {
			return err
		}
		if here && region != "" {
			return usageError("--region: %q: --here asks no cluster; leave one of them out", region)
		}
		if here {
			return s.sourcesHere(out)
		}
		return s.sourcesOf(command.Context(), out, region)
	}
	return command
}

// regionSources is what -o json says of one Region.
type regionSources struct {
	Region string `json:"region,omitempty"`
	// SourceCIDRs is what the Region is to hold: what it holds, and what is missing.
	SourceCIDRs []string `json:"sourceCIDRs"`
	// Missing are addresses of its edges that it does not hold.
	Missing []string `json:"missing"`
	// Unused are networks it holds in which no edge has an address.
	Unused []string      `json:"unused"`
	Edges  []edgeSources `json:"edges"`
}

// sourcesNamed begins with what a Region holds.
func sourcesNamed(region string, held []string) regionSources {
	return regionSources{Region: region, SourceCIDRs: append([]string{}, held...), Missing: []string{}, Unused: append([]string{}, held...), Edges: []edgeSources{}}
}

// holds is true where one of the networks has the address.
func holds(networks []string, address netip.Addr) bool {
	return slices.ContainsFunc(networks, func(text string) bool { return contains(text, address) })
}

func contains(text string, address netip.Addr) bool {
	network, err := netip.ParsePrefix(text) // the API server has looked at it
	return err == nil && network.Contains(address)
}

type edgeSources struct {
	Edge      string            `json:"edge,omitempty"`
	LastHeard *metav1.MicroTime `json:"lastHeard,omitempty"`
	Addresses []sourceAddress   `json:"addresses"`
}

type sourceAddress struct {
	edge.Origin
	// Named is true where the Region's spec.edge.sourceCIDRs holds the address.
	Named bool `json:"named"`
}

// add takes what an edge told.
func (r *regionSources) add(name string, heard *metav1.MicroTime, origins []edge.Origin) {
	told := edgeSources{Edge: name, LastHeard: heard, Addresses: []sourceAddress{}}
	for _, origin := range origins {
		if !holds(r.SourceCIDRs, origin.Address) {
			r.SourceCIDRs, r.Missing = append(r.SourceCIDRs, origin.CIDR()), append(r.Missing, origin.CIDR())
		}
		r.Unused = slices.DeleteFunc(r.Unused, func(text string) bool { return contains(text, origin.Address) })
		told.Addresses = append(told.Addresses, sourceAddress{Origin: origin, Named: !slices.Contains(r.Missing, origin.CIDR())})
	}
	r.Edges = append(r.Edges, told)
}

func (s *session) sourcesHere(out *output) error {
	origins, err := edge.Origins()
	if err != nil {
		return err
	}
	machine := sourcesNamed("", nil)
	machine.add("", nil, origins)
	if !out.table() {
		return out.printData(s.streams.Out, []regionSources{machine})
	}
	table := tabwriter.NewWriter(s.streams.Out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "INTERFACE\tSOURCE")
	for _, origin := range origins {
		fmt.Fprintf(table, "%s\t%s\n", origin.Interface, origin.CIDR())
	}
	return table.Flush()
}

func (s *session) sourcesOf(ctx context.Context, out *output, region string) error {
	c, err := s.connect()
	if err != nil {
		return err
	}
	regions, err := c.Regions(ctx)
	if err != nil {
		return err
	}
	edges, err := c.edges(ctx)
	if err != nil {
		return err
	}
	found, err := sourcesByRegion(regions, edges, region)
	if err != nil {
		return err
	}
	if !out.table() {
		return out.printData(s.streams.Out, found)
	}
	return s.printSources(found, time.Now())
}

// sourcesByRegion is for one Region, or for all that have edges.
func sourcesByRegion(regions []v1alpha1.Region, edges []knownEdge, only string) ([]regionSources, error) {
	found := []regionSources{}
	for _, region := range regions {
		if region.Spec.Edge == nil || only != "" && region.Name != only {
			continue
		}
		sources := sourcesNamed(region.Name, region.Spec.Edge.SourceCIDRs)
		for _, known := range edges {
			if known.region != region.Name || known.lease == nil {
				continue
			}
			origins, err := edge.ReadOrigins(known.lease.Annotations[naming.AnnotationEdgeOrigins])
			if err != nil {
				return nil, hinted(exitRefused, fmt.Errorf("lease %s/%s: %w", naming.EdgeNamespace, known.lease.Name, err), "see who wrote its annotation %s", naming.AnnotationEdgeOrigins)
			}
			sources.add(known.name, known.heard(), origins)
		}
		found = append(found, sources)
	}
	if only != "" && len(found) == 0 {
		return nil, hinted(exitNotFound, fmt.Errorf("no Region %q with spec.edge", only), "kubectl get regions shows all of them")
	}
	slices.SortFunc(found, func(a, b regionSources) int { return cmp.Compare(a.Region, b.Region) })
	return found, nil
}

func (s *session) printSources(found []regionSources, now time.Time) error {
	table := tabwriter.NewWriter(s.streams.Out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "REGION\tEDGE\tINTERFACE\tSOURCE\tIN REGION\tHEARD")
	for _, region := range found {
		for _, told := range region.Edges {
			heard := "-"
			if told.LastHeard != nil {
				heard = since(told.LastHeard.Time, now)
			}
			for _, address := range told.Addresses {
				in := "MISSING"
				if address.Named {
					in = "yes"
				}
				fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", region.Region, told.Edge, address.Interface, address.CIDR(), in, heard)
			}
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, region := range found {
		if len(region.Edges) == 0 {
			s.talk("no edge of Region %q was heard of; on its machine: soctalk-ingress edge sources --here", region.Region)
			continue
		}
		if len(region.Unused) > 0 {
			s.talk("Region %q holds %s, where no edge has an address; right only if something between translates", region.Region, quotedList(region.Unused))
		}
		if len(region.Missing) > 0 && len(region.SourceCIDRs) > maxSourceCIDRs {
			s.talk("these are %d, and a Region holds %d: write networks that hold them", len(region.SourceCIDRs), maxSourceCIDRs)
			continue
		}
		if len(region.Missing) > 0 {
			whole, err := json.Marshal(region.SourceCIDRs)
			if err != nil {
				return err
			}
			s.talk("next, if these are your machines: kubectl patch region %s --type merge -p '{\"spec\":{\"edge\":{\"sourceCIDRs\":%s}}}'", region.Region, whole)
		}
	}
	return nil
}
