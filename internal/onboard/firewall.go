package onboard

// Firewall is what the customer's firewall must allow.
type Firewall struct {
	Rows []FirewallRow `json:"rows"`
	// Remarks hold for all rows.
	Remarks []string `json:"remarks"`
}

// FirewallRow is one rule.
type FirewallRow struct {
	Direction string `json:"direction"`
	Protocol  string `json:"protocol"`
	// Destination by name, and the addresses behind it where they are known.
	Destination string   `json:"destination"`
	Addresses   []string `json:"addresses,omitempty"`
	Port        int32    `json:"port"`
	Purpose     string   `json:"purpose"`
}

const packageHost = "packages.wazuh.com"

func firewall(sheet Sheet) Firewall {
	var rows []FirewallRow
	for _, port := range sheet.Ports {
		rows = append(rows, FirewallRow{
			Direction: "outbound", Protocol: "TCP",
			Destination: sheet.Hostname, Addresses: sheet.Addresses,
			Port: port.Port, Purpose: port.Purpose,
		})
	}
	rows = append(rows, FirewallRow{
		Direction: "outbound", Protocol: "TCP", Destination: packageHost,
		Port: 443, Purpose: "download of the agent; not needed with a mirror of your own",
	})
	return Firewall{Rows: rows, Remarks: []string{
		"nothing inbound: agents open every connection themselves",
		"no TLS inspection on these ports: the agent checks who signed the enrollment certificate, and the events are not TLS",
		"idle connections may be closed after 30 minutes, not sooner",
	}}
}
