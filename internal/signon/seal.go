package signon

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"time"
)

// Seal closes and opens what a browser carries for us: it can neither read nor change
// it, nor use it for something else than it was made for. The key is this process's,
// and ends with it.
type Seal struct{ aead cipher.AEAD }

// newSeal makes a key.
func newSeal() (*Seal, error) {
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return &Seal{aead}, err
}

// sealed is what is inside.
type sealed struct {
	Until time.Time       `json:"until"`
	Value json.RawMessage `json:"value"`
}

// encoding has one text for each seal: without Strict, the last character could be
// another and mean the same.
var encoding = base64.RawURLEncoding.Strict()

var errSeal = errors.New("the seal is not ours, or too old")

// Close seals a value until a time. The purpose must be the same when it is opened.
func (s *Seal) Close(purpose string, value any, until time.Time) (string, error) {
	inner, err := json.Marshal(value)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(sealed{until, inner})
	if err != nil {
		return "", err
	}
	return encoding.EncodeToString(s.aead.Seal(nil, nil, text, []byte(purpose))), nil
}

// Open reads a value that was sealed, if its time is not over.
func (s *Seal) Open(purpose, text string, value any, now time.Time) error {
	raw, err := encoding.DecodeString(text)
	if err != nil {
		return errSeal
	}
	plain, err := s.aead.Open(nil, nil, raw, []byte(purpose))
	if err != nil {
		return errSeal
	}
	var inner sealed
	if err := json.Unmarshal(plain, &inner); err != nil || !now.Before(inner.Until) {
		return errSeal
	}
	return json.Unmarshal(inner.Value, value)
}
