// Package netpol pins kube-network-policies, which enforces NetworkPolicies in the
// tests on real nodes. There is no code of ours here: the program is
// sigs.k8s.io/kube-network-policies/cmd, built by internal/controlplane in the main
// module.
//
// The versions of Kubernetes' modules are those of the other peers, so that most of
// it is compiled already.
package netpol
