package controlplane

import (
	"fmt"
	"os"
)

// NoIssuers is an AuthenticationConfiguration that trusts nobody yet.
const NoIssuers = `apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
jwt: []
`

// SetAuthentication changes whose tokens the API server takes. It reads the file again
// by itself, within a minute; for how long the old one holds, nobody says.
func (c *ControlPlane) SetAuthentication(configuration string) error {
	if c.options.Authentication == "" {
		return fmt.Errorf("the API server was started without Options.Authentication, and reads no file")
	}
	// Whole or not at all: the API server reads it at any moment.
	next := c.layout.authentication() + ".next"
	if err := os.WriteFile(next, []byte(configuration), 0o600); err != nil {
		return err
	}
	return os.Rename(next, c.layout.authentication())
}
