// Package desk is what a person does with tenants: look, create, onboard, reveal,
// revoke, rotate, suspend, remove. The command line and the console are two ways to
// sit at it; whatever they do alike is here once.
//
// A [Desk] acts as whoever its configuration says, so that the API server decides
// what may be done and its audit log has the person's name. It reaches a tenant's
// manager, gateway and edges through ports the API server forwards. Errors carry a
// class and a next step; see internal/fault.
package desk

import (
	"context"
	"fmt"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/fault"
)

// Desk is the API server as one person may use it.
type Desk struct {
	client.Client
	Config *rest.Config
	// System is the operator's namespace, where that is known; empty means where it
	// usually is.
	System string
}

// New makes a desk for whoever the configuration says; owner is under which name
// fields are written. It does not call the server yet.
func New(config *rest.Config, scheme *runtime.Scheme, owner string) (*Desk, error) {
	c, err := client.New(config, client.Options{Scheme: scheme, Log: logr.Discard()}) // errors are returned
	if err != nil {
		return nil, fmt.Errorf("reach the cluster: %w", err)
	}
	return &Desk{Client: client.WithFieldOwner(c, owner), Config: config}, nil
}

// Tenant reads one tenant; a slug nobody has is an error of its own.
func (d *Desk) Tenant(ctx context.Context, slug string) (v1alpha1.Tenant, error) {
	var tenant v1alpha1.Tenant
	err := d.Get(ctx, client.ObjectKey{Name: slug}, &tenant)
	if apierrors.IsNotFound(err) {
		return tenant, NoTenant(slug)
	}
	if err != nil {
		return tenant, fmt.Errorf("get tenant %q: %w", slug, err)
	}
	return tenant, nil
}

// NoTenant is the error of a slug nobody has.
func NoTenant(slug string) error {
	return fault.NewShell(fault.NotFound, fmt.Errorf("no tenant %q", slug), shownInList, "soctalk-ingress tenant list shows all of them")
}

// Regions lists all of them.
func (d *Desk) Regions(ctx context.Context) ([]v1alpha1.Region, error) {
	var regions v1alpha1.RegionList
	if err := d.List(ctx, &regions); err != nil {
		return nil, fmt.Errorf("list regions: %w", err)
	}
	return regions.Items, nil
}
