package network

import "testing"

func TestSplitServiceName(t *testing.T) {
	for host, want := range map[string][2]string{
		"wazuh-manager-api.tenant-acme.svc":                {"wazuh-manager-api", "tenant-acme"},
		"wazuh-manager-api.tenant-acme.svc.cluster.local":  {"wazuh-manager-api", "tenant-acme"},
		"Wazuh-Manager-API.tenant-acme.svc.cluster.local.": {"wazuh-manager-api", "tenant-acme"},
		"wazuh-manager-api.tenant-acme":                    {},
		"wazuh-manager-api":                                {},
		"a.b.c.svc":                                        {},
		".tenant-acme.svc":                                 {},
		"acme.soc.example.com":                             {},
	} {
		name, namespace, ok := splitServiceName(host)
		if ok != (want[0] != "") || ok && [2]string{name, namespace} != want {
			t.Errorf("%q: %q, %q, %v; want %q", host, name, namespace, ok, want)
		}
	}
}
