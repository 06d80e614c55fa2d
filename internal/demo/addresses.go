package demo

import (
	"context"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/controlplane"
	"github.com/soctalk/soctalk-ingress/internal/lab"
)

// giver gives the story's addresses: MetalLB's own controller where its program is
// there, the stand-in where it is not.
type giver struct {
	program string // empty: the stand-in
}

// findMetalLB takes the program if it was built before, or builds it if the whole
// of the demo is wanted.
func findMetalLB(ctx context.Context, tell *teller, full bool) (giver, error) {
	_, cached, err := controlplane.Cached(ctx, controlplane.BuildOptions{Program: controlplane.MetalLB})
	if err != nil {
		return giver{}, err
	}
	if !cached && !full {
		tell.note("MetalLB is not built here, a stand-in gives the addresses; DEMO_FULL=1 builds it (a minute or two, once)")
		return giver{}, nil
	}
	program, err := build(ctx, tell, controlplane.MetalLB)
	return giver{program: program}, err
}

// who gives addresses, in words.
func (g giver) who() string {
	if g.program == "" {
		return "a stand-in"
	}
	return "the real MetalLB, pool " + lab.DefaultPool
}

// spec is what the Region says.
func (g giver) spec() v1alpha1.LoadBalancerSpec {
	if g.program == "" {
		return v1alpha1.LoadBalancerSpec{}
	}
	return v1alpha1.LoadBalancerSpec{Preset: "metallb", Pool: lab.DefaultPool}
}
