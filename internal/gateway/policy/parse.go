package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"path"
	"strings"
	"time"
)

// MaxTokens and maxBans keep a decision, which looks at all of them, fast.
const (
	MaxTokens  = 1000
	maxBans    = 20000
	maxName    = 128
	maxMinutes = 10
)

// TooNew is the error for a policy that this program must not take half of.
type TooNew struct {
	// Generation of the policy; Version it has, and Needs.
	Generation     int64
	Version, Needs int
}

// Error says which gateway can read it.
func (e *TooNew) Error() string {
	return fmt.Sprintf("policy: version %d needs a gateway that knows version %d, and this one knows %d; update the gateway's image, or take the operator back to the version before", e.Version, e.Needs, Version)
}

// Parse reads and validates a policy. An unknown field is an error, for a misspelt
// restriction must not be taken for none; in a policy of a later version it is a field
// of that version, and left out if the policy says that this is safe.
func Parse(text []byte) (*Policy, error) {
	var head struct {
		Version, Needs int
		Generation     int64
	}
	later := json.Unmarshal(text, &head) == nil && head.Version > Version
	if later && head.Needs > Version {
		return nil, &TooNew{Generation: head.Generation, Version: head.Version, Needs: head.Needs}
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	if !later {
		decoder.DisallowUnknownFields()
	}
	p := &Policy{}
	if err := decoder.Decode(p); err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("policy: there is more after the closing brace; want one JSON object")
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return p, nil
}

// Validate returns every fault of the policy, joined.
func (p *Policy) Validate() error {
	f := &faults{}
	if p.Generation < 1 {
		f.add("generation", "%d: want 1 or more, growing with every change", p.Generation)
	}
	if p.Version < 0 || p.Needs < 0 || p.Needs > max(p.Version, 1) {
		f.add("needs", "%d: want at most the policy's own version, %d", p.Needs, max(p.Version, 1))
	}
	if p.Secret == DigestOf(nil) {
		f.add("secret", "is the digest of nothing; an empty secret would let everybody in")
	}
	if p.Previous != nil {
		if p.Previous.Secret.IsZero() || p.Previous.Secret == DigestOf(nil) {
			f.add("previous.secret", "is missing; leave previous out when there is none")
		}
		if p.Previous.Until.IsZero() {
			f.add("previous.until", "is missing; without an end the old secret would be good forever")
		}
	}
	p.checkTokens(f)
	p.checkBans(f)
	p.checkProxy(f)
	if p.SourceIP != "" && p.SourceIP != SourceDrop && p.SourceIP != SourceSubstitute {
		f.add("sourceIP", "%q: want %q or %q", p.SourceIP, SourceDrop, SourceSubstitute)
	}
	p.Limits.check(f)
	return f.err()
}

func (p *Policy) checkTokens(f *faults) {
	if len(p.Tokens) > MaxTokens {
		f.add("tokens", "%d of them: want at most %d; remove those that expired", len(p.Tokens), MaxTokens)
	}
	seen := map[Digest]string{p.Secret: "secret"}
	if p.Previous != nil {
		if !p.Previous.Secret.IsZero() && p.Previous.Secret == p.Secret {
			f.add("previous.secret", "is the same as secret; the rotation changed nothing")
		}
		seen[p.Previous.Secret] = "previous.secret"
	}
	names := map[string]bool{}
	for i, t := range p.Tokens {
		at := fmt.Sprintf("tokens[%d]", i)
		if !word(t.Name) {
			f.add(at+".name", "%q: want 1 to %d of A-Z a-z 0-9 . _ -", t.Name, maxName)
		}
		if names[t.Name] {
			f.add(at+".name", "%q is there twice", t.Name)
		}
		names[t.Name] = true
		if t.Secret.IsZero() || t.Secret == DigestOf(nil) {
			f.add(at+".secret", "is missing: want the SHA-256 of the token's secret")
		} else if other, taken := seen[t.Secret]; taken {
			f.add(at+".secret", "is the same as %s; each secret must tell who used it", other)
		}
		seen[t.Secret] = at + ".secret"
		t.check(f, at)
	}
}

func (t Token) check(f *faults, at string) {
	if !t.Expires.IsZero() && !t.Expires.After(t.NotBefore) {
		f.add(at+".expires", "%s is not after notBefore %s", t.Expires.Format(time.RFC3339), t.NotBefore.Format(time.RFC3339))
	}
	if t.MaxUses < 0 {
		f.add(at+".maxUses", "%d: want 0 (any number) or more", t.MaxUses)
	}
	// One group: a comma would be a list, and authd would answer for its syntax.
	if t.Group != "" && !word(t.Group) {
		f.add(at+".group", "%q: want one group of A-Z a-z 0-9 . _ -", t.Group)
	}
	if _, err := path.Match(t.Names, ""); err != nil || strings.ContainsAny(t.Names, "'/\\ ") {
		f.add(at+".names", "%q: want a pattern such as web-* or host-??", t.Names)
	}
	checkNetworks(f, at+".sources", t.Sources)
}

func (p *Policy) checkBans(f *faults) {
	if len(p.Deny) > maxBans {
		f.add("deny", "%d of them: want at most %d; remove those that ended", len(p.Deny), maxBans)
	}
	for i, ban := range p.Deny {
		at := fmt.Sprintf("deny[%d]", i)
		if ban.ID == "" || len(ban.ID) > maxName {
			f.add(at+".id", "%q: want 1 to %d characters by which the ban can be lifted", ban.ID, maxName)
		}
		set := 0
		for _, is := range []bool{ban.Name != "", ban.KeyHash != "", ban.Source.IsValid()} {
			if is {
				set++
			}
		}
		if set != 1 {
			f.add(at, "has %d of name, keyHash and source: want exactly one", set)
		}
		if ban.KeyHash != "" && !hash(ban.KeyHash) {
			// Not quoted: it could be a key put where its hash belongs.
			f.add(at+".keyHash", "has %d characters: want the 40 hexadecimal ones an agent sends as K:", len(ban.KeyHash))
		}
		if ban.Source.IsValid() {
			checkNetworks(f, at+".source", []netip.Prefix{ban.Source})
		}
	}
}

func (p *Policy) checkProxy(f *faults) {
	switch p.Proxy.Mode {
	case "", ProxyOff:
	case ProxyOptional, ProxyRequired:
		if len(p.Proxy.Trusted) == 0 {
			f.add("proxy.trusted", "is empty: with mode %q, name the networks of the edge", p.Proxy.Mode)
		}
	default:
		f.add("proxy.mode", "%q: want %q, %q or %q", p.Proxy.Mode, ProxyOff, ProxyOptional, ProxyRequired)
	}
	checkNetworks(f, "proxy.trusted", p.Proxy.Trusted)
}

func checkNetworks(f *faults, at string, networks []netip.Prefix) {
	for _, network := range networks {
		if !network.IsValid() || network.Addr().Is4In6() {
			f.add(at, "%q: want a network such as 192.0.2.0/24 or 2001:db8::/32", network)
		}
	}
}

func (l Limits) check(f *faults) {
	for _, c := range []struct {
		name  string
		value int
	}{
		{"connections", l.Connections}, {"connectionsPerSource", l.ConnectionsPerSource}, {"unprovenPerSource", l.UnprovenPerSource},
		{"failuresPerMinute", l.FailuresPerMinute}, {"tenantFailuresPerMinute", l.TenantFailuresPerMinute},
		{"enrollmentsPerMinute", l.EnrollmentsPerMinute}, {"enrollmentBurst", l.EnrollmentBurst}, {"waiting", l.Waiting},
	} {
		if c.value < 0 {
			f.add("limits."+c.name, "%d: want 0 (the default) or more", c.value)
		}
	}
	if l.Line != 0 && (l.Line < 256 || l.Line > maxLine) {
		f.add("limits.line", "%d: want 256 to %d bytes, the size of authd's own buffer", l.Line, maxLine)
	}
	for _, c := range []struct {
		name  string
		value Duration
	}{
		{"hello", l.Hello}, {"handshake", l.Handshake}, {"request", l.Request}, {"queue", l.Queue}, {"total", l.Total},
	} {
		if c.value < 0 || c.value.D() > maxMinutes*time.Minute {
			f.add("limits."+c.name, "%s: want up to %d minutes", c.value.D(), maxMinutes)
		}
	}
}

// faults collects what is wrong, each with the field it is wrong in.
type faults struct{ list []error }

func (f *faults) add(field, format string, args ...any) {
	f.list = append(f.list, fmt.Errorf("policy: %s: "+format, append([]any{field}, args...)...))
}

func (f *faults) err() error { return errors.Join(f.list...) }

func word(s string) bool {
	for _, c := range []byte(s) {
		if !alphanumeric(c) && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return s != "" && s != "." && s != ".." && len(s) <= maxName
}

func hash(s string) bool {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return len(s) == 40
}

func alphanumeric(c byte) bool {
	return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
}
