// Package standin plays everything a cluster has besides its control plane, for
// the demo and the integration tests: the node and its kubelet, the network and
// its policies, the load balancer, external-dns and the name server. It needs no
// root and stays on 127.0.0.0/8.
//
// It believes only what the API's objects say, so that a Service whose selector
// matches nothing, or a NetworkPolicy that admits nobody, fails here as it would
// in a cluster. Addresses of pods, Services and the node are fictions (the API
// refuses loopback there); package network knows what is behind them.
//
//	policy        judges a connection by NetworkPolicies; pure
//	volumes       puts a container's volumes onto disk
//	wazuhimage    does what the image's start does
//	network       dials pods and Services
//	loadbalancer  addresses and relays for Services
//	ingress       HTTP, as Ingress objects say
//	names         the DNS server
//	egress        the API server's way in
//	kubelet       port-forward and logs
//	node          binds and runs pods
//	loop          the reconcile loop they share
//
// Start with [Start].
package standin
