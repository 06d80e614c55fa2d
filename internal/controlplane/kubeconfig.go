package controlplane

import (
	"fmt"

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
	}
	return nil
}
