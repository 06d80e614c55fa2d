package policy

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// Digest is the SHA-256 of a secret. That is enough, without salt or stretching,
// because secrets are generated with 20 random characters or more. The zero
// value stands for "no secret" and matches nothing.
type Digest [sha256.Size]byte

// Fingerprint tells one policy from another, generation included. Nothing can be
// read from it.
func (p *Policy) Fingerprint() string {
	text, err := json.Marshal(p)
	if err != nil {
		return "" // no policy that can be parsed
	}
	return FingerprintOf(text)
}

// FingerprintOf is the fingerprint of a policy as it was written.
func FingerprintOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// DigestOf returns the digest of a secret as it is sent on the wire: the text
// itself, without a newline.
func DigestOf(secret []byte) Digest { return sha256.Sum256(secret) }

// IsZero reports whether there is no secret.
func (d Digest) IsZero() bool { return d == Digest{} }

// Short is enough of the digest to tell two apart in a log.
func (d Digest) Short() string { return hex.EncodeToString(d[:4]) }

// MarshalText writes 64 hexadecimal characters.
func (d Digest) MarshalText() ([]byte, error) {
	return hex.AppendEncode(nil, d[:]), nil
}

// UnmarshalText reads them. The error does not quote the text: whoever puts a
// secret where its digest belongs should not find it in a log.
func (d *Digest) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(d)) {
		return fmt.Errorf("a digest of %d characters: want the SHA-256 of the secret, 64 hexadecimal characters", len(text))
	}
	if _, err := hex.Decode(d[:], text); err != nil {
		return fmt.Errorf("a digest with a character that is not hexadecimal: want the SHA-256 of the secret, 64 hexadecimal characters")
	}
	return nil
}

// matches is 1 when both are the same secret, in constant time.
func (d Digest) matches(other Digest) int {
	var none Digest
	set := 1 - subtle.ConstantTimeCompare(d[:], none[:])
	return set & subtle.ConstantTimeCompare(d[:], other[:])
}
