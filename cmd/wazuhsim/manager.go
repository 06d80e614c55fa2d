package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/soctalk/soctalk-ingress/internal/wazuh"
	"github.com/soctalk/soctalk-ingress/internal/wazuhsim/manager"
	"github.com/spf13/cobra"
)

func managerCommand() *cobra.Command {
	o := manager.Options{}
	var scale float64
	var race, verbose bool
	c := &cobra.Command{
		Use:   "manager --root DIR",
		Short: "Run a simulated manager from a folder laid out like the container's /",
		Long: `Run a simulated manager from a folder laid out like the container's /.

It reads DIR/var/ossec/etc/ossec.conf (of Wazuh 5 DIR/var/wazuh-manager/etc/wazuh-manager.conf),
authd.pass and the certificate as the real daemons do, and prints one JSON line with its addresses
when it is ready. API_USERNAME and API_PASSWORD (of Wazuh 5 WAZUH_MANAGER_API_PASSWORD) set the API
user, as in the image. SIGHUP restarts authd, which reads its certificate and password again.

The control port answers HTTP: GET /state, /agents, /alerts?q=TEXT and /faults; POST or DELETE
/faults/NAME; POST /restart?daemon=authd (or all).`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Now = scaledClock(time.Now(), scale)
			o.APIUser, o.APIPassword = os.Getenv("API_USERNAME"), wazuh.NewSecret(os.Getenv("API_PASSWORD"))
			if password := os.Getenv("WAZUH_MANAGER_API_PASSWORD"); o.APIUser == "" && password != "" {
				o.APIUser, o.APIPassword = "wazuh", wazuh.NewSecret(password) // the image of Wazuh 5
			}
			level := slog.LevelInfo
			if verbose {
				level = slog.LevelDebug
			}
			o.Log = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: level}))
			if race {
				o.Faults = append(o.Faults, string(manager.FaultRace))
			}
			return runManager(cmd, o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.Root, "root", "", "folder that stands for the container's /")
	f.StringVar(&o.Hostname, "hostname", cmp.Or(os.Getenv("HOSTNAME"), "wazuh-manager"), "manager.name in alerts; no agent may have it")
	f.StringVar(&o.Version, "version-of", wazuh.DefaultVersion, "version to pretend")
	f.StringVar(&o.Listen, "listen", "127.0.0.1", "IP to listen on")
	f.IntVar(&o.EventsPort, "events-port", manager.FromConfig, "events port; 0 is any free one, -1 the one in ossec.conf (1514)")
	f.IntVar(&o.EnrollPort, "enroll-port", manager.FromConfig, "enrollment port; 0 is any free one, -1 the one in ossec.conf (1515)")
	f.IntVar(&o.APIPort, "api-port", manager.FromConfig, "API port; 0 is any free one, -1 is 55000")
	f.IntVar(&o.ControlPort, "control-port", 0, "control port, always on 127.0.0.1; 0 is any free one")
	f.StringSliceVar(&o.Faults, "fault", nil, "fault to begin with (see: wazuhsim faults); may be repeated")
	f.BoolVar(&race, "race", false, "damage the agent database on concurrent enrollments, as 4.14 does")
	f.DurationVar(&o.KeyReload, "key-reload", 10*time.Second, "how often remoted looks at client.keys; less than 0 is at once")
	f.DurationVar(&o.StateInterval, "state-interval", 5*time.Second, "how often remoted counts its connections")
	f.Float64Var(&scale, "time-scale", 1, "how much faster than real time the manager's clock runs")
	f.BoolVar(&verbose, "verbose", false, "log every closed connection and why")
	_ = c.MarkFlagRequired("root")
	return c
}

func runManager(cmd *cobra.Command, o manager.Options) error {
	m, err := manager.Start(o)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(cmd.OutOrStdout()).Encode(m.Addresses()); err != nil {
		return err
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-hangup:
			if err := m.RestartAuthd(); err != nil {
				o.Log.Error("restart", "error", err)
			}
		case <-cmd.Context().Done():
			return m.Close()
		}
	}
}

// scaledClock runs faster (or slower) than real time from begin on.
func scaledClock(begin time.Time, scale float64) func() time.Time {
	return func() time.Time {
		return begin.Add(time.Duration(float64(time.Since(begin)) * scale))
	}
}

func faultsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "faults",
		Short: "List the faults a simulated manager can have",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 8, 2, ' ', 0)
			table := manager.Faults()
			for _, f := range slices.Sorted(maps.Keys(table)) {
				fmt.Fprintf(w, "%s\t%s\n", f, table[f])
			}
			return w.Flush()
		},
	}
}
