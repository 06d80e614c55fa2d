package cert

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Fault is the kind of the first check that failed.
type Fault string

// Faults, in the order in which they are checked.
const (
	FaultMissing    Fault = "missing"
	FaultUnreadable Fault = "unreadable"
	FaultKey        Fault = "key"
	FaultName       Fault = "name"
	FaultChain      Fault = "chain"
	FaultTrust      Fault = "trust"
	FaultTime       Fault = "time"
)

// Failure is a failed check with a sentence for the person who must act.
type Failure struct {
	Fault   Fault
	Message string
}

// Check says whether a certificate serves a hostname at a moment; ok is true
// when every check passed. A nil info means there is no Secret.
func Check(info *Info, hostname string, now time.Time) (failure Failure, ok bool) {
	for _, check := range []func(*Info, string, time.Time) *Failure{present, readable, keyMatches, covers, chained, trusted, current} {
		if failure := check(info, hostname, now); failure != nil {
			return *failure, false
		}
	}
	return Failure{}, true
}

func present(info *Info, _ string, _ time.Time) *Failure {
	if info == nil {
		return &Failure{FaultMissing, "the Secret does not exist yet"}
	}
	return nil
}

func readable(info *Info, _ string, _ time.Time) *Failure {
	if info.Problem != "" {
		return &Failure{FaultUnreadable, info.Problem}
	}
	return nil
}

func keyMatches(info *Info, _ string, _ time.Time) *Failure {
	if !info.KeyMatches {
		return &Failure{FaultKey, "the private key belongs to another certificate"}
	}
	return nil
}

// covers follows Wazuh's agent (check_cert.c): SAN entries first, the common
// name only where there is no SAN, a wildcard for exactly one label.
func covers(info *Info, hostname string, _ time.Time) *Failure {
	names := info.DNSNames
	if len(names) == 0 && info.CommonName != "" {
		names = []string{info.CommonName}
	}
	probe := x509.Certificate{DNSNames: names}
	if len(names) > 0 && probe.VerifyHostname(hostname) == nil {
		return nil
	}
	shown := slices.Clone(names)
	slices.Sort(shown)
	return &Failure{FaultName, fmt.Sprintf("the certificate is for %s, not for %q", quoteList(shown), hostname)}
}

func chained(info *Info, _ string, _ time.Time) *Failure {
	if info.ChainProblem != "" {
		return &Failure{FaultChain, info.ChainProblem}
	}
	return nil
}

func trusted(info *Info, _ string, _ time.Time) *Failure {
	if info.TrustProblem != "" {
		return &Failure{FaultTrust, info.TrustProblem}
	}
	return nil
}

func current(info *Info, _ string, now time.Time) *Failure {
	if now.Before(info.NotBefore) {
		return &Failure{FaultTime, "the certificate is not valid before " + info.NotBefore.Format(time.RFC3339)}
	}
	if now.After(info.NotAfter) {
		return &Failure{FaultTime, "the certificate expired at " + info.NotAfter.Format(time.RFC3339)}
	}
	return nil
}

// RenewalDue is true once two thirds of a certificate's time are over.
func RenewalDue(info Info, now time.Time) bool {
	lifetime := info.NotAfter.Sub(info.NotBefore)
	return now.After(info.NotBefore.Add(lifetime * 2 / 3))
}

func quoteList(names []string) string {
	if len(names) == 0 {
		return "no name at all"
	}
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = fmt.Sprintf("%q", name)
	}
	return strings.Join(quoted, ", ")
}
