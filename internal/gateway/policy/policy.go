// Package policy says who may enroll with one tenant, and decides single attempts.
//
// A [Policy] is data: the operator writes it, the gateway obeys it. It holds no
// secret, only digests of secrets, so reading it gives nobody a way in. It
// arrives twice, as a file in a mounted Secret and pushed over the gateway's
// admin API; the higher generation wins, whichever came last. [Decide] is the
// whole judgement of an attempt and depends on nothing but its arguments: no
// clock, no counters, no network. Start there.
package policy

import (
	"net/netip"
	"time"
)

// Version is the version of policies this program writes and knows whole. It grows
// with every field that is added. The first has no number in it.
const Version = 1

// Policy is everything the gateway needs to know to say yes or no.
type Policy struct {
	// Version of the policy, if it is above 1. A gateway may be older than the operator
	// that writes for it: in the middle of an upgrade, after one was taken back, or
	// because its image is pinned.
	Version int `json:"version,omitempty"`
	// Needs is the lowest version a gateway must know to obey this policy. One that
	// knows at least that leaves out what it does not know, for that makes nothing
	// laxer; any other must refuse it.
	Needs int `json:"needs,omitempty"`
	// Generation grows with every change. A policy with a lower one is ignored.
	Generation int64 `json:"generation"`
	// Suspended refuses everybody; keys and running sessions are not touched.
	Suspended bool `json:"suspended,omitempty"`
	// Secret is the digest of the tenant's enrollment secret. Without it only
	// tokens let agents in.
	Secret Digest `json:"secret,omitzero"`
	// Previous is the secret before the last rotation, while it still counts.
	Previous *Previous `json:"previous,omitempty"`
	// Tokens are named secrets with conditions of their own.
	Tokens []Token `json:"tokens,omitempty"`
	// Deny lists who is refused although its secret is right.
	Deny []Ban `json:"deny,omitempty"`
	// Proxy says from whom a PROXY protocol header is believed.
	Proxy Proxy `json:"proxy,omitzero"`
	// SourceIP says what becomes of an agent's wish to be registered with the
	// address its request comes from: SourceDrop (default) or SourceSubstitute.
	SourceIP string `json:"sourceIP,omitempty"`
	// Limits protect the gateway and the manager behind it. Zeros are defaults.
	Limits Limits `json:"limits,omitzero"`
}

// Previous is a secret that is on its way out.
type Previous struct {
	Secret Digest    `json:"secret"`
	Until  time.Time `json:"until"`
}

// Token is a secret for one purpose: a site, an order, one wave of a roll-out.
type Token struct {
	// Name appears in the audit. Together with the digest it is the identity
	// under which uses are counted.
	Name   string `json:"name"`
	Secret Digest `json:"secret"`
	// NotBefore and Expires bound its life; zero is unbounded.
	NotBefore time.Time `json:"notBefore,omitzero"`
	Expires   time.Time `json:"expires,omitzero"`
	// MaxUses is how many enrollments it is good for; 0 is any number.
	MaxUses int `json:"maxUses,omitempty"`
	// Group, when set, replaces whatever groups the agent asks for.
	Group string `json:"group,omitempty"`
	// Names is a pattern with * and ? that the agent's name must match.
	Names string `json:"names,omitempty"`
	// Sources are the networks it may be used from; empty is everywhere.
	Sources []netip.Prefix `json:"sources,omitempty"`
	// Revoked refuses it, but keeps it in the audit under its own reason.
	Revoked bool `json:"revoked,omitempty"`
}

// UseKey is the name under which the token's uses are counted. It changes with
// the secret, so that a new token may take an old one's name.
func (t Token) UseKey() string { return t.Name + "@" + t.Secret.Short() }

// Ban refuses one agent name, one key, or one network. Exactly one of Name,
// KeyHash and Source is set; several bans may share an ID, and are lifted together.
type Ban struct {
	ID string `json:"id"`
	// Name of an agent, in any letter case.
	Name string `json:"name,omitempty"`
	// KeyHash is what a host sends as K: while its old key is on its disk, 40
	// hexadecimal characters. It catches a host that changed its name.
	KeyHash string       `json:"keyHash,omitempty"`
	Source  netip.Prefix `json:"source,omitzero"`
	// Until is when it ends by itself; zero is never.
	Until time.Time `json:"until,omitzero"`
}

// Modes of Proxy.
const (
	// ProxyOff believes no header: a connection that begins with one is refused.
	ProxyOff = "off"
	// ProxyOptional believes a header from Trusted, and serves connections without.
	ProxyOptional = "optional"
	// ProxyRequired serves only connections from Trusted that bring a header.
	ProxyRequired = "required"
)

// Proxy says from whom a PROXY protocol header is believed.
type Proxy struct {
	Mode    string         `json:"mode,omitempty"` // empty is ProxyOff
	Trusted []netip.Prefix `json:"trusted,omitempty"`
}

// Trusts reports whether peer may speak for other addresses.
func (p Proxy) Trusts(peer netip.Addr) bool {
	return p.Mode != "" && p.Mode != ProxyOff && contains(p.Trusted, peer)
}

// What happens to IP:'src', by which an agent asks to be registered with the
// address the manager sees. Behind the gateway the manager sees the gateway.
const (
	// SourceDrop leaves the wish out: the agent is registered as "any". The
	// default, because a key bound to an address works only where the events
	// port sees that same address too.
	SourceDrop = "drop"
	// SourceSubstitute writes the address the gateway saw. For ways in that
	// preserve the source address on both ports.
	SourceSubstitute = "substitute"
)

func contains(networks []netip.Prefix, address netip.Addr) bool {
	address = address.Unmap()
	for _, network := range networks {
		if network.Contains(address) {
			return true
		}
	}
	return false
}
