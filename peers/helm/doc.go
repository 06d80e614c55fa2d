// Package helm pins Helm, with which the tests on real nodes install the operator's
// chart as people do. There is no code of ours here: the program is
// helm.sh/helm/v4/cmd/helm, built by internal/controlplane in the main module.
//
// The versions are the product's own, so that most of it is compiled already.
package helm
