package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/reveal"
)

// forgetFlags are the flags of edge forget.
type forgetFlags struct {
	region, why string
	yes, wait   bool
	timeout     time.Duration
}

func newEdgeForgetCommand(s *session) *cobra.Command {
	var flags forgetFlags
	command := &cobra.Command{
		Use:   "forget NAME --why TEXT",
		Short: "give up an edge that is dead for good, so that nobody waits for it",
		Long: "Give up an edge that is silent and will not come back. What it said last is taken out of\n" +
			"the Routes' status, so that revocations and removals no longer wait for its word. What\n" +
			"they leave on record says that the edge was given up, by whom and why.\n\n" +
			"It ends nothing on the edge's machine. Where only the edge's program is gone, or the\n" +
			"network to the API server, its HAProxy goes on routing by what is on its disk, for tenants\n" +
			"that are suspended or removed meanwhile too. Make sure that the machine is off, or\n" +
			"that nothing leads to its address.\n\n" +
			"An edge that is heard of is not forgotten, whatever is asked: the operator acts once it\n" +
			"has missed the Lease itself. One that comes back reads what is wanted, ends what is\n" +
			"not, and reports again.",
		Example: "  # which edges there are, and when each was heard of last\n" +
			"  kubectl -n soctalk-edges get leases\n\n" +
			"  soctalk-ingress edge forget edge-2 --region eu --why 'machine scrapped, ticket 4711' --wait\n\n" +
			"  # from a script\n" +
			"  soctalk-ingress edge forget edge-2 --region eu --why 'ticket 4711' --yes --wait -o json",
		Args: func(command *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("%s takes the name of one edge, got %d", command.CommandPath(), len(args))
			}
			return nil
		},
		ValidArgsFunction: s.completeEdge,
	}
	set := command.Flags()
	set.StringVar(&flags.region, "region", "", "Region of the edge; needed where two Regions have one of that name")
	set.StringVar(&flags.why, "why", "", "the reason, kept in Routes, events and reports (required)")
	set.BoolVar(&flags.yes, "yes", false, "do not ask; needed where nobody can answer")
	set.BoolVar(&flags.wait, "wait", false, "wait until the operator has forgotten it")
	set.DurationVar(&flags.timeout, "timeout", 5*time.Minute, "how long --wait waits")
	s.addClusterFlags(command)
	out := addOutput(command, formatText, formatJSON, formatYAML)
	if err := command.RegisterFlagCompletionFunc("region", s.completeRegion); err != nil {
		panic(err) // the flag stands some lines above
	}
	command.RunE = func(command *cobra.Command, args []string) error {
		if err := out.check(); err != nil {
			return err
		}
		if err := checkWhy(flags.why); err != nil {
			return err
		}
		if !flags.yes && !isTerminal(s.streams.In) {
			return hinted(exitUsage, errors.New("this gives up an edge, and nobody is there to be asked"), "add --yes if that is what you want")
		}
		return s.forgetEdge(command.Context(), out, flags, args[0])
	}
	return command
}

// forgottenEdge is what -o json says.
type forgottenEdge struct {
	Edge   string `json:"edge"`
	Region string `json:"region"`
	// LastHeard is when it renewed its Lease last; empty when it had none.
	LastHeard *metav1.MicroTime `json:"lastHeard,omitempty"`
	// Tenants are those whose Routes had an entry of it.
	Tenants []string `json:"tenants"`
	// Forgotten is true once the operator has taken the entries out; without --wait it
	// is not known yet.
	Forgotten bool `json:"forgotten"`
}

func (s *session) forgetEdge(ctx context.Context, out *output, flags forgetFlags, name string) error {
	c, err := s.connect()
	if err != nil {
		return err
	}
	found, err := c.edgeOf(ctx, name, flags.region)
	if err != nil {
		return err
	}
	if err := found.silentFor(time.Now()); err != nil {
		return err
	}
	for _, line := range found.means(time.Now()) {
		s.talk("%s", line)
	}
	if !flags.yes {
		if err := s.askForSlug(name); err != nil {
			return err
		}
	}
	if err := c.giveUp(ctx, found, flags.why); err != nil {
		return err
	}
	if flags.wait {
		if err := c.waitForgotten(ctx, found, flags.timeout); err != nil {
			return err
		}
	}
	if out.format != formatText {
		return out.printData(s.streams.Out, forgottenEdge{Edge: name, Region: found.region, LastHeard: found.heard(), Tenants: found.tenants, Forgotten: flags.wait})
	}
	if flags.wait {
		fmt.Fprintf(s.streams.Out, "edge %q of Region %q forgotten, at %d tenants\n", name, found.region, len(found.tenants))
		return nil
	}
	fmt.Fprintf(s.streams.Out, "edge %q of Region %q is being forgotten\n", name, found.region)
	s.talk("next: kubectl describe region %s tells when it is", found.region)
	return nil
}

