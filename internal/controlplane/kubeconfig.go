package controlplane

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"strings"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// contextName is what "kubectl config get-contexts" shows.
const contextName = "soctalk-ingress-loopback"

// writeKubeconfigs makes the administrator's file and the controllers' one.
// clientcmd writes both with mode 0600.
func (c *ControlPlane) writeKubeconfigs() error {
	files := map[string]*clientcmdapi.AuthInfo{
		c.layout.kubeconfig(): {Token: c.token},
		c.layout.controllersKubeconfig(): {
			ClientCertificate: c.layout.pki.path("controller-manager.crt"),
			ClientKey:         c.layout.pki.path("controller-manager.key"),
		},
	}
	for path, user := range files {
		if err := c.writeKubeconfig(path, user); err != nil {
			return err
		}
	}
	return nil
}

func (c *ControlPlane) writeKubeconfig(path string, user *clientcmdapi.AuthInfo) error {
	config := clientcmdapi.Config{
		Clusters: map[string]*clientcmdapi.Cluster{contextName: {
			Server: c.url, CertificateAuthorityData: c.layout.pki.caPEM}},
		AuthInfos: map[string]*clientcmdapi.AuthInfo{contextName: user},
		Contexts: map[string]*clientcmdapi.Context{contextName: {
			Cluster: contextName, AuthInfo: contextName}},
		CurrentContext: contextName,
	}
	if err := clientcmd.WriteToFile(config, path); err != nil {
		return fmt.Errorf("kubeconfig %q: %w", path, err)
	}
	return nil
}

// KubeconfigOf writes a file that makes its reader a user of the cluster, such as a
// node, and returns its path.
func (c *ControlPlane) KubeconfigOf(user string, groups ...string) (string, error) {
	name := strings.NewReplacer(":", "-", "/", "-").Replace(user)
	if err := c.layout.pki.issue(name, &x509.Certificate{Subject: pkix.Name{CommonName: user, Organization: groups},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		return "", err
	}
	path := c.layout.pki.path(name + ".kubeconfig")
	return path, c.writeKubeconfig(path, &clientcmdapi.AuthInfo{
		ClientCertificate: c.layout.pki.path(name + ".crt"), ClientKey: c.layout.pki.path(name + ".key")})
}

// CA is the file with the cluster's authority, by which nodes judge the API server.
func (c *ControlPlane) CA() string { return c.layout.pki.path("ca.crt") }
