// Package controlplane builds and runs a real Kubernetes control plane (etcd,
// kube-apiserver, kube-controller-manager) on loopback, as an ordinary user and
// without containers. The demo and the integration tests stand on it.
//
// [Build] makes the one binary that holds all the programs, from the module in
// peers/kubernetes, and keeps it in a cache; it does the same for the other
// programs that the demo and the tests run, see [Program]. [Start] runs the control plane from it with
// certificates, tokens and folders of their own, and [ControlPlane.Stop] ends
// everything. There are no nodes: package standin plays them, and the API server
// reaches "nodes", pods and Services through the unix socket named in [Options].
//
// Not for production: etcd does not sync to disk.
package controlplane
