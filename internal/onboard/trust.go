package onboard

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// CAFile is the name under which the authority's certificate is handed out.
const CAFile = "soctalk-ca.pem"

// Trust is the authority agents must be told to trust: without one, an agent
// enrolls with whoever answers (enrollment_op.c skips the check silently).
type Trust struct {
	// Public is true when the endpoints' systems know the authority.
	Public bool `json:"public"`
	// File, Subject, SHA256 (of the certificate's DER) and PEM of an authority of our own.
	File    string `json:"file,omitempty"`
	Subject string `json:"subject,omitempty"`
	SHA256  string `json:"sha256,omitempty"`
	PEM     string `json:"pem,omitempty"`
	// Paths of the file agents are told, by system.
	Paths []CAPath `json:"paths"`
	// Check proves that the file that arrived is the one that was sent.
	Check []Step `json:"check,omitempty"`
}

// CAPath is where a system keeps the authorities an agent is to trust.
type CAPath struct {
	System string `json:"system"`
	Path   string `json:"path"`
}

// newTrust reads an authority; an empty text is a public one.
func newTrust(authorityPEM string) (Trust, error) {
	trust := Trust{Public: strings.TrimSpace(authorityPEM) == ""}
	for _, system := range systems() {
		trust.Paths = append(trust.Paths, CAPath{System: system.name, Path: system.caPaths(trust.Public)})
	}
	trust.Paths = append(trust.Paths, CAPath{System: "container", Path: containerCA(trust.Public)})
	if trust.Public {
		return trust, nil
	}
	authority, err := parseAuthority(authorityPEM)
	if err != nil {
		return Trust{}, fmt.Errorf("authority PEM: %w", err)
	}
	sum := sha256.Sum256(authority.Raw)
	trust.File = CAFile
	trust.Subject = authority.Subject.String()
	trust.SHA256 = colons(sum[:])
	trust.PEM = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.Raw}))
	trust.Check = []Step{
		{
			Title: "compare the fingerprint", Shell: ShellSh,
			Run:    "openssl x509 -in " + CAFile + " -noout -fingerprint -sha256",
			Remark: "it must end in " + trust.SHA256,
		},
		{
			Title: "compare the fingerprint", Shell: ShellPowerShell,
			Run: "$ca = [Security.Cryptography.X509Certificates.X509Certificate2]::new(\"$PWD\\" + CAFile + "\")\n" +
				"[BitConverter]::ToString([Security.Cryptography.SHA256]::Create().ComputeHash($ca.RawData)).Replace('-', ':')",
			Remark: "it must be " + trust.SHA256,
		},
	}
	return trust, nil
}

// parseAuthority wants exactly one certificate, so that the fingerprint speaks
// of everything that will be trusted.
func parseAuthority(text string) (*x509.Certificate, error) {
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errors.New("no PEM certificate found")
	}
	if next, _ := pem.Decode(rest); next != nil {
		return nil, errors.New("more than one PEM block; give the root alone")
	}
	authority, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parse certificate: %w", err)
	}
	if !authority.IsCA {
		return nil, fmt.Errorf("%q is not an authority (no CA:TRUE); give the certificate that signed it", authority.Subject)
	}
	return authority, nil
}

func colons(sum []byte) string {
	var pairs []string
	for _, b := range sum {
		pairs = append(pairs, strings.ToUpper(hex.EncodeToString([]byte{b})))
	}
	return strings.Join(pairs, ":")
}
