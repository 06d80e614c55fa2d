package v1alpha1

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// EdgePorts are one tenant's ports on the Region's edge address.
// +kubebuilder:validation:XValidation:rule="self.events != self.enrollment",message="edgePorts.events and edgePorts.enrollment must be two different ports, such as 15140 and 15141"
// +kubebuilder:validation:XValidation:rule="!has(self.https) || (self.https != self.events && self.https != self.enrollment)",message="edgePorts.https must be a port of its own, such as 25139"
type EdgePorts struct {
	// Events is the public port in front of 1514.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Events int32 `json:"events"`
	// Enrollment is the public port in front of 1515.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Enrollment int32 `json:"enrollment"`
	// HTTPS is the public port in front of 1517, which agents of Wazuh 5 use. Only
	// tenants that let those in have one, beside their pair.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	// +optional
	HTTPS int32 `json:"https,omitempty"`
}

// All are the ports that are set, the pair first.
func (p EdgePorts) All() []int32 {
	ports := []int32{p.Events, p.Enrollment}
	if p.HTTPS != 0 {
		ports = append(ports, p.HTTPS)
	}
	return ports
}

// String writes the ports as people do: 15140/15141.
func (p EdgePorts) String() string {
	text := fmt.Sprintf("%d/%d", p.Events, p.Enrollment)
	if p.HTTPS != 0 {
		text += fmt.Sprintf("/%d", p.HTTPS)
	}
	return text
}

// ParseEdgePorts reads what String writes, EVENTS/ENROLLMENT or with Wazuh 5
// EVENTS/ENROLLMENT/HTTPS; an empty text is no pair.
func ParseEdgePorts(text string) (*EdgePorts, error) {
	if text == "" {
		return nil, nil
	}
	var ports [3]int32
	parts := strings.Split(text, "/")
	ok := len(parts) == 2 || len(parts) == 3
	for i, part := range parts {
		number, err := strconv.ParseUint(part, 10, 16)
		if ok = ok && err == nil; ok {
			ports[i] = int32(number)
		}
	}
	if !ok {
		return nil, errors.New("write two ports as EVENTS/ENROLLMENT, such as 15140/15141")
	}
	return &EdgePorts{Events: ports[0], Enrollment: ports[1], HTTPS: ports[2]}, nil
}
