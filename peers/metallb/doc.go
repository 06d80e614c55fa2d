// Package metallb pins MetalLB, whose unmodified controller gives out the load
// balancers' addresses in the demo and in the integration tests. There is no code
// of ours here: the program is go.universe.tf/metallb/controller, built by
// internal/controlplane in the main module, and run by internal/metallb.
//
// It is a module of its own because MetalLB pins versions of everything, and the
// product must not inherit those pins.
package metallb
