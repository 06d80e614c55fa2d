package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"sigs.k8s.io/external-dns/endpoint"
	"sigs.k8s.io/external-dns/pkg/apis/externaldns"
	"sigs.k8s.io/external-dns/plan"
	"sigs.k8s.io/external-dns/provider"
	"sigs.k8s.io/external-dns/registry"
	"sigs.k8s.io/external-dns/registry/txt"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// flags are named as external-dns names them, where it has them.
func run() error {
	config := externaldns.NewConfig()
	config.RFC2136AXFR = true
	config.RFC2136BatchChangeSize = 50 // the default of its command line
	host := flag.String("rfc2136-host", "127.0.0.1", "name server")
	flag.IntVar(&config.RFC2136Port, "rfc2136-port", 53, "its port")
	zone := flag.String("rfc2136-zone", "", "zone")
	flag.StringVar(&config.RFC2136TSIGKeyName, "rfc2136-tsig-keyname", "", "name of the TSIG key; its secret is read from the variable EXTERNAL_DNS_RFC2136_TSIG_SECRET")
	flag.StringVar(&config.RFC2136TSIGSecretAlg, "rfc2136-tsig-secret-alg", "hmac-sha256", "its algorithm")
	flag.StringVar(&config.TXTOwnerID, "txt-owner-id", "default", "owner id")
	flag.StringVar(&config.TXTPrefix, "txt-prefix", "", "prefix of the ownership records")
	types := flag.String("managed-record-types", "A,AAAA,CNAME", "record types to manage, with commas")
	kubeconfig := flag.String("kubeconfig", "", "cluster to read DNSEndpoints of")
	namespace := flag.String("namespace", "", "namespace to read; empty for all")
	file := flag.String("file", "", "file to read DNSEndpoints of, instead of a cluster")
	interval := flag.Duration("interval", time.Minute, "time between two runs")
	once := flag.Bool("once", false, "run once")
	which := flag.String("provider", "rfc2136", "rfc2136 or pdns")
	listen := flag.String("webhook-listen", "", "serve the provider by the webhook protocol at this address, and do nothing else")
	domains := flag.String("domain-filter", "", "domain; empty means the zone")
	flag.StringVar(&config.PDNSServer, "pdns-server", "", "PowerDNS's API; its key is read from the variable EXTERNAL_DNS_PDNS_API_KEY")
	flag.Parse()
	config.RFC2136Host, config.RFC2136Zone = []string{*host}, []string{*zone}
	config.RFC2136TSIGSecret = os.Getenv("EXTERNAL_DNS_RFC2136_TSIG_SECRET")
	config.ManagedDNSRecordTypes = strings.Split(*types, ",")
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	config.PDNSAPIKey, config.PDNSServerID = os.Getenv("EXTERNAL_DNS_PDNS_API_KEY"), "localhost"
	config.DomainFilter = []string{cmp.Or(*domains, *zone)}
	filter := endpoint.NewDomainFilter(config.DomainFilter)
	provider, err := openProvider(ctx, *which, config, filter)
	if err != nil {
		return err
	}
	if *listen != "" {
		return serve(ctx, provider, *listen)
	}
	source, err := open(*file, *kubeconfig, *namespace)
	if err != nil {
		return err
	}
	registry, err := txt.New(config, provider)
	if err != nil {
		return err
	}
	loop := &loop{source: source, registry: registry, filter: filter, types: config.ManagedDNSRecordTypes}
	if *once {
		return loop.runOnce(ctx)
	}
	return loop.run(ctx, *interval)
}

// loop is external-dns's controller.Controller without its metrics and events.
type loop struct {
	source   source
	registry registry.Registry
	filter   endpoint.DomainFilterInterface
	types    []string
}

func (l *loop) runOnce(ctx context.Context) error {
	current, err := l.registry.Records(ctx)
	if err != nil {
		return err
	}
	ctx = context.WithValue(ctx, provider.RecordsContextKey, current)
	wanted, err := l.source.endpoints(ctx)
	if err != nil {
		return err
	}
	if wanted, err = l.registry.AdjustEndpoints(wanted); err != nil {
		return fmt.Errorf("adjusting endpoints: %w", err)
	}
	planned := (&plan.Plan{
		Policies:       []plan.Policy{&plan.SyncPolicy{}},
		Current:        current,
		Desired:        wanted,
		DomainFilter:   endpoint.MatchAllDomainFilters{l.filter, l.registry.GetDomainFilter()},
		ManagedRecords: l.types,
		OwnerID:        l.registry.OwnerID(),
	}).Calculate()
	if !planned.Changes.HasChanges() {
		return nil
	}
	return l.registry.ApplyChanges(ctx, planned.Changes)
}

// run goes on after a soft error and ends at any other, as external-dns does.
func (l *loop) run(ctx context.Context, interval time.Duration) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		if err := l.runOnce(ctx); err != nil && ctx.Err() == nil {
			if !errors.Is(err, provider.SoftError) {
				return err
			}
			fmt.Fprintln(os.Stderr, "run:", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}
