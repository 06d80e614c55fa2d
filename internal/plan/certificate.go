package plan

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/cert"
	"github.com/soctalk/soctalk-ingress/internal/issuance"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// How long the enrollment port may show something else than the Secret before
// anybody is told. A kubelet takes up to two minutes to deliver a changed Secret,
// and the watcher in the pod restarts authd after that.
const (
	renewalGrace = 5 * time.Minute
	silenceGrace = time.Minute
)

// certificateDuty says what the operator itself must put into the TLS Secret. It
// renews a built-in certificate early and replaces one that does not serve
// (another hostname, expired) or that came from elsewhere; a wildcard copy is
// compared by the controller, which can see both Secrets.
func certificateDuty(in Input, place Placement) CertificateDuty {
	switch place.Strategy {
	case v1alpha1.CertificateWildcard:
		return CertificateCopy
	case v1alpha1.CertificateBuiltInCA:
		have := in.Observed.Certificate
		if _, ok := cert.Check(have, place.Hostname, in.Now); !ok || cert.RenewalDue(*have, in.Now) {
			return CertificateIssue
		}
		if have.Source == cert.SourceCertManager || have.Source == cert.SourceWildcard {
			return CertificateIssue // the tenant's strategy was changed
		}
		return CertificateKeep
	}
	return CertificateByOthers
}

// certificateHop judges the certificate in the Secret, then what the enrollment
// port serves. The reasons for what is wrong come in the order of the checks;
// where cert-manager knows why there is nothing to check, its reason comes first.
func certificateHop(in Input, place Placement) hop {
	condition := v1alpha1.ConditionCertificateReady
	trouble := issuance.Judge(in.Observed.Issuance)
	if trouble.Kind == issuance.Unanswered {
		trouble.Message += portEighty(in, place)
	}
	failure, good := cert.Check(in.Observed.Certificate, place.Hostname, in.Now)
	if !good {
		message := fmt.Sprintf("Secret %s: %s", place.TLSSecret, failure.Message)
		switch failure.Fault {
		case cert.FaultMissing, cert.FaultName, cert.FaultTime:
			if trouble.Serious() {
				if failure.Fault != cert.FaultMissing {
					trouble.Message += "; in the meantime, " + message
				}
				return no(condition, issuanceReason(trouble.Kind), trouble.Message)
			}
			message += awaited(in, place)
			if trouble.Message != "" {
				message += "; " + trouble.Message
			}
		case cert.FaultTrust:
			message += "; put the authority into the Secret as ca.crt or into the Region's certificates.caBundle, or ask another issuer (a staging issuer is trusted by nobody)"
		case cert.FaultChain:
			message += "; order tls.crt from the leaf to its issuers"
		}
		return no(condition, faultReason(failure.Fault), message)
	}
	hop := servedHop(in, place)
	if hop.status == isTrue {
		hop.message += awaited(in, place)
	}
	if hop.status == isTrue && trouble.Serious() {
		hop.message += "; the next one does not come: " + trouble.Message
	}
	return hop
}

// portEighty says whose move it is while an HTTP-01 proof cannot be fetched. No
// address of ours answers there: agents' ports are all that is opened.
func portEighty(in Input, place Placement) string {
	if WriterOf(place.RegionSpec.DNS) != WriterNobody && !judge(in.Observed.DNS).right {
		return fmt.Sprintf("; first the name must lead to the tenant's address: see %s", v1alpha1.ConditionDNSPublished)
	}
	if place.Mode == v1alpha1.ModeEdgeHAProxy {
		return fmt.Sprintf("; let the cluster's ingress controller answer on port 80 of %s, or use an issuer that proves names by DNS-01", strings.Join(place.RegionSpec.Edge.Addresses, " and "))
	}
	return fmt.Sprintf("; a tenant's own load-balancer address answers on %s only: use an issuer that proves names by DNS-01, or have your router lead port 80 of %s to the cluster's ingress controller",
		portSummary(place.Ports()), cmp.Or(strings.Join(in.Observed.Service.Addresses, " and "), "it"))
}

// awaited names the wildcard certificate while the tenant does not have it yet.
func awaited(in Input, place Placement) string {
	have := in.Observed.Certificate
	if place.Strategy != v1alpha1.CertificateWildcard || have != nil && have.Source != cert.SourceCertManager && have.Source != cert.SourceBuiltInCA {
		return ""
	}
	return fmt.Sprintf("; waiting for the certificate for *.%s in Secret %s/%s", place.RegionSpec.Domain, in.Operator.Namespace, place.WildcardSecret)
}

