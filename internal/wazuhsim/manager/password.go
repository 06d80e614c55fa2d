package manager

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// maxPassword is the size of the buffer authd reads the first line into, less its end.
const maxPassword = 4094

var errEmptyPassword = errors.New("authd.pass is empty; authd doesn't start with it")

// loadPassword reads authd.pass with every trap of the real one (main-server.c). The traps matter
// more than the good case: a file that begins with an empty line leaves enrollment open to anyone,
// while authd's log says that a password is in use.
//
// Wazuh 5 has none of the traps: it doesn't start with such a file (failClosed), and writes down the
// password it made up.
func loadPassword(r root, failClosed bool) (wazuh.Secret, error) {
	content, err := r.read(passFile)
	if missing(err) {
		var b [16]byte // authd makes one up, and tells it only its log
		_, _ = rand.Read(b[:])
		made := hex.EncodeToString(b[:])
		if failClosed {
			err = r.replace(passFile, []byte(made+"\n"))
			return wazuh.NewSecret(made), err
		}
		return wazuh.NewSecret(made), nil
	}
	if err != nil {
		return wazuh.Secret{}, err
	}
	password, err := passwordFrom(content)
	if err == nil && password.IsZero() && failClosed {
		err = errEmptyPassword
	}
	return password, err
}

// passwordFrom returns the empty secret where authd's pointer stays NULL: no password is asked for.
func passwordFrom(content []byte) (wazuh.Secret, error) {
	if len(content) <= 1 {
		return wazuh.Secret{}, errEmptyPassword
	}
	line := content
	if end := bytes.IndexByte(content, '\n'); end >= 0 {
		line = content[:end+1]
	}
	line = line[:min(len(line), maxPassword)]
	const shortest = 3 // of the line with its newline; authd looks at the length before it cuts
	if len(line) < shortest {
		return wazuh.Secret{}, nil
	}
	return wazuh.NewSecret(string(bytes.TrimSuffix(line, []byte("\n")))), nil
}

// checkAPIUser refuses what makes the real container end as soon as it has started: for a user name
// of its own, a password that breaks the API's policy; for any, one that breaks the script's JSON.
func checkAPIUser(user string, password wazuh.Secret) error {
	text := password.Reveal()
	if strings.ContainsAny(text, "\"\\") {
		return errors.New(`API password contains a quote or a backslash: the image's start script can't pass it on`)
	}
	if user == "wazuh" || user == "wazuh-wui" {
		return nil
	}
	is := func(class func(rune) bool) bool { return strings.ContainsFunc(text, class) }
	special := func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }
	const shortest = 8
	if len(text) < shortest || !is(unicode.IsLower) || !is(unicode.IsUpper) || !is(unicode.IsDigit) || !is(special) {
		return fmt.Errorf("password of API user %q: want at least %d characters with lower case, upper case, a digit and a special one", user, shortest)
	}
	return nil
}
