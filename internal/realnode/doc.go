// Package realnode runs a Kubernetes cluster with real nodes on this machine, for
// tests: etcd, kube-apiserver, controllers, scheduler, a name server and MetalLB, and
// for each node containerd, runc, kubelet, kube-proxy and kube-network-policies. A
// node lives in network and mount namespaces of its own, on an Ethernet segment made
// for the test; beyond a router there is an "internet" from which agents come.
//
// Images come from no registry: package image writes them from programs of this
// machine. The only thing that is not what it says is Wazuh itself, see
// cmd/wazuhsim. It takes root and Linux. Start with [Start], inside a
// [sandbox.Run], which sees to it that nothing stays behind.
package realnode
