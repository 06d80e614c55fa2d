package wazuh

import (
	"crypto/md5"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// AnyAddress is the address column of an agent that may connect from anywhere.
const AnyAddress = "any"

const (
	maxIDDigits   = 8   // client.keys reader of the manager
	minNameLength = 2   // OS_IsValidName
	maxNameLength = 128 // OS_IsValidName
)

// Key is one line of client.keys: who an agent is, and the secret it shares with the manager.
type Key struct {
	ID      string
	Name    string
	IP      string // AnyAddress, an address, or a CIDR
	Raw     Secret // 64 hex characters from authd; used as text, never decoded
	Removed bool   // kept only so that the id isn't used again (authd with purge=no)
}

// errNotAKey tells a comment or an empty line from a damaged one.
var errNotAKey = errors.New("not a key line")

// IsComment reports whether err says that a line of client.keys was blank or a comment.
func IsComment(err error) bool { return errors.Is(err, errNotAKey) }

// ParseKey reads one line of client.keys, with or without its newline.
func ParseKey(line string) (Key, error) {
	line = strings.TrimSuffix(line, "\n")
	if line == "" || line[0] == '#' || line[0] == ' ' {
		return Key{}, errNotAKey
	}
	fields := strings.Split(line, " ")
	if len(fields) != 4 {
		return Key{}, fmt.Errorf("key line has %d columns, want 4: id, name, address, key", len(fields))
	}
	k := Key{ID: fields[0], Name: fields[1], IP: fields[2], Raw: NewSecret(fields[3])}
	if strings.HasPrefix(k.Name, "!") || strings.HasPrefix(k.Name, "#") {
		k.Name, k.Removed = k.Name[1:], true
	}
	return k, k.Validate()
}

// Validate checks the four columns as the agent does before it overwrites its own key.
func (k Key) Validate() error {
	switch {
	case !ValidID(k.ID):
		return fmt.Errorf("key id %q: want 3 to %d digits", k.ID, maxIDDigits)
	case !ValidName(k.Name):
		return fmt.Errorf("key name %q: want 2 to 128 of A-Z a-z 0-9 . _ -, not starting with a dot", k.Name)
	case !ValidAddress(k.IP):
		return fmt.Errorf("key address %q: want %q, an address or a CIDR", k.IP, AnyAddress)
	case !validRaw(k.Raw.Reveal()):
		return fmt.Errorf("key of agent %q: want 2 to 128 of A-Z a-z 0-9 . _ -", k.ID)
	}
	return nil
}

// AppendLine appends the key as a line of client.keys, without the newline.
func (k Key) AppendLine(dst []byte) []byte {
	dst = append(dst, k.ID...)
	dst = append(dst, ' ')
	if k.Removed {
		dst = append(dst, '!')
	}
	dst = append(dst, k.Name...)
	dst = append(dst, ' ')
	dst = append(dst, k.IP...)
	dst = append(dst, ' ')
	return append(dst, k.Raw.Reveal()...)
}

// Hash returns what an agent that already has a key sends as K: when it enrolls again.
func (k Key) Hash() string {
	sum := sha1.Sum([]byte(k.ID + k.Name + k.Raw.Reveal()))
	return hex.EncodeToString(sum[:])
}

// FoundByAddress reports whether the manager finds this agent by its source address, in which case
// its frames carry no id. remoted does so only for a single IPv4 address, not for IPv6 or a CIDR.
func (k Key) FoundByAddress() bool {
	a, err := netip.ParseAddr(k.IP)
	return err == nil && a.Is4()
}

// cipherText returns the 47 characters from which Wazuh cuts its cipher keys: 32 for AES, all of
// them for Blowfish. Only the last 15 depend on who the agent is.
func (k Key) cipherText() string {
	who := md5hex(md5hex(k.Name) + md5hex(k.ID))
	return md5hex(k.Raw.Reveal()) + who[:15]
}

func md5hex(s string) string {
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}

// ValidID reports whether s can be an agent id: three to eight digits.
func ValidID(s string) bool {
	return len(s) >= 3 && len(s) <= maxIDDigits && allDigits(s)
}

// ValidName reports whether s can be an agent name (OS_IsValidName of the manager).
func ValidName(s string) bool {
	return len(s) >= minNameLength && len(s) <= maxNameLength && s[0] != '.' && wordly(s)
}

func validRaw(s string) bool {
	return len(s) >= 2 && len(s) <= 128 && wordly(s)
}

// ValidAddress reports whether s can be the address column of a key.
func ValidAddress(s string) bool {
	if s == AnyAddress {
		return true
	}
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	_, err := netip.ParsePrefix(s)
	return err == nil
}

func wordly(s string) bool {
	for i := range len(s) {
		c := s[i]
		ok := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '_' || c == '-'
		if !ok {
			return false
		}
	}
	return true
}

func allDigits[T string | []byte](s T) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return len(s) > 0
}
