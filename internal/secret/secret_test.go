package secret

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestNewEnrollment(t *testing.T) {
	seen := map[string]bool{}
	for range 200 {
		file, err := NewEnrollment(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if err := CheckEnrollment(file); err != nil {
			t.Fatalf("what we generate is unsound: %v", err)
		}
		if len(file) != 65 || file[0] == '-' {
			t.Errorf("%d bytes, first %q; want 64 characters and a newline, no leading dash", len(file), file[0])
		}
		if seen[string(file)] {
			t.Fatal("the same secret twice")
		}
		seen[string(file)] = true
	}
}

// A first character that looks like a flag is drawn again, not cut off.
func TestNewEnrollmentAvoidsALeadingDash(t *testing.T) {
	dash := bytes.Repeat([]byte{0xfb}, enrollmentBytes) // base64url "-_v7…"
	letter := bytes.Repeat([]byte{0}, enrollmentBytes)
	file, err := NewEnrollment(bytes.NewReader(append(dash, letter...)))
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Repeat("A", 64) + "\n"; string(file) != want {
		t.Error("the second draw was not used whole")
	}
}

func TestNoRandomnessNoSecret(t *testing.T) {
	if _, err := NewEnrollment(io.LimitReader(rand.Reader, 10)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("ten random bytes made a secret: %v", err)
	}
	if _, err := NewAPIPassword(io.LimitReader(rand.Reader, 10)); err == nil {
		t.Error("ten random bytes made a password")
	}
}

func TestNewAPIPasswordSatisfiesThePolicy(t *testing.T) {
	for range 100 {
		password, err := NewAPIPassword(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		text := string(password)
		for _, class := range []string{"abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789", "."} {
			if !strings.ContainsAny(text, class) {
				t.Errorf("the password has none of %q", class)
			}
		}
		if strings.ContainsAny(text, `"\' `) || len(text) < 12 || len(text) > 64 {
			t.Errorf("the password has %d characters, or one that breaks the image's script", len(text))
		}
	}
}

// authd's traps, each by what it would do.
func TestCheckEnrollment(t *testing.T) {
	good := strings.Repeat("a", 64)
	for content, want := range map[string]string{
		"":                               "refuse to start",
		"\n" + good + "\n":               "without a password",
		good:                             "end it with exactly one",
		good + "\n\n":                    "more than one line",
		good + "\r\n":                    "outside A-Z",
		good + " \n":                     "outside A-Z",
		"a\n":                            "at least 20",
		"ab":                             "end it with exactly one",
		strings.Repeat("a", 5000) + "\n": "4094 at most",
		"päss" + good + "\n":             "outside A-Z",
	} {
		err := CheckEnrollment([]byte(content))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q (%d bytes): %v, want %q", content, len(content), err, want)
			continue
		}
		if strings.Contains(err.Error(), "aaaa") {
			t.Errorf("the error quotes the secret: %v", err)
		}
	}
	if err := CheckEnrollment([]byte(good + "\n")); err != nil {
		t.Errorf("a sound secret is refused: %v", err)
	}
}

func FuzzCheckEnrollment(f *testing.F) {
	for _, seed := range []string{"", "\n", "a\n", strings.Repeat("x", 64) + "\n", "x\r\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		if CheckEnrollment(file) != nil {
			return
		}
		// What passes must be what authd takes as exactly one password line.
		line, rest, found := bytes.Cut(file, []byte("\n"))
		if !found || len(rest) != 0 || len(line) < minEnrollment || bytes.ContainsAny(line, "\r\n \x00'\"") {
			t.Errorf("passed: %q", file)
		}
	})
}
