package main

import (
	"context"
	"errors"
	"time"

	"sigs.k8s.io/external-dns/endpoint"
	"sigs.k8s.io/external-dns/pkg/apis/externaldns"
	"sigs.k8s.io/external-dns/provider"
	"sigs.k8s.io/external-dns/provider/pdns"
	"sigs.k8s.io/external-dns/provider/rfc2136"
	"sigs.k8s.io/external-dns/provider/webhook/api"
)

// The times external-dns's own command line gives its webhook server.
const (
	readTimeout  = 5 * time.Second
	writeTimeout = 10 * time.Second
)

// openProvider opens one of external-dns's own providers.
func openProvider(ctx context.Context, name string, config *externaldns.Config, filter *endpoint.DomainFilter) (provider.Provider, error) {
	switch name {
	case "rfc2136":
		opened, err := rfc2136.New(ctx, config, filter)
		return filtered{opened, filter}, err
	case "pdns":
		return pdns.New(ctx, config, filter)
	}
	return nil, errors.New("--provider is rfc2136 or pdns")
}

// filtered tells its domains when it is asked, as webhook providers do and the
// RFC 2136 provider does not.
type filtered struct {
	provider.Provider
	filter *endpoint.DomainFilter
}

// GetDomainFilter is what the webhook server answers first.
func (f filtered) GetDomainFilter() endpoint.DomainFilterInterface { return f.filter }

// serve puts a provider behind external-dns's own webhook server, until the end.
func serve(ctx context.Context, provider provider.Provider, address string) error {
	go api.StartHTTPApi(provider, nil, readTimeout, writeTimeout, address)
	<-ctx.Done()
	return nil
}