func faultReason(fault cert.Fault) string {
	return map[cert.Fault]string{
		cert.FaultMissing:    v1alpha1.ReasonCertificateMissing,
		cert.FaultUnreadable: v1alpha1.ReasonCertificateUnreadable,
		cert.FaultKey:        v1alpha1.ReasonCertificateUnreadable,
		cert.FaultName:       v1alpha1.ReasonCertificateWrongName,
		cert.FaultChain:      v1alpha1.ReasonCertificateChainBroken,
		cert.FaultTrust:      v1alpha1.ReasonCertificateUntrusted,
		cert.FaultTime:       v1alpha1.ReasonCertificateExpired,
	}[fault]
}

func issuanceReason(kind issuance.Kind) string {
	return map[issuance.Kind]string{
		issuance.IssuerNotFound: v1alpha1.ReasonIssuerNotFound,
		issuance.IssuerNotReady: v1alpha1.ReasonIssuerNotReady,
		issuance.RateLimited:    v1alpha1.ReasonACMERateLimited,
		issuance.Challenge:      v1alpha1.ReasonChallengeFailed,
		issuance.Unanswered:     v1alpha1.ReasonHTTP01Unanswered,
		issuance.Failed:         v1alpha1.ReasonCertificateIssuanceFailed,
	}[kind]
}

// servedHop is for a Secret that is good. What was served before is good enough
// while the new certificate is on its way, so that a renewal is no outage; a port
// that shows something no agent would accept is one at once.
func servedHop(in Input, place Placement) hop {
	condition := v1alpha1.ConditionCertificateReady
	covers := fmt.Sprintf("Secret %s covers %s", place.TLSSecret, place.Hostname)
	served, port := in.Observed.Served, naming.PortNumber(naming.PortEnrollment)
	if served == nil {
		return ok(condition, covers)
	}
	if served.Is(*in.Observed.Certificate) {
		return ok(condition, fmt.Sprintf("%s, and port %d serves it", covers, port))
	}
	waited := in.Now.Sub(notServedSince(in).Time)
	if served.Problem != "" {
		if servedBefore(in) && waited < silenceGrace {
			return ok(condition, fmt.Sprintf("%s; port %d did not answer just now", covers, port))
		}
		return no(condition, v1alpha1.ReasonCertificateNotServed, fmt.Sprintf("%s, but port %d shows no certificate: %s", covers, port, served.Problem))
	}
	if served.Serves(place.Hostname, in.Now) && waited < renewalGrace {
		return ok(condition, fmt.Sprintf("%s; port %d serves the one before it until the manager has taken it over", covers, port))
	}
	return no(condition, v1alpha1.ReasonCertificateNotServed, fmt.Sprintf(
		"%s with serial %s, but port %d serves serial %s; the manager has not taken it over: look with kubectl -n %s logs statefulset/%s, and restart it if need be",
		covers, in.Observed.Certificate.Serial, port, served.Serial, place.Namespace, naming.Manager))
}

// notServedSince is when the port was first seen not to show what is in the
// Secret; now, if that is new.
func notServedSince(in Input) metav1.Time {
	if before := in.Tenant.Status.Certificate; before != nil && before.NotServedSince != nil {
		return *before.NotServedSince
	}
	return metav1.NewTime(in.Now)
}

func servedBefore(in Input) bool {
	before := in.Tenant.Status.Certificate
	return before != nil && before.Served != nil
}

// certificateStatus is what is known of a certificate that can be read. What was
// not looked at this time stays as it was.
func certificateStatus(in Input, place Placement) *v1alpha1.CertificateStatus {
	have := in.Observed.Certificate
	if have == nil || have.Problem != "" {
		return nil
	}
	status := &v1alpha1.CertificateStatus{
		Strategy: place.Strategy, NotAfter: metav1.NewTime(have.NotAfter), Issuer: have.Issuer, Serial: have.Serial,
	}
	served := in.Observed.Served
	if before := in.Tenant.Status.Certificate; before != nil && (served == nil || served.Problem != "") {
		status.Served = before.Served
		status.NotServedSince = before.NotServedSince
	}
	if served == nil {
		return status
	}
	if served.Problem == "" {
		status.Served = &v1alpha1.ServedCertificate{Serial: served.Serial, NotAfter: metav1.NewTime(served.NotAfter)}
	}
	if !served.Is(*have) {
		since := notServedSince(in)
		status.NotServedSince = &since
	}
	return status
}
