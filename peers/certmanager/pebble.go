package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/cmd"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
)

// pebbleConfig is the part of Pebble's configuration file that is read here, in
// Pebble's own words.
type pebbleConfig struct {
	Pebble struct {
		ListenAddress           string
		ManagementListenAddress string
		HTTPPort                int
		Certificate             string
		PrivateKey              string
		DomainBlocklist         []string
		Profiles                map[string]ca.Profile
		RetryAfter              struct{ Authz, Order int }

		ExternalAccountBindingRequired bool
		ExternalAccountMACKeys         map[string]string
	}
}

// noTLS is the port of a kind of validation that nobody here asks for.
const noTLS = 0

// pebbleMain runs Pebble with strictness on. There is no switch to turn it off.
func pebbleMain(ctx context.Context, arguments []string) error {
	flags := flag.NewFlagSet("pebble", flag.ContinueOnError)
	file := flags.String("config", "", "Pebble's configuration file")
	resolver := flags.String("dnsserver", "", "host:port of the server that challenges are looked up at")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	var config pebbleConfig
	if err := cmd.ReadConfigFile(*file, &config); err != nil {
		return fmt.Errorf("read --config: %w", err)
	}
	const strict, keyAlgorithm, alternateRoots, chainLength = true, "ecdsa", 0, 1
	p := config.Pebble
	logger := log.New(os.Stdout, "pebble ", log.LstdFlags)
	store := db.NewMemoryStore()
	for _, domain := range p.DomainBlocklist {
		if err := store.AddBlockedDomain(domain); err != nil {
			return fmt.Errorf("block %q: %w", domain, err)
		}
	}
	for id, key := range p.ExternalAccountMACKeys {
		if err := store.AddExternalAccountKeyByID(id, key); err != nil {
			return fmt.Errorf("external account %q: %w", id, err)
		}
	}
	authority := ca.New(logger, store, "", keyAlgorithm, alternateRoots, chainLength, p.Profiles)
	validation := va.New(logger, p.HTTPPort, noTLS, strict, *resolver, store)
	front := wfe.New(logger, store, validation, authority, []string{"pebble.letsencrypt.org"}, strict, p.ExternalAccountBindingRequired, p.RetryAfter.Authz, p.RetryAfter.Order)

	servers := []*http.Server{
		{Addr: p.ListenAddress, Handler: front.Handler()},
		{Addr: p.ManagementListenAddress, Handler: front.ManagementHandler()},
	}
	failed := make(chan error, len(servers))
	for _, server := range servers {
		go func() { failed <- server.ListenAndServeTLS(p.Certificate, p.PrivateKey) }()
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	for _, server := range servers {
		err = errors.Join(err, server.Close())
	}
	return err
}
