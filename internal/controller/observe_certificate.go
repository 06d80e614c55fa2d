package controller

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/cert"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/plan"
	"github.com/soctalk/soctalk-ingress/internal/probe"
)

func (r *Reconciler) observeCertificate(ctx context.Context, place plan.Placement) (*cert.Info, error) {
	held, err := r.readSecret(ctx, place.Namespace, place.TLSSecret)
	if err != nil || held == nil {
		return nil, err
	}
	info := cert.Inspect(held.Data[naming.KeyTLSCert], held.Data[naming.KeyTLSKey])
	info.Source = certificateSource(held, place.Slug)
	if chain, err := cert.Chain(held.Data[naming.KeyTLSCert]); err == nil {
		info.TrustProblem = trustProblem(chain, place, held, r.options.Now())
	}
	return &info, nil
}

// trustProblem judges a chain by what this tenant's agents are told to trust: the
// authority in the Secret, the Region's bundle, or else what systems trust by
// themselves. An ACME server names no authority; one that is in the Secret then
// is left over from another strategy.
func trustProblem(chain []*x509.Certificate, place plan.Placement, held *corev1.Secret, now time.Time) string {
	var texts []string
	if authority := held.Data[naming.KeyTLSCA]; len(authority) > 0 && place.Strategy != v1alpha1.CertificateACME {
		texts = append(texts, string(authority))
	}
	if bundle := place.RegionSpec.Certificates.CABundle; bundle != "" {
		texts = append(texts, bundle)
	}
	if len(texts) == 0 {
		roots, err := systemRoots()
		if err != nil {
			return "the operator's own system has no list of authorities: " + err.Error()
		}
		return cert.Trust(chain, roots, now)
	}
	roots := x509.NewCertPool()
	for _, text := range texts {
		if !roots.AppendCertsFromPEM([]byte(text)) {
			return fmt.Sprintf("neither %s in the Secret nor the Region's certificates.caBundle may be anything but PEM certificates", naming.KeyTLSCA)
		}
	}
	return cert.Trust(chain, roots, now)
}

// systemRoots are read once: they come with the operator's image.
var systemRoots = sync.OnceValues(x509.SystemCertPool)

const (
	// servedTimeout bounds one look at an enrollment port.
	servedTimeout = 5 * time.Second
	// servedRecheck is how often a port that serves what it should is looked at.
	// Until it does, it is looked at every time, but for a pause: a gateway counts
	// those who shake hands and ask for nothing.
	servedRecheck = 10 * time.Minute
	servedPause   = 2 * time.Second
)

// look is what was seen at an enrollment port, and when.
type look struct {
	served cert.Served
	held   string // SHA-256 of what the Secret held then
	at     time.Time
}

// looks remembers, so that a port is not knocked at each time somebody changes
// something else. It is lost with the process; then every port is looked at once.
type looks struct {
	mu   sync.Mutex
	last map[string]look
}

func newLooks() *looks { return &looks{last: map[string]look{}} }

func (l *looks) of(slug string) look {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last[slug]
}

func (l *looks) remember(slug string, seen look) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last[slug] = seen
}

func (l *looks) forget(slug string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.last, slug)
}

// observeServed looks at what the tenant's enrollment port serves, from inside
// the cluster and as agents do, without SNI.
func (r *Reconciler) observeServed(ctx context.Context, place plan.Placement, held *cert.Info) *cert.Served {
	if held == nil || held.Problem != "" {
		return nil
	}
	now := r.options.Now()
	last := r.looks.of(place.Slug)
	switch age := now.Sub(last.at); {
	case last.served.Is(*held) && age < servedRecheck, last.held == held.SHA256 && age < servedPause:
		return &last.served
	}
	ctx, cancel := context.WithTimeout(ctx, servedTimeout)
	defer cancel()
	address := net.JoinHostPort(naming.EnrollmentHost(place.Slug), strconv.Itoa(int(naming.PortNumber(naming.PortEnrollment))))
	seen := look{held: held.SHA256, at: now}
	found, err := probe.Certificate(ctx, r.options.Dial, address)
	if err != nil {
		seen.served.Problem = words(err)
	} else {
		seen.served = cert.NewServed(found.Leaf())
	}
	r.looks.remember(place.Slug, seen)
	return &seen.served
}
