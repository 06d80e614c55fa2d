package gateway

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"strings"

	"github.com/soctalk/soctalk-ingress/internal/gateway/policy"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// passPrefix begins every request to an authd that wants a password (auth.c).
const passPrefix = "OSSEC PASS: "

var errTooLong = errors.New("the request is longer than allowed")

// readLine reads up to a newline, at most so many bytes. What follows the
// newline is not looked at; authd doesn't either. With errTooLong it returns
// what it read.
func readLine(from io.Reader, most int) ([]byte, error) {
	buf := make([]byte, 0, min(2048, most))
	for {
		if len(buf) == cap(buf) {
			grown := make([]byte, len(buf), min(2*cap(buf), most))
			copy(grown, buf)
			buf = grown
		}
		n, err := from.Read(buf[len(buf):cap(buf)])
		end := bytes.IndexByte(buf[len(buf):len(buf)+n], '\n')
		if end >= 0 {
			return buf[:len(buf)+end+1], nil
		}
		buf = buf[:len(buf)+n]
		if err != nil {
			return buf, err
		}
		if len(buf) == most {
			return buf, errTooLong
		}
	}
}

// request is a line, taken apart without knowing any secret.
type request struct {
	secret policy.Digest // of the password shown; zero when there is none
	fields wazuh.EnrollRequest
	// refusal is authd's own complaint about what follows the password.
	refusal *wazuh.Refused
}

// parseRequest takes the password to end at the first space: ours contain none.
// authd compares with its own password and then demands a space; the outcome is
// the same.
func parseRequest(line []byte) request {
	line = bytes.TrimSuffix(line, []byte("\n"))
	if nul := bytes.IndexByte(line, 0); nul >= 0 {
		line = line[:nul] // authd works on C strings
	}
	var r request
	rest, ok := bytes.CutPrefix(line, []byte(passPrefix))
	if !ok {
		return r
	}
	password, rest, ok := bytes.Cut(rest, []byte(" "))
	if !ok || len(password) == 0 {
		return r
	}
	r.secret = policy.DigestOf(password)
	fields, err := wazuh.ParseEnrollRequest(rest, wazuh.Secret{})
	r.fields = fields
	if err != nil && !errors.As(err, &r.refusal) {
		r.refusal = &wazuh.Refused{Reason: wazuh.ReasonInvalidRequest}
	}
	return r
}

// attempt is the request as the policy judges it.
func (r request) attempt(source netip.Addr) policy.Attempt {
	a := policy.Attempt{Source: source, Secret: r.secret, Malformed: r.refusal != nil}
	if !a.Malformed {
		a.Name, a.KeyHash = r.fields.Name, r.fields.KeyHash
	}
	return a
}

// forManager is the request as authd gets it: the fields it would have
// understood, and nothing else that stood in the line.
func (r request) forManager(v policy.Verdict, sourceIP string, source netip.Addr, omitVersion bool) wazuh.EnrollRequest {
	fields := r.fields
	if omitVersion {
		fields.Version = ""
	}
	if v.Group != "" {
		fields.Groups = v.Group
	}
	// authd would register our own address for everybody, and refuse the second
	// agent as a duplicate.
	if strings.HasPrefix(fields.IP, wazuh.SourceIP) {
		fields.IP = ""
		if sourceIP == policy.SourceSubstitute && source.IsValid() {
			fields.IP = source.Unmap().WithZone("").String()
		}
	}
	return fields
}
