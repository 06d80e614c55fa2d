package controller

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/plan"
)

// beats knows which edges renew their Leases. Their clocks are not believed: what
// counts is when this process last saw a Lease change. The Leases are read from the
// API server itself, and an edge is called silent only after two such looks: when
// the API server was away, its edges get the time to come back to it.
type beats struct {
	reader client.Reader
	now    func() time.Time
	// every is the least time between two looks.
	every time.Duration

	mu     sync.Mutex
	looked time.Time
	of     map[string]*beat // by Lease
}

type beat struct {
	region, edge string
	lease        coordinationv1.Lease // as it was seen last
	renewed      metav1.MicroTime
	seen         time.Time // when it was seen to change
	doubted      time.Time // since when it is seen not to; zero while it does
	silent       bool
}

const (
	// lookEvery is what [Options.EdgeLook] is unless told otherwise.
	lookEvery = 10 * time.Second
	// longGone is the age of a Lease that is not doubted when it is seen first.
	longGone = 5 * time.Minute
)

func newBeats(reader client.Reader, now func() time.Time, every time.Duration) *beats {
	return &beats{reader: reader, now: now, every: every, of: map[string]*beat{}}
}

// doubt is how long a Lease that has run out may be renewed belatedly: edges try again
// every few seconds.
func (b *beats) doubt() time.Duration { return 2 * b.every }

// The right to list and delete the Leases is in files/edge/leases.yaml of the chart: it is for
// their namespace alone.

// silent are the edges of a Region that are not heard of any more, by name. An edge
// without a Lease is not judged; it may be of an earlier version.
func (b *beats) silent(ctx context.Context, region string) []plan.SilentEdge {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now := b.now(); now.Sub(b.looked) >= b.every {
		if err := b.look(ctx, now); err != nil {
			ctrl.LoggerFrom(ctx).Error(err, "look for silent edges")
		}
	}
	var silent []plan.SilentEdge
	for _, beat := range b.of {
		if beat.silent && beat.region == region && !beat.renewed.IsZero() {
			silent = append(silent, plan.SilentEdge{Name: beat.edge, Since: metav1.NewTime(beat.renewed.Time)})
		}
	}
	slices.SortFunc(silent, func(a, b plan.SilentEdge) int { return strings.Compare(a.Name, b.Name) })
	return silent
}

// givenUp are the Leases of silent edges that a person gave up for good. It looks anew
// and gives none when it cannot: an edge may have come back since somebody looked last.
func (b *beats) givenUp(ctx context.Context) ([]coordinationv1.Lease, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.look(ctx, b.now()); err != nil {
		return nil, err
	}
	var leases []coordinationv1.Lease
	for _, beat := range b.of {
		if beat.silent && beat.lease.Annotations[naming.AnnotationForgetEdge] != "" {
			leases = append(leases, beat.lease)
		}
	}
	slices.SortFunc(leases, func(a, b coordinationv1.Lease) int { return strings.Compare(a.Name, b.Name) })
	return leases, nil
}

// forget is for a Lease that was deleted because its edge was given up.
func (b *beats) forget(lease string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.of, lease)
}

// look reads the Leases. When they cannot be read, nobody is judged anew. The lock is
// held.
func (b *beats) look(ctx context.Context, now time.Time) error {
	b.looked = now
	var leases coordinationv1.LeaseList
	if err := b.reader.List(ctx, &leases, client.InNamespace(naming.EdgeNamespace), client.HasLabels{naming.LabelRegion}); err != nil {
		return fmt.Errorf("list the leases of edges in %s: %w", naming.EdgeNamespace, err)
	}
	there := map[string]bool{}
	for _, lease := range leases.Items {
		there[lease.Name] = true
		if lease.Spec.HolderIdentity != nil && lease.Spec.LeaseDurationSeconds != nil {
			b.judge(lease, now)
		}
	}
	for name, beat := range b.of {
		// To delete the Lease of a silent edge by hand makes it speak no more than before.
		if !there[name] && !beat.silent {
			delete(b.of, name)
		}
	}
	return nil
}

// judge takes a Lease that was never renewed as one made now: a person gave up an edge
// that had none, and it gets the time to say that it lives.
func (b *beats) judge(lease coordinationv1.Lease, now time.Time) {
	lasts := time.Duration(*lease.Spec.LeaseDurationSeconds) * time.Second
	var renewed metav1.MicroTime
	if lease.Spec.RenewTime != nil {
		renewed = *lease.Spec.RenewTime
	}
	held, known := b.of[lease.Name]
	if !known {
		held = &beat{region: lease.Labels[naming.LabelRegion], edge: *lease.Spec.HolderIdentity, renewed: renewed, seen: now}
		if age := now.Sub(renewed.Time); age > 0 && !renewed.IsZero() {
			held.seen = renewed.Time
			held.silent = age > longGone
		}
		b.of[lease.Name] = held
	} else if !held.renewed.Equal(&renewed) {
		held.renewed, held.seen, held.doubted, held.silent = renewed, now, time.Time{}, false
	}
	held.lease = lease
	switch {
	case held.silent || now.Sub(held.seen) <= lasts:
	case held.doubted.IsZero():
		held.doubted = now
	case now.Sub(held.doubted) >= b.doubt():
		held.silent = true
	}
}
