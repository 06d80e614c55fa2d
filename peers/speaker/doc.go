// Package speaker pins MetalLB's speaker, which announces the load balancers'
// addresses on the nodes' segment in the tests on real nodes. There is no code of
// ours here: the program is go.universe.tf/metallb/speaker, built by
// internal/controlplane in the main module.
//
// It is kept apart from peers/metallb, MetalLB's controller, which everybody builds
// who runs the tests.
package speaker
