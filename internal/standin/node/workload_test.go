package node

import "testing"

func TestVersionOf(t *testing.T) {
	for image, want := range map[string]string{
		"wazuh/wazuh-manager:4.3.11": "v4.3.11", "registry:5000/wazuh/wazuh-manager:5.0.0-rc1": "v5.0.0", "wazuh-manager:v4.14.7@sha256:0123": "v4.14.7",
		"wazuh/wazuh-manager": "", "registry:5000/wazuh-manager": "", "wazuh-manager:latest": "", "1.2.3.4:5000/wazuh-manager": "",
	} {
		if got := versionOf(image); got != want {
			t.Errorf("%s is %q, want %q", image, got, want)
		}
	}
}
