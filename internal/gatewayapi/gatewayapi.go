// Package gatewayapi opens the admin port of a tenant's gateway, for the operator
// and for the command line alike: what the Secret wazuh-gateway-admin must hold,
// and whose certificate must be shown there.
//
// Reading the cluster is the caller's; [Open] takes what was found and asks nothing
// itself.
package gatewayapi

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/gateway/admin"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// Options say whose gateway to open, and with what. Slug, Admin and Timeout are
// required.
type Options struct {
	// Slug is the tenant's name.
	Slug string
	// Admin is the data of Secret wazuh-gateway-admin in the tenant's namespace; nil
	// when it does not exist.
	Admin map[string][]byte
	// Dial connects; nil means the network of this process.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Timeout bounds one request.
	Timeout time.Duration
}

// idleTime is how long an unused connection to a gateway is kept.
const idleTime = time.Minute

// Open returns a client of the gateway's admin port, and what closes its idle
// connections. Who answers must show the certificate of this tenant's gateway,
// however it is dialled: the bearer token goes to nobody else.
func Open(options Options) (*admin.Client, func(), error) {
	secret := naming.Namespace(options.Slug) + "/" + naming.SecretGatewayAdmin
	if options.Admin == nil {
		return nil, nil, fmt.Errorf("secret %s of the gateway's admin port does not exist", secret)
	}
	token := options.Admin[naming.KeyGatewayToken]
	if len(token) == 0 {
		return nil, nil, fmt.Errorf("secret %s has no %s", secret, naming.KeyGatewayToken)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(options.Admin[naming.KeyTLSCA]) {
		return nil, nil, fmt.Errorf("secret %s, key %s: no PEM certificate found", secret, naming.KeyTLSCA)
	}
	host := naming.GatewayHost(options.Slug)
	transport := &http.Transport{
		DialContext:         options.Dial,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: host},
		MaxIdleConnsPerHost: 1, IdleConnTimeout: idleTime,
	}
	return &admin.Client{
		URL:   fmt.Sprintf("https://%s:%d", host, naming.PortGatewayAdmin),
		Token: wazuh.NewSecret(string(token)),
		HTTP:  &http.Client{Timeout: options.Timeout, Transport: transport},
	}, transport.CloseIdleConnections, nil
}
