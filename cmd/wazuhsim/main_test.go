package main

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/soctalk/soctalk-ingress/internal/wazuhsim/manager"
	"github.com/spf13/cobra"
)

// Nobody must be able to run a simulator by mistake.
func TestRefusesWithoutTestOnly(t *testing.T) {
	for _, args := range [][]string{
		{"manager", "--root", t.TempDir()},
		{"agent", "--name", "web-01", "--enroll", "127.0.0.1:1", "--events", "127.0.0.1:1", "--once"},
		{"faults"},
	} {
		c := command()
		c.SetArgs(args)
		if err := c.Execute(); !errors.Is(err, errTestOnly) {
			t.Errorf("%v: got %v", args, err)
		}
	}
}

// A secret in a flag would be in everybody's list of processes.
func TestNoFlagTakesASecret(t *testing.T) {
	allowed := strings.NewReplacer("--password-file", "", "WAZUH_REGISTRATION_PASSWORD", "")
	for _, c := range command().Commands() {
		for line := range strings.Lines(allowed.Replace(c.Flags().FlagUsages())) {
			flag, _, _ := strings.Cut(strings.TrimSpace(line), " ")
			if strings.Contains(flag, "password") || strings.Contains(flag, "secret") {
				t.Errorf("%s %s", c.Name(), flag)
			}
		}
	}
}

func TestFaultsCommandListsAll(t *testing.T) {
	out := run(t, command(), "faults", "--test-only")
	for f := range manager.Faults() {
		if !strings.Contains(out, string(f)+" ") {
			t.Errorf("%s isn't listed in\n%s", f, out)
		}
	}
}

func run(t *testing.T, c *cobra.Command, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	c.SetOut(&out)
	c.SetErr(io.Discard)
	c.SetArgs(args)
	if err := c.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
