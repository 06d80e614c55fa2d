// Command externaldns is external-dns for our tests, as far as it can be built:
// its own plan, its TXT registry and its RFC 2136 provider, unmodified, around its
// controller's loop, which is written out here because the package that holds it
// imports every source and provider there is. What is read are DNSEndpoint objects
// of a cluster (as --source=crd reads them) or of a file.
//
// With --webhook-listen it is one of external-dns's own providers (RFC 2136,
// PowerDNS) behind its own webhook server instead, and nothing else of it.
//
// It is a module of its own because external-dns pins versions of everything, and
// the product must not inherit those pins.
package main
