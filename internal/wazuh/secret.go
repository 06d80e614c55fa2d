package wazuh

import (
	"crypto/subtle"
	"fmt"
	"log/slog"
)

// redacted is what a Secret shows of itself.
const redacted = "[redacted]"

// Secret is a password or key that doesn't show itself in logs, errors, JSON or debug output.
// The zero value is the empty secret.
//
// The text is held behind a pointer because package fmt cannot call methods on the unexported
// fields of a struct it prints: there it would show a plain string, but shows a pointer as an address.
type Secret struct {
	text *string
}

// NewSecret wraps text.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{text: &text}
}

// Reveal returns the text. Whoever calls it answers for where the text goes.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero reports whether the secret is empty.
func (s Secret) IsZero() bool { return s.Reveal() == "" }

// Equal compares two secrets in a time that depends on their lengths only.
func (s Secret) Equal(other Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// Format writes the redacted form for every verb; without it, a verb that doesn't suit a Stringer
// (such as %d) would print the fields.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// String returns the redacted form.
func (s Secret) String() string { return redacted }

// GoString returns the redacted form.
func (s Secret) GoString() string { return redacted }

// MarshalJSON returns the redacted form.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText returns the redacted form, for YAML and everything else that isn't JSON.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue returns the redacted form.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }
