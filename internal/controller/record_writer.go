package controller

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/dnswebhook"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/plan"
	"github.com/soctalk/soctalk-ingress/internal/record"
	"github.com/soctalk/soctalk-ingress/internal/zone"
)

// recordWriter opens a way to a zone, with its key.
func (r *Reconciler) recordWriter(ctx context.Context, way v1alpha1.DNSWritten) (record.Writer, error) {
	if way.Webhook != nil {
		return r.webhookWriter(ctx, way)
	}
	return r.zoneWriter(ctx, way)
}

// writerTimeout bounds what is asked of a writer in one go; a provider asks its
// cloud several times for one change.
func writerTimeout(way v1alpha1.DNSWritten) time.Duration {
	if way.Webhook != nil {
		return 2 * dnswebhook.Patience
	}
	return dnsTimeout
}

// zoneWriter has the key that signs updates.
func (r *Reconciler) zoneWriter(ctx context.Context, way v1alpha1.DNSWritten) (*zone.Writer, error) {
	spec := way.RFC2136
	ref := spec.TSIG.SecretRef
	key := ref.Key
	if key == "" {
		key = naming.KeyTSIG
	}
	held, err := r.readSecret(ctx, r.options.Operator.Namespace, ref.Name)
	if err != nil {
		return nil, err
	}
	if held == nil || len(held.Data[key]) == 0 {
		return nil, &record.Refused{Why: fmt.Sprintf("Secret %s/%s has no key %q; put the TSIG key's secret there, as tsig-keygen prints it", r.options.Operator.Namespace, ref.Name, key)}
	}
	algorithm := spec.TSIG.Algorithm
	if algorithm == "" {
		algorithm = "hmac-sha256"
	}
	return &zone.Writer{
		Server: spec.Server, Zone: spec.Zone, OwnerID: way.OwnerID, Now: r.options.Now,
		Naming: record.Naming{Prefix: way.TXTPrefix},
		Key:    zone.Key{Name: spec.TSIG.KeyName, Algorithm: algorithm, Secret: strings.TrimSpace(string(held.Data[key]))},
	}, nil
}

func (r *Reconciler) webhookWriter(ctx context.Context, way v1alpha1.DNSWritten) (*dnswebhook.Writer, error) {
	var held *corev1.Secret
	if ref := way.Webhook.TLSSecretRef; ref != nil {
		var err error
		if held, err = r.readSecret(ctx, r.options.Operator.Namespace, ref.Name); err != nil {
			return nil, err
		}
		if held == nil {
			return nil, &record.Refused{Why: fmt.Sprintf("there is no Secret %s/%s, which dns.webhook.tlsSecretRef names", r.options.Operator.Namespace, ref.Name)}
		}
	}
	provider, err := r.providers.at(way.Webhook.URL, held)
	if err != nil {
		return nil, err
	}
	return &dnswebhook.Writer{Provider: provider, Naming: record.Naming{Prefix: way.TXTPrefix}, OwnerID: way.OwnerID, SRV: way.Webhook.SRV}, nil
}

// providers are the webhook providers in use. Tenants share one, because it is
// asked for whole zones.
type providers struct {
	lasts time.Duration
	now   func() time.Time

	mu   sync.Mutex
	open map[string]opened
}

// opened is a provider, and which version of a Secret it was opened with.
type opened struct {
	provider *dnswebhook.Provider
	with     string
}

func newProviders(lasts time.Duration, now func() time.Time) *providers {
	return &providers{lasts: lasts, now: now, open: map[string]opened{}}
}

func (p *providers) at(url string, held *corev1.Secret) (*dnswebhook.Provider, error) {
	key, with := url, ""
	if held != nil {
		key, with = url+" "+held.Name, held.ResourceVersion
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	known, ok := p.open[key]
	if ok && known.with == with {
		return known.provider, nil
	}
	config, err := tlsConfig(held)
	if err != nil {
		return nil, err
	}
	if ok {
		known.provider.Close()
	}
	made := dnswebhook.New(dnswebhook.Options{URL: url, TLS: config, Lasts: p.lasts, Now: p.now})
	p.open[key] = opened{made, with}
	return made, nil
}

// tlsConfig trusts the Secret's authority and shows its certificate, if it has one.
func tlsConfig(held *corev1.Secret) (*tls.Config, error) {
	if held == nil {
		return nil, nil
	}
	refused := func(format string, values ...any) (*tls.Config, error) {
		return nil, &record.Refused{Why: fmt.Sprintf("Secret %s/%s, which dns.webhook.tlsSecretRef names: ", held.Namespace, held.Name) + fmt.Sprintf(format, values...)}
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool()}
	if !config.RootCAs.AppendCertsFromPEM(held.Data[naming.KeyTLSCA]) {
		return refused("its key %q holds no certificate; put the authority there that the provider's certificate leads to", naming.KeyTLSCA)
	}
	certificate, key := held.Data[corev1.TLSCertKey], held.Data[corev1.TLSPrivateKeyKey]
	if len(certificate)+len(key) == 0 {
		return config, nil
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return refused("%v", err)
	}
	config.Certificates = []tls.Certificate{pair}
	return config, nil
}

// readRecords is what a way's zone holds at a hostname's names, and what wanted
// records would look like there.
func (r *Reconciler) readRecords(ctx context.Context, way v1alpha1.DNSWritten, wanted []record.Record) (current []record.Current, adjusted []record.Record, err error) {
	ctx, cancel := context.WithTimeout(ctx, writerTimeout(way))
	defer cancel()
	writer, err := r.recordWriter(ctx, way)
	if err != nil {
		return nil, nil, err
	}
	if current, err = writer.Read(ctx, plan.RecordNames([]string{way.Hostname})); err != nil {
		return nil, nil, err
	}
	adjusted, err = writer.Adjust(ctx, wanted)
	return current, adjusted, err
}
