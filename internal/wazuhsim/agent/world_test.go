package agent_test

import (
	"crypto/tls"
	"net/http"
	"testing"

	"github.com/soctalk/soctalk-ingress/internal/wazuh"
	"github.com/soctalk/soctalk-ingress/internal/wazuhsim/manager"
)

func apiOf(t *testing.T, m *manager.Manager) *wazuh.API {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(transport.CloseIdleConnections)
	api, err := wazuh.NewAPI(wazuh.APIOptions{
		URL: "https://" + m.Addresses().API, User: "wazuh", Password: wazuh.NewSecret("wazuh"),
		HTTP: &http.Client{Transport: transport},
	})
	if err != nil {
		t.Fatal(err)
	}
	return api
}

// active counts without the API, which would run into its limit of requests.
func active(w *world) int {
	n := 0
	for _, a := range w.m.Agents() {
		if a["status"] == wazuh.StatusActive {
			n++
		}
	}
	return n
}

// restartAll drops every connection, as PUT /manager/restart does.
func (w *world) restartAll() {
	w.Helper()
	if err := w.m.Restart(); err != nil {
		w.Fatal(err)
	}
}
