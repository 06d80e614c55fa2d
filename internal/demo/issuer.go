package demo

import (
	"context"
	"time"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/ca"
	"github.com/soctalk/soctalk-ingress/internal/certmanager"
	"github.com/soctalk/soctalk-ingress/internal/controlplane"
	"github.com/soctalk/soctalk-ingress/internal/controlplane/process"
	"github.com/soctalk/soctalk-ingress/internal/lab"
)

// authorityName is both the ClusterIssuer's name and, for people, the authority's.
const authorityName = "mssp-ca"

// issuer signs the story's certificates: the real cert-manager where its program
// is there, the operator's built-in authority where it is not.
type issuer struct {
	program string // empty: the built-in authority
	process *process.Process
}

// findCertManager takes the program if it was built before, or builds it if the
// whole of the demo is wanted.
func findCertManager(ctx context.Context, tell *teller, full bool) (*issuer, error) {
	_, cached, err := controlplane.Cached(ctx, controlplane.BuildOptions{Program: controlplane.CertManager})
	if err != nil {
		return nil, err
	}
	if !cached && !full {
		tell.note("cert-manager is not built here, the built-in authority signs; DEMO_FULL=1 builds it (some minutes, once)")
		return &issuer{}, nil
	}
	program, err := build(ctx, tell, controlplane.CertManager)
	return &issuer{program: program}, err
}

// start runs cert-manager with an authority of the MSSP's. It comes before the
// operator, which looks for cert-manager's kinds once.
func (i *issuer) start(ctx context.Context, l *lab.Lab) error {
	if i.program == "" {
		return nil
	}
	if err := certmanager.Install(ctx, l.Client); err != nil {
		return err
	}
	authority, err := ca.New("Example MSSP CA", time.Now())
	if err != nil {
		return err
	}
	if err := certmanager.CreateCAIssuer(ctx, l.Client, authorityName, authority.Pair); err != nil {
		return err
	}
	i.process, err = certmanager.Start(certmanager.Options{Binary: i.program, Kubeconfig: l.Plane.Kubeconfig(), Dir: l.Dir()})
	return err
}

func (i *issuer) stop() { certmanager.Stop(i.process) }

// who signs, in words.
func (i *issuer) who() string {
	if i.program == "" {
		return "the built-in authority"
	}
	return "the real cert-manager, issuer " + authorityName
}

// certificates is what the Region says.
func (i *issuer) certificates() v1alpha1.CertificatesSpec {
	if i.program == "" {
		return v1alpha1.CertificatesSpec{Strategy: v1alpha1.CertificateBuiltInCA}
	}
	return v1alpha1.CertificatesSpec{Strategy: v1alpha1.CertificateInternalCA, IssuerRef: &v1alpha1.IssuerRef{Name: authorityName}}
}
