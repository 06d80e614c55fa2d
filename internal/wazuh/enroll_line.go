package wazuh

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
)

const (
	passPrefix     = "OSSEC PASS: "
	agentPrefix    = "OSSEC A:'"
	responsePrefix = "OSSEC K:'"

	// MaxEnrollRequest is the size of authd's request buffer.
	MaxEnrollRequest = 65536 + 4096

	// SourceIP asks the manager to register the address it sees the request come from.
	SourceIP = "src"

	maxGroup  = 255   // one group
	maxGroups = 65536 // the whole list
)

// ErrNotAnAnswer says that bytes from port 1515 are no answer of authd.
var ErrNotAnAnswer = errors.New("not an answer of authd")

// EnrollRequest is what an agent asks of authd.
type EnrollRequest struct {
	Password Secret // empty: no password is sent
	Name     string
	Version  string // "v4.14.7"; empty: not sent, and then not checked. Old managers stop reading at it.
	Groups   string // comma list
	IP       string // an address, a CIDR or SourceIP; empty: the manager decides
	KeyHash  string // Key.Hash of the key the agent already has
}

// AppendEnrollRequest appends the request line, newline included.
func AppendEnrollRequest(dst []byte, r EnrollRequest) []byte {
	if !r.Password.IsZero() {
		dst = append(dst, passPrefix...)
		dst = append(dst, r.Password.Reveal()...)
		dst = append(dst, ' ')
	}
	dst = append(dst, agentPrefix...)
	dst = append(dst, r.Name...)
	dst = append(dst, '\'')
	for _, field := range [...]struct{ token, value string }{
		{" V:'", r.Version}, {" G:'", r.Groups}, {" IP:'", r.IP}, {" K:'", r.KeyHash},
	} {
		if field.value == "" {
			continue
		}
		dst = append(dst, field.token...)
		dst = append(dst, field.value...)
		dst = append(dst, '\'')
	}
	return append(dst, '\n')
}

// ParseEnrollRequest reads a request line as authd does, against the password authd holds. The
// error is always a *Refused, ready to be sent.
//
// It keeps authd's order of checks, because clients can tell: the password comes before the name,
// so that a request with an impossible name tests a password without creating an agent; and an
// authd that holds no password answers one with "Invalid request".
func ParseEnrollRequest(line []byte, password Secret) (EnrollRequest, error) {
	line = bytes.TrimSuffix(line, []byte("\n"))
	if nul := bytes.IndexByte(line, 0); nul >= 0 {
		line = line[:nul] // authd works on C strings
	}
	r := EnrollRequest{Password: password}
	if !password.IsZero() {
		rest, ok := cutPassword(line, password)
		if !ok {
			return r, refuse(ReasonInvalidPassword)
		}
		line = rest
	}
	rest, ok := bytes.CutPrefix(line, []byte(agentPrefix))
	if !ok {
		return r, refuse(ReasonInvalidRequest)
	}
	name, rest, ok := bytes.Cut(rest, []byte("'"))
	if !ok {
		return r, refuse(ReasonInvalidRequest)
	}
	r.Name = string(name)
	if !ValidName(r.Name) {
		return r, refuse(ReasonInvalidName(r.Name))
	}
	return parseOptional(r, rest)
}

// cutPassword demands the prefix, the password and one space. authd compares with strncmp; we
// compare in constant time, and the caller can't tell the difference but by timing.
func cutPassword(line []byte, password Secret) ([]byte, bool) {
	rest, ok := bytes.CutPrefix(line, []byte(passPrefix))
	n := len(password.Reveal())
	if !ok || len(rest) <= n {
		return nil, false
	}
	same := NewSecret(string(rest[:n])).Equal(password)
	return rest[n+1:], same && rest[n] == ' '
}

// parseOptional reads V, G, IP and K, each at most once and only in this order. What doesn't fit is
// ignored, as authd does: it is how a request with G before V escapes the version check.
func parseOptional(r EnrollRequest, rest []byte) (EnrollRequest, error) {
	var refusal error
	field := func(token, unterminated string, into *string) (found bool) {
		after, ok := bytes.CutPrefix(rest, []byte(token))
		if !ok || refusal != nil {
			return false
		}
		value, remaining, ok := bytes.Cut(after, []byte("'"))
		if !ok {
			refusal = refuse(unterminated)
			return false
		}
		*into, rest = string(value), remaining
		return true
	}

	field(" V:'", ReasonUnterminatedVer, &r.Version)
	if field(" G:'", ReasonUnterminatedGroup, &r.Groups) {
		r.Groups, refusal = checkGroups(r.Groups)
	}
	if field(" IP:'", ReasonUnterminatedIP, &r.IP) && !strings.HasPrefix(r.IP, SourceIP) && !ValidAddress(r.IP) {
		refusal = refuse(ReasonInvalidIP(r.IP))
	}
	field(" K:'", ReasonUnterminatedKey, &r.KeyHash)
	return r, refusal
}

// checkGroups validates the syntax of a group list and drops repetitions.
func checkGroups(list string) (string, error) {
	switch {
	case list == "":
		return list, refuse(ReasonGroupName("Empty Group"))
	case len(list) > maxGroups:
		return list, refuse(ReasonGroupName("multigroup is too large"))
	case strings.ContainsAny(list, " \t"):
		return list, refuse(ReasonGroupName(clip(list) + "... white spaces are not allowed"))
	case strings.Contains(list, ",,"):
		return list, refuse(ReasonGroupName(clip(list) + "... consecutive ',' are not allowed"))
	case strings.HasPrefix(list, ",") || strings.HasSuffix(list, ","):
		return list, refuse(ReasonGroupName(clip(list) + "... cannot start or end with ','"))
	case strings.ContainsAny(list, `\/:*?"<>|`):
		return list, refuse(ReasonGroupName(clip(list) + `... characters '\/:*?"<>|,' are prohibited`))
	}
	var kept []string
	for group := range strings.SplitSeq(list, ",") {
		if len(group) > maxGroup {
			return list, refuse(ReasonGroupName(clip(group) + "... group is too large"))
		}
		if group == "." || group == ".." {
			return list, refuse(ReasonGroupName(group))
		}
		if !slices.Contains(kept, group) {
			kept = append(kept, group)
		}
	}
	return strings.Join(kept, ","), nil
}

func clip(s string) string { return s[:min(len(s), maxGroup)] }

// AppendEnrollResponse appends the answer that grants key: no newline.
func AppendEnrollResponse(dst []byte, key Key) []byte {
	dst = append(dst, responsePrefix...)
	dst = key.AppendLine(dst)
	return append(dst, '\'')
}

// ParseEnrollResponse reads authd's answer: a key, or a *Refused error.
func ParseEnrollResponse(b []byte) (Key, error) {
	if rest, ok := bytes.CutPrefix(b, []byte(refusedPrefix)); ok {
		return Key{}, parseRefusal(rest)
	}
	rest, ok := bytes.CutPrefix(b, []byte(responsePrefix))
	if !ok {
		return Key{}, fmt.Errorf("%w: it begins with %q", ErrNotAnAnswer, b[:min(len(b), 16)])
	}
	line, _, ok := bytes.Cut(rest, []byte("'"))
	if !ok {
		return Key{}, fmt.Errorf("%w: the key has no closing quote", ErrNotAnAnswer)
	}
	key, err := ParseKey(string(line))
	if err == nil && key.Removed {
		err = fmt.Errorf("%w: the key is marked as removed", ErrNotAnAnswer)
	}
	if err != nil {
		return Key{}, fmt.Errorf("answer of authd: %w", err)
	}
	return key, nil
}
