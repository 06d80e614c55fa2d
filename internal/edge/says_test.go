package edge

import (
	"strings"
	"testing"

	"github.com/soctalk/soctalk-ingress/internal/haproxy"
)

// Who does not start HAProxy has no file with what it says, and must not name one.
func TestWhereHAProxySpeaks(t *testing.T) {
	own := &process{config: haproxy.Config{Dir: "/var/lib/soctalk-edge"}}
	if got := own.says(); got != "/var/lib/soctalk-edge/"+fileLog {
		t.Errorf("started by us: %q", got)
	}
	external := &process{config: own.config, external: true}
	if got := external.says(); strings.Contains(got, fileLog) || !strings.Contains(got, "kubectl logs") {
		t.Errorf("started by somebody else: %q", got)
	}
}
