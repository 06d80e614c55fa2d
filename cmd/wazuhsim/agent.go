package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/wazuh"
	"github.com/soctalk/soctalk-ingress/internal/wazuhsim/agent"
	"github.com/spf13/cobra"
)

// passwordVariable is the one the real package reads.
const passwordVariable = "WAZUH_REGISTRATION_PASSWORD"

type agentFlags struct {
	o              agent.Options
	passwordFile   string
	ca             string
	resolver       string
	once, json     bool
	count          int
	parallel       int
	stagger, until time.Duration
}

func agentCommand() *cobra.Command {
	var f agentFlags
	c := &cobra.Command{
		Use:   "agent --name NAME --enroll HOST:PORT --events HOST:PORT",
		Short: "Run a simulated agent, or thousands",
		Long: `Run a simulated agent, or thousands.

It enrolls, connects, sends events and reconnects as a real agent does, until it is interrupted; with
--once it does each once and leaves, with exit status 0 only if the manager has read every event.
The enrollment secret comes from ` + passwordVariable + ` or from a file, never from a flag.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	s := c.Flags()
	s.StringVar(&f.o.Name, "name", "", "name of the agent; with --count, the beginning of each name")
	s.StringVar(&f.o.Group, "group", "", "groups to ask for, separated by commas")
	s.StringVar(&f.o.EnrollAddress, "enroll", "", "host:port of the enrollment port")
	s.StringVar(&f.o.EventsAddress, "events", "", "host:port of the events port")
	s.StringVar(&f.passwordFile, "password-file", "", "file with the enrollment secret; its first line is used (instead of "+passwordVariable+")")
	s.StringVar(&f.ca, "ca", "", "PEM file; verify the manager's certificate and name (agents don't, by default)")
	s.StringVar(&f.resolver, "resolver", "", "name server to ask, host:port (default: the system's)")
	s.StringVar(&f.o.KeyDir, "key-dir", "", "folder that keeps client.keys between runs")
	s.StringVar(&f.o.Version, "agent-version", wazuh.DefaultVersion, "version to claim")
	s.StringVar(&f.o.IP, "agent-ip", "", "address to report to the manager")
	s.StringVar(&f.o.Event, "event", "", "log line to send")
	s.IntVar(&f.o.Count, "event-count", 1, "how often to send it")
	s.DurationVar(&f.o.Every, "event-every", 0, "pause between events, in the agent's time")
	s.StringVar(&f.o.Location, "event-location", "", "file the line pretends to come from (default /var/log/auth.log)")
	s.Float64Var(&f.o.TimeScale, "time-scale", 1, "how much shorter than in a real agent every wait is")
	s.BoolVar(&f.once, "once", false, "enroll, connect, send the events, leave")
	s.BoolVar(&f.json, "json", false, "print every step as a JSON object")
	s.IntVar(&f.count, "count", 1, "number of agents")
	s.IntVar(&f.parallel, "parallel", 1, "enrollments at a time, with --count; a real 4.14 is safe only with 1")
	s.DurationVar(&f.stagger, "stagger", 0, "pause between the starts of two agents, in their time")
	s.DurationVar(&f.until, "for", 0, "stop after this time")
	for _, name := range []string{"name", "enroll", "events"} {
		_ = c.MarkFlagRequired(name)
	}
	return c
}

func (f *agentFlags) run(cmd *cobra.Command) error {
	var err error
	if f.o.Password, err = f.password(); err != nil {
		return err
	}
	if f.o.CA, err = readCA(f.ca); err != nil {
		return err
	}
	if f.resolver != "" {
		f.o.Dial = dialThrough(f.resolver)
	}
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	if f.until > 0 { // not a deadline: connections would run into it before agents can say goodbye
		defer time.AfterFunc(f.until, cancel).Stop()
	}
	if f.count > 1 {
		return f.runFleet(ctx, cmd.OutOrStdout())
	}
	f.o.Report = printer(cmd.OutOrStdout(), f.json)
	a, err := agent.New(f.o)
	if err != nil {
		return err
	}
	if f.once {
		return a.Once(ctx)
	}
	a.Run(ctx)
	return nil
}

func (f *agentFlags) runFleet(ctx context.Context, out io.Writer) error {
	if f.json {
		f.o.Report = printer(out, true)
	}
	sum, err := agent.RunFleet(ctx, agent.FleetOptions{
		Agent: f.o, Agents: f.count, Parallel: f.parallel, Once: f.once, Stagger: f.stagger,
	})
	if err != nil {
		return err
	}
	if err := json.NewEncoder(out).Encode(sum); err != nil {
		return err
	}
	if n := sum.Steps[agent.StepGaveUp]; n > 0 {
		return fmt.Errorf("%d of %d agents gave up", n, sum.Agents)
	}
	return nil
}

func (f *agentFlags) password() (wazuh.Secret, error) {
	if f.passwordFile == "" {
		return wazuh.NewSecret(os.Getenv(passwordVariable)), nil
	}
	text, err := os.ReadFile(f.passwordFile)
	if err != nil {
		return wazuh.Secret{}, fmt.Errorf("enrollment secret: %w", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	if line == "" {
		return wazuh.Secret{}, fmt.Errorf("enrollment secret: the first line of %s is empty", f.passwordFile)
	}
	return wazuh.NewSecret(line), nil
}

// dialThrough asks one name server at every connection, as agents ask theirs.
func dialThrough(server string) wazuh.DialFunc {
	var plain net.Dialer
	dialer := net.Dialer{Resolver: &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return plain.DialContext(ctx, network, server)
	}}}
	return dialer.DialContext
}

func readCA(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("CA: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("CA: " + path + " contains no PEM certificate")
	}
	return pool, nil
}

// printer writes one line a step; fleets call it from many goroutines.
func printer(out io.Writer, asJSON bool) func(agent.Step) {
	var mu sync.Mutex
	return func(s agent.Step) {
		mu.Lock()
		defer mu.Unlock()
		if asJSON {
			_ = json.NewEncoder(out).Encode(s)
			return
		}
		line := s.Step + " " + s.Name
		if s.ID != "" {
			line += " (" + s.ID + ")"
		}
		if s.Reason != "" {
			line += ": " + s.Reason
		}
		fmt.Fprintln(out, line)
	}
}
