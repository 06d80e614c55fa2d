// Package managerapi opens the API of a tenant's manager, for the operator and
// for the command line alike: which pods are the manager, which Secrets hold its
// user and its authority, and whose certificate must be shown there.
//
// Reading the cluster is the caller's: [SecretNames] says what to read, [Open]
// takes what was found. It asks nothing itself.
package managerapi

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// Options say whose API to open, and with what. Slug, Credentials and Timeout
// are required.
type Options struct {
	// Slug and Manager are the tenant's name and its spec.manager.
	Slug    string
	Manager v1alpha1.ManagerSpec
	// Credentials and Authority are the data of the two Secrets [SecretNames] names;
	// nil for one that does not exist, or has no name.
	Credentials, Authority map[string][]byte
	// Dial connects; nil means the network of this process.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Timeout bounds one request.
	Timeout time.Duration
}

// idleTime is how long an unused connection to a manager is kept.
const idleTime = time.Minute

// Open returns a client of the manager's API, and what closes its idle
// connections. Who answers must show the certificate of this tenant's manager,
// however it is dialled. A [*MissingSecret] says what was not there to read.
func Open(options Options) (*wazuh.API, func(), error) {
	credentialsName, authorityName := SecretNames(options.Manager)
	namespace := naming.Namespace(options.Slug)
	if options.Credentials == nil {
		return nil, nil, &MissingSecret{Namespace: namespace, Name: credentialsName,
			Keys: naming.KeyAPIUsername + " and " + naming.KeyAPIPassword}
	}
	if authorityName != "" && options.Authority == nil {
		return nil, nil, &MissingSecret{Namespace: namespace, Name: authorityName, Keys: naming.KeyTLSCA}
	}
	trust, err := trust(options)
	if err != nil {
		return nil, nil, fmt.Errorf("secret %s/%s, key %s: %w", namespace, authorityName, naming.KeyTLSCA, err)
	}
	transport := &http.Transport{DialContext: options.Dial, TLSClientConfig: trust, MaxIdleConnsPerHost: 1, IdleConnTimeout: idleTime}
	api, err := wazuh.NewAPI(wazuh.APIOptions{
		URL:      fmt.Sprintf("https://%s:%d", naming.APIHost(options.Slug), naming.PortNumber(naming.PortAPI)),
		User:     string(options.Credentials[naming.KeyAPIUsername]),
		Password: wazuh.NewSecret(string(options.Credentials[naming.KeyAPIPassword])),
		HTTP:     &http.Client{Timeout: options.Timeout, Transport: transport},
	})
	if err != nil {
		return nil, nil, fmt.Errorf("secret %s/%s: %w", namespace, credentialsName, err)
	}
	return api, transport.CloseIdleConnections, nil
}

// trust judges the manager's certificate: by the tenant's authority, by the
// system's roots, or not at all where the spec says so.
func trust(options Options) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: naming.APIHost(options.Slug)}
	if _, authority := SecretNames(options.Manager); authority == "" {
		config.InsecureSkipVerify = options.Manager.Attach.InsecureSkipAPIVerify // in as many words
		return config, nil
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(options.Authority[naming.KeyTLSCA]) {
		return nil, errors.New("no PEM certificate found")
	}
	return config, nil
}

// MissingSecret is a Secret without which nobody can ask the manager.
type MissingSecret struct {
	Namespace, Name string
	// Keys are those the Secret would have, in words.
	Keys string
}

func (e *MissingSecret) Error() string {
	return fmt.Sprintf("secret %s/%s with %s of the manager's API does not exist", e.Namespace, e.Name, e.Keys)
}

// SecretNames names the Secrets with the API's credentials and authority in the
// tenant's namespace; authority is empty where the certificate is judged by the
// system's roots or not at all.
func SecretNames(spec v1alpha1.ManagerSpec) (credentials, authority string) {
	attach := spec.Attach
	switch {
	case attach == nil:
		return naming.SecretAPI, naming.SecretAPITLS
	case attach.APICredentialsSecret == "":
		return naming.SecretAPI, attach.APICASecret
	}
	return attach.APICredentialsSecret, attach.APICASecret
}

// PodLabels select the manager's pods in the tenant's namespace.
func PodLabels(spec v1alpha1.ManagerSpec) map[string]string {
	if spec.Attach != nil {
		return spec.Attach.Selector
	}
	return map[string]string{naming.LabelName: naming.PodName, naming.LabelComponent: naming.PodComponent}
}

// PodReady is true for a pod that can be asked: ready, and not on its way out.
func PodReady(pod corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue && pod.DeletionTimestamp == nil
		}
	}
	return false
}
