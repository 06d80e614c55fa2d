package plan

import (
	"testing"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
)

// Only a gateway reads a PROXY header, and only on the enrollment port: a Wazuh
// daemon that got one would refuse every agent.
func TestOnlyAGatewayIsToldAddresses(t *testing.T) {
	slot := int32(3)
	place := Placement{Region: "eu", Major: 4, Agents: 4, Mode: v1alpha1.ModeEdgeHAProxy, Slot: &slot, EdgePorts: &v1alpha1.EdgePorts{Events: 15146, Enrollment: 15147}}
	in := Input{Observed: Observed{Service: ServiceState{ClusterIP: "10.96.0.7"}}}
	for _, gateway := range []bool{false, true} {
		place.Gateway = gateway
		spec := route(in, place)
		if len(spec.Ports) != 2 {
			t.Fatalf("%d ports, want both", len(spec.Ports))
		}
		for _, port := range spec.Ports {
			if want := gateway && port.Name == "enrollment"; port.ProxyProtocol != want {
				t.Errorf("gateway %v: PROXY header on %s is %v", gateway, port.Name, port.ProxyProtocol)
			}
		}
	}
}