// silentFor refuses an edge that lives. By this machine's clock: whether it is silent
// the operator sees for itself.
func (e knownEdge) silentFor(now time.Time) error {
	heard := e.heard()
	if heard == nil {
		return nil
	}
	lasts := time.Duration(*e.lease.Spec.LeaseDurationSeconds) * time.Second
	if age := now.Sub(heard.Time); age < lasts {
		return hinted(exitRefused, fmt.Errorf("edge %q of Region %q lives: it was heard of %s", e.name, e.region, since(heard.Time, now)),
			"stop it first, with its HAProxy, and take its address out of the Region's spec.edge.addresses; then try again after %s", lasts)
	}
	return nil
}

// means says what comes of it, before anybody is asked.
func (e knownEdge) means(now time.Time) []string {
	last := "has no Lease, so that nobody knows whether it lives"
	if heard := e.heard(); heard != nil {
		last = "was heard of " + since(heard.Time, now)
	}
	return []string{
		fmt.Sprintf("edge %q of Region %q %s; by its last word it carries %d tenants", e.name, e.region, last, len(e.tenants)),
		"revocations and removals will no longer wait for its word",
		"warning: if its HAProxy still runs, it goes on routing by its disk, for tenants that are suspended or removed too; make sure it is off",
	}
}

// giveUp marks the Lease. An edge that renewed it since it was read is not given up.
func (c *cluster) giveUp(ctx context.Context, edge knownEdge, why string) error {
	who, err := reveal.Who(ctx, c)
	if err != nil {
		return err
	}
	mark := map[string]string{naming.AnnotationForgetEdge: why, naming.AnnotationForgetEdgeBy: who}
	if edge.lease == nil {
		return c.giveUpUnknown(ctx, edge, mark)
	}
	marked := edge.lease.DeepCopy()
	if marked.Annotations == nil {
		marked.Annotations = map[string]string{}
	}
	for key, value := range mark {
		marked.Annotations[key] = value
	}
	err = c.Patch(ctx, marked, client.MergeFromWithOptions(edge.lease, client.MergeFromWithOptimisticLock{}))
	switch {
	case apierrors.IsConflict(err), apierrors.IsNotFound(err):
		return hinted(exitRefused, fmt.Errorf("the lease of edge %q changed at this moment: it may be back", edge.name), "kubectl -n %s get leases; then try again", naming.EdgeNamespace)
	case err != nil:
		return fmt.Errorf("mark lease %s/%s: %w", marked.Namespace, marked.Name, err)
	}
	return nil
}

// giveUpUnknown makes a Lease for an edge that has none, never renewed: the operator
// gives the edge as long as it lasts to say that it lives.
func (c *cluster) giveUpUnknown(ctx context.Context, edge knownEdge, mark map[string]string) error {
	lasts := int32(60)
	lease := &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{
			Name: naming.EdgeLease(edge.region, edge.name), Namespace: naming.EdgeNamespace, Annotations: mark,
			Labels: map[string]string{naming.LabelRegion: edge.region, naming.LabelManagedBy: naming.Product},
		},
		Spec: coordinationv1.LeaseSpec{HolderIdentity: &edge.name, LeaseDurationSeconds: &lasts},
	}
	if err := c.Create(ctx, lease); err != nil {
		return fmt.Errorf("make a lease for edge %q, by which the operator is told: %w", edge.name, err)
	}
	return nil
}

// waitForgotten waits for the operator, which deletes the Lease last.
func (c *cluster) waitForgotten(ctx context.Context, edge knownEdge, atMost time.Duration) error {
	key := client.ObjectKey{Namespace: naming.EdgeNamespace, Name: naming.EdgeLease(edge.region, edge.name)}
	err := poll(ctx, atMost, func(ctx context.Context) (bool, error) {
		var lease coordinationv1.Lease
		err := c.Get(ctx, key, &lease)
		switch {
		case apierrors.IsNotFound(err):
			return true, nil
		case err != nil:
			return false, fmt.Errorf("read lease %s: %w", key, err)
		case lease.Annotations[naming.AnnotationForgetEdge] == "":
			return false, hinted(exitRefused, fmt.Errorf("edge %q is back, and is not forgotten", edge.name), "stop it, with its HAProxy, and try again")
		}
		return false, nil
	})
	if errors.Is(err, errTimeout) {
		return hinted(exitTimeout, fmt.Errorf("edge %q is not forgotten after %s", edge.name, atMost), "see whether the operator runs; it goes on with this by itself")
	}
	return err
}

// edgeNames are for messages and the tab key.
func edgeNames(edges []knownEdge) []string {
	var names []string
	for _, edge := range edges {
		names = append(names, edge.name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// completeEdge offers the edges of the cluster.
func (s *session) completeEdge(command *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var leases coordinationv1.LeaseList
	if len(args) > 0 || !s.listForCompletion(command.Context(), &leases, client.InNamespace(naming.EdgeNamespace)) {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return edgeNames(knownEdges(leases.Items, nil)), cobra.ShellCompDirectiveNoFileComp
}

func quotedList(names []string) string { return `"` + strings.Join(names, `", "`) + `"` }
