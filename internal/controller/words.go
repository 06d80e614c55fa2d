package controller

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
)

// words says what went wrong on the network without the parts that differ at
// each attempt (our own ephemeral port): a message in a condition must stay the
// same as long as the trouble stays the same, or the status never settles.
func words(err error) string {
	var dns *net.DNSError
	if errors.As(err, &dns) {
		switch {
		case dns.IsTimeout:
			return "the name server did not answer in time"
		case dns.IsTemporary:
			return "the name server cannot be reached"
		}
		return "the name server answered with an error"
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time"
	}
	var certificate x509.CertificateInvalidError
	if errors.As(err, &certificate) && certificate.Reason == x509.Expired {
		return "the certificate of the manager's API has expired, or is not valid yet"
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Op + ": " + op.Err.Error()
	}
	return err.Error()
}
