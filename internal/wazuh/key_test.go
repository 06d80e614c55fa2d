package wazuh

import (
	"strings"
	"testing"
)

func TestKeyDerivation(t *testing.T) {
	v := loadVectors(t)
	k := v.key()
	if got := k.cipherText(); got != v.EncKey || got[:32] != v.AESKey {
		t.Errorf("cipher text %q, want %q", got, v.EncKey)
	}
	if got := k.Hash(); got != v.KeyHash {
		t.Errorf("hash %q, want %q", got, v.KeyHash)
	}
}

func TestKeyLines(t *testing.T) {
	raw := strings.Repeat("0123456789abcdef", 4)
	for line, want := range map[string]string{
		"007 web-01 any " + raw:            "",
		"007 !web-01 any " + raw:           "",
		"12345678 a.b 10.0.0.0/8 " + raw:   "",
		"007 web-01 2001:db8::1 " + raw:    "",
		"07 web-01 any " + raw:             `key id "07"`,
		"007 .web any " + raw:              `key name ".web"`,
		"007 w any " + raw:                 `key name "w"`,
		"007 web-01 everywhere " + raw:     `key address "everywhere"`,
		"007 web-01 any sp/ace":            `key of agent "007"`,
		"007 web-01 any":                   "3 columns",
		"007  web-01 any " + raw:           "5 columns",
		"# 007 web-01 any " + raw:          "not a key line",
		" 007 web-01 any " + raw:           "not a key line",
		"":                                 "not a key line",
		"007 web-01 any " + raw + " extra": "5 columns",
	} {
		k, err := ParseKey(line)
		if want == "" {
			if err != nil {
				t.Errorf("%q: %v", line, err)
			} else if got := string(k.AppendLine(nil)); got != line {
				t.Errorf("%q came back as %q", line, got)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got error %v, want %q", line, err, want)
		}
		if err != nil && strings.Contains(err.Error(), raw) {
			t.Errorf("%q: the error shows the key", line)
		}
	}
}

func TestFoundByAddress(t *testing.T) {
	for ip, want := range map[string]bool{"any": false, "192.0.2.1": true, "192.0.2.0/24": false, "2001:db8::1": false} {
		if got := (Key{IP: ip}).FoundByAddress(); got != want {
			t.Errorf("%s: got %v", ip, got)
		}
	}
}
