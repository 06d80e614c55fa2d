package naming

// Port is one of the ports a manager offers. Ports are a named list rather than
// a pair of fields: Wazuh 5 adds "https" (1517), and adding it changes no type.
type Port struct {
	// Name is the port's name in Services, specs, routes and firewall rows.
	Name string
	// Number is the port the manager itself listens on.
	Number int32
	// Agents is true where agents connect, false for the API.
	Agents bool
}

// Names of the manager's ports.
const (
	PortEvents     = "events"
	PortEnrollment = "enrollment"
	PortAPI        = "api"
)

// ManagerPorts lists the ports of a Wazuh 4.x manager, agents' ports first.
func ManagerPorts() []Port {
	return []Port{
		{Name: PortEvents, Number: 1514, Agents: true},
		{Name: PortEnrollment, Number: 1515, Agents: true},
		{Name: PortAPI, Number: 55000},
	}
}

// AgentPorts is the part of [ManagerPorts] that agents use.
func AgentPorts() []Port {
	var ports []Port
	for _, port := range ManagerPorts() {
		if port.Agents {
			ports = append(ports, port)
		}
	}
	return ports
}

// PortNumber looks a port up by its name; it is 0 for an unknown name.
func PortNumber(name string) int32 {
	for _, port := range ManagerPorts() {
		if port.Name == name {
			return port.Number
		}
	}
	return 0
}
