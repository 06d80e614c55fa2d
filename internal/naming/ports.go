package naming

// Port is one of the ports a manager offers.
type Port struct {
	// Name is the port's name in Services, specs, routes and firewall rows.
	Name string
	// Number is the port the manager itself listens on.
	Number int32
	// Agents is true where agents connect, false for the API.
	Agents bool
	// Since is the major version of Wazuh that brought the port.
	Since int
}

// Names of the manager's ports.
const (
	PortEvents     = "events"
	PortEnrollment = "enrollment"
	// PortHTTPS is where agents of Wazuh 5 enroll and report.
	PortHTTPS = "https"
	PortAPI   = "api"
)

// allPorts are in the order in which they are shown.
var allPorts = []Port{
	{Name: PortEvents, Number: 1514, Agents: true, Since: 4},
	{Name: PortEnrollment, Number: 1515, Agents: true, Since: 4},
	{Name: PortHTTPS, Number: 1517, Agents: true, Since: 5},
	{Name: PortAPI, Number: 55000, Since: 4},
}

// ManagerPorts lists the ports of a manager of that major version, agents' ports first.
func ManagerPorts(major int) []Port {
	var ports []Port
	for _, port := range allPorts {
		if port.Since <= major {
			ports = append(ports, port)
		}
	}
	return ports
}

// AgentPorts is the part of [ManagerPorts] that agents use.
func AgentPorts(major int) []Port {
	var ports []Port
	for _, port := range ManagerPorts(major) {
		if port.Agents {
			ports = append(ports, port)
		}
	}
	return ports
}

// PortNumber looks a port up by its name; it is 0 for an unknown name.
func PortNumber(name string) int32 {
	for _, port := range allPorts {
		if port.Name == name {
			return port.Number
		}
	}
	return 0
}

// Ports of the gateway in front of a manager, and authd's behind it. Agents reach
// none of them.
const (
	PortGatewayAdmin   = 9515
	PortGatewayMetrics = 9516
	PortAuthdInternal  = 11515
)
