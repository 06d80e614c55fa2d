package report

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
)

// Sign puts a payload into an envelope.
func Sign(key ed25519.PrivateKey, payloadType string, payload []byte) (v1alpha1.SignedEnvelope, error) {
	public, ok := key.Public().(ed25519.PublicKey)
	if !ok || len(key) != ed25519.PrivateKeySize {
		return v1alpha1.SignedEnvelope{}, errors.New("not an Ed25519 key")
	}
	id, err := KeyID(public)
	if err != nil {
		return v1alpha1.SignedEnvelope{}, err
	}
	encode := base64.StdEncoding.EncodeToString
	return v1alpha1.SignedEnvelope{
		PayloadType: payloadType,
		Payload:     encode(payload),
		Signatures:  []v1alpha1.EnvelopeSignature{{KeyID: id, Sig: encode(ed25519.Sign(key, Encoded(payloadType, payload)))}},
	}, nil
}

// Encoded is DSSE's pre-authentication encoding: what a signature is over. Lengths
// stand before both parts, so that nothing can be moved from one to the other.
func Encoded(payloadType string, payload []byte) []byte {
	return append(fmt.Appendf(nil, "DSSEv1 %d %s %d ", len(payloadType), payloadType, len(payload)), payload...)
}

// ErrSignature says that no signature of the envelope is by the key.
var ErrSignature = errors.New("the signature is not by this key, or the report was changed after it was signed")

// Verify returns the payload if one of the envelope's signatures is by the key. The
// key ids in it are hints and not looked at: they are not signed.
func Verify(key ed25519.PublicKey, envelope v1alpha1.SignedEnvelope) ([]byte, error) {
	payload, err := base64.StdEncoding.DecodeString(envelope.Payload)
	if err != nil {
		return nil, fmt.Errorf("payload: %w", err)
	}
	if len(envelope.Signatures) == 0 {
		return nil, errors.New("the envelope holds no signature")
	}
	signed := Encoded(envelope.PayloadType, payload)
	for _, signature := range envelope.Signatures {
		sig, err := base64.StdEncoding.DecodeString(signature.Sig)
		if err == nil && ed25519.Verify(key, signed, sig) {
			if envelope.PayloadType != Type {
				return nil, fmt.Errorf("payload type %q: this version reads %s", envelope.PayloadType, Type)
			}
			return payload, nil
		}
	}
	return nil, ErrSignature
}

// ParseEnvelope reads an envelope from a file: the envelope itself, or the whole
// OffboardingReport as kubectl prints it.
func ParseEnvelope(text []byte) (v1alpha1.SignedEnvelope, error) {
	var file struct {
		v1alpha1.SignedEnvelope
		Spec struct {
			Envelope v1alpha1.SignedEnvelope `json:"envelope"`
		} `json:"spec"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return v1alpha1.SignedEnvelope{}, fmt.Errorf("not a report: %w", err)
	}
	if file.Payload == "" {
		file.SignedEnvelope = file.Spec.Envelope
	}
	if file.Payload == "" {
		return v1alpha1.SignedEnvelope{}, errors.New("not a report: no payload in it")
	}
	return file.SignedEnvelope, nil
}

// KeyID names a public key by its digest.
func KeyID(key ed25519.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return "", fmt.Errorf("public key: %w", err)
	}
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:]), nil
}

// PEM types of the two halves of a key.
const (
	pemPrivate = "PRIVATE KEY"
	pemPublic  = "PUBLIC KEY"
)

// EncodeKey writes both halves of a key as PEM.
func EncodeKey(key ed25519.PrivateKey) (private, public []byte, err error) {
	inside, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("private key: %w", err)
	}
	outside, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, nil, fmt.Errorf("public key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemPrivate, Bytes: inside}), pem.EncodeToMemory(&pem.Block{Type: pemPublic, Bytes: outside}), nil
}

// ParsePrivateKey reads the private half.
func ParsePrivateKey(text []byte) (ed25519.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != pemPrivate {
		return nil, errors.New("no PEM block " + pemPrivate)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("the key is %T, want Ed25519", parsed)
	}
	return key, nil
}

// ParsePublicKey reads the public half.
func ParsePublicKey(text []byte) (ed25519.PublicKey, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != pemPublic {
		return nil, errors.New("no PEM block " + pemPublic)
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(ed25519.PublicKey)
	if !ok {
		return nil, fmt.Errorf("the key is %T, want Ed25519", parsed)
	}
	return key, nil
}
