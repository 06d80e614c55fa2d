package controller

import (
	"context"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// oneSeat is a cache with one claim in it; deleted counts what became of it.
type oneSeat struct {
	client.Client
	tenant  string
	deleted int
}

func (s *oneSeat) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	claim, ok := into.(*v1alpha1.Claim)
	if !ok {
		return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
	}
	claim.Name, claim.Spec = key.Name, v1alpha1.ClaimSpec{Tenant: s.tenant, Kind: v1alpha1.ClaimUpdateSeat}
	return nil
}

func (s *oneSeat) Delete(context.Context, client.Object, ...client.DeleteOption) error {
	s.deleted++
	return nil
}

// A tenant that saw its seat a moment too late must not take it away from whoever has
// it by now: that one would go on without, and another tenant beside it.
func TestASeatIsGivenUpByItsHolderOnly(t *testing.T) {
	for tenant, want := range map[string]int{"acme": 1, "beta": 0} {
		cluster := &oneSeat{tenant: tenant}
		r := &Reconciler{cached: cluster, writer: cluster, options: Options{Now: time.Now}}
		if err := r.leaveSeats(t.Context(), "acme", []string{naming.UpdateSeat(1)}); err != nil {
			t.Fatal(err)
		}
		if cluster.deleted != want {
			t.Errorf("the seat of %s was given up %d times, want %d", tenant, cluster.deleted, want)
		}
	}
}
