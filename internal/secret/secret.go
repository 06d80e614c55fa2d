// Package secret makes the secrets a tenant needs and judges those it finds.
//
// A generated secret enters here, from an io.Reader the caller chooses, and
// leaves as the bytes of a Secret; it is never printed. What is judged is the
// file authd reads (etc/authd.pass), because a badly formed one does not close
// enrollment but opens it: see [CheckEnrollment].
package secret

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
)

const (
	// enrollmentBytes of randomness make the 64 URL-safe characters SocTalk uses too.
	enrollmentBytes = 48
	// minEnrollment is the shortest secret accepted from somebody else.
	minEnrollment = 20
	// maxEnrollment is what authd reads of the first line (main-server.c).
	maxEnrollment = 4094
)

// NewEnrollment returns the content of a fresh enrollment secret file: 64
// characters out of [A-Za-z0-9_-] and one newline.
func NewEnrollment(random io.Reader) ([]byte, error) {
	for {
		raw := make([]byte, enrollmentBytes)
		if _, err := io.ReadFull(random, raw); err != nil {
			return nil, fmt.Errorf("generate enrollment secret: %w", err)
		}
		text := base64.URLEncoding.EncodeToString(raw)
		// A leading dash looks like a flag to every command line it is pasted into.
		if text[0] != '-' {
			return []byte(text + "\n"), nil
		}
	}
}

// NewAPIPassword returns a password that satisfies the manager API's policy
// (lower, upper, digit, special) and survives the image's JSON heredoc (no
// quote, no backslash).
func NewAPIPassword(random io.Reader) ([]byte, error) {
	raw := make([]byte, 32)
	if _, err := io.ReadFull(random, raw); err != nil {
		return nil, fmt.Errorf("generate API password: %w", err)
	}
	return []byte(base64.RawURLEncoding.EncodeToString(raw) + ".aA1"), nil
}

// CheckEnrollment says what is wrong with the content of an enrollment secret
// file. The rules are authd's traps (4.14, main-server.c): an empty first line
// or one character switches the password check off without a word, a carriage
// return or a trailing space becomes part of the password, and only the first
// line counts. Errors never quote the content.
func CheckEnrollment(file []byte) error {
	line, rest, found := bytes.Cut(file, []byte("\n"))
	switch {
	case len(file) == 0:
		return errors.New("it is empty; authd would refuse to start")
	case len(line) == 0:
		return errors.New("its first line is empty; authd would accept every agent without a password")
	case !found:
		return errors.New("it does not end with a newline; end it with exactly one")
	case len(rest) > 0:
		return errors.New("it has more than one line; authd reads only the first")
	case len(line) < minEnrollment:
		return fmt.Errorf("it has %d characters; use at least %d", len(line), minEnrollment)
	case len(line) > maxEnrollment:
		return fmt.Errorf("it has %d characters; authd reads %d at most", len(line), maxEnrollment)
	}
	for _, c := range line {
		if !safe(c) {
			return errors.New("it has a character outside A-Z, a-z, 0-9, '-' and '_'; others break the agent packages' installation scripts")
		}
	}
	return nil
}

func safe(c byte) bool {
	return 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}
