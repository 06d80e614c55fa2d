package controller

import (
	"context"
	"errors"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// When an edge is called silent, told by looks at its Lease: by our clock, not by
// its own, and not because the API server was away.
func TestWhenAnEdgeIsSilent(t *testing.T) {
	start := time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)
	type look struct {
		after, renewed time.Duration // since the start; the Lease's as its edge's clock has it
		silent         bool
	}
	for name, looks := range map[string][]look{
		"a living edge": {{0, 0, false}, {50 * time.Second, 40 * time.Second, false}, {100 * time.Second, 100 * time.Second, false}},
		"it dies": {{0, 0, false}, {60 * time.Second, 0, false}, {65 * time.Second, 0, false}, {80 * time.Second, 0, false}, {90 * time.Second, 0, true},
			{time.Hour, 0, true}, {time.Hour + time.Second, time.Hour, false}},
		"its clock is five minutes behind":        {{0, -5 * time.Minute, false}, {20 * time.Second, -5*time.Minute + 20*time.Second, false}, {90 * time.Second, -5*time.Minute + 80*time.Second, false}},
		"its clock is an hour ahead, and it dies": {{0, time.Hour, false}, {61 * time.Second, time.Hour, false}, {82 * time.Second, time.Hour, true}},
		// Nothing could be renewed while the API server was away; the first look after it comes before the edge.
		"the API server was away":                   {{0, 0, false}, {10 * time.Minute, 0, false}, {10*time.Minute + 10*time.Second, 10*time.Minute + 5*time.Second, false}},
		"it was dead before the operator was there": {{0, -time.Hour, true}, {time.Second, 0, false}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBeats(nil, nil, lookEvery)
			for _, l := range looks {
				edge, lasts, renewed := "edge-1", int32(60), metav1.NewMicroTime(start.Add(l.renewed))
				b.judge(coordinationv1.Lease{
					ObjectMeta: metav1.ObjectMeta{Name: "eu.edge-1", Labels: map[string]string{naming.LabelRegion: "eu"}},
					Spec:       coordinationv1.LeaseSpec{HolderIdentity: &edge, LeaseDurationSeconds: &lasts, RenewTime: &renewed},
				}, start.Add(l.after))
				if silent := b.of["eu.edge-1"].silent; silent != l.silent {
					t.Errorf("after %s: silent %v, want %v", l.after, silent, l.silent)
				}
			}
		})
	}
}

// A person's word counts once the edge is silent, and not before; an edge that had no Lease
// gets as long as one lasts to renew it.
func TestWhenAnEdgeIsGivenUp(t *testing.T) {
	start := time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)
	at := func(after time.Duration) *metav1.MicroTime { return new(metav1.NewMicroTime(start.Add(after))) }
	type look struct {
		after   time.Duration
		renewed *metav1.MicroTime
		why     string
		given   bool
	}
	for name, looks := range map[string][]look{
		"it is silent":  {{0, at(-time.Hour), "", false}, {time.Second, at(-time.Hour), "scrapped", true}},
		"it lives":      {{0, at(0), "by mistake", false}, {60 * time.Second, at(0), "by mistake", false}, {70 * time.Second, at(65 * time.Second), "", false}, {time.Hour, at(65 * time.Second), "", false}},
		"it dies after": {{0, at(0), "scrapped", false}, {61 * time.Second, at(0), "scrapped", false}, {82 * time.Second, at(0), "scrapped", true}},
		"it is back sooner than anybody looks by himself": {{0, at(-time.Hour), "scrapped", true}, {time.Second, at(time.Second), "", false}},
		"it had no Lease": {{0, nil, "scrapped", false}, {61 * time.Second, nil, "scrapped", false}, {82 * time.Second, nil, "scrapped", true}},
		"it had no Lease and makes one": {{0, nil, "scrapped", false}, {20 * time.Second, at(15 * time.Second), "", false},
			{82 * time.Second, at(75 * time.Second), "", false}},
	} {
		t.Run(name, func(t *testing.T) {
			clock, there := start, &leases{}
			b := newBeats(there, func() time.Time { return clock }, lookEvery)
			for _, l := range looks {
				clock = start.Add(l.after)
				edge, lasts := "edge-1", int32(60)
				there.of = []coordinationv1.Lease{{
					ObjectMeta: metav1.ObjectMeta{Name: "eu.edge-1", Labels: map[string]string{naming.LabelRegion: "eu"}, Annotations: map[string]string{naming.AnnotationForgetEdge: l.why}},
					Spec:       coordinationv1.LeaseSpec{HolderIdentity: &edge, LeaseDurationSeconds: &lasts, RenewTime: l.renewed},
				}}
				given, err := b.givenUp(t.Context())
				if err != nil || len(given) == 1 != l.given {
					t.Errorf("after %s: given up %v, %v; want %v", l.after, given, err, l.given)
				}
				there.away = errors.New("the API server is away")
				if given, err := b.givenUp(t.Context()); len(given) > 0 || err == nil {
					t.Errorf("after %s: given up without a look: %v, %v", l.after, given, err)
				}
				there.away = nil
			}
		})
	}
}

// leases answer as an API server does that has them, or is away.
type leases struct {
	client.Reader
	of   []coordinationv1.Lease
	away error
}

func (l *leases) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	list.(*coordinationv1.LeaseList).Items = l.of
	return l.away
}
