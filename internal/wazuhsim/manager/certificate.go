package manager

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"
)

// selfSignedYears is how long the image makes its own certificate last.
const selfSignedYears = 10

// keyPair reads a certificate and its key. If neither is there, it may make them, as the image's
// start script and wazuh-apid of Wazuh 4 do: self-signed, and without any name a client could verify.
func (m *Manager) keyPair(certFile, keyFile string, make bool) (tls.Certificate, error) {
	cert, errCert := m.root.read(certFile)
	key, errKey := m.root.read(keyFile)
	if make && missing(errCert) && missing(errKey) {
		if err := m.selfSign(certFile, keyFile); err != nil {
			return tls.Certificate{}, err
		}
		cert, errCert = m.root.read(certFile)
		key, errKey = m.root.read(keyFile)
	}
	if errCert != nil {
		return tls.Certificate{}, errCert
	}
	if errKey != nil {
		return tls.Certificate{}, errKey
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("%s and %s: %w", certFile, keyFile, err)
	}
	return pair, nil
}

func (m *Manager) selfSign(certFile, keyFile string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return err
	}
	// Certificates live in real time, whatever the simulator's clock says.
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: m.o.Hostname},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(selfSignedYears, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := m.root.replace(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})); err != nil {
		return err
	}
	return m.root.replace(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
