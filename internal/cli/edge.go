package cli

import (
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/soctalk/soctalk-ingress/internal/edge"
	"github.com/soctalk/soctalk-ingress/internal/haproxy"
)

// edgeDir is where an edge keeps its files unless told otherwise.
const edgeDir = "/var/lib/soctalk-edge"

// newEdgeCommand holds what runs on the machine of mode edge-haproxy.
func newEdgeCommand(s *session) *cobra.Command {
	return group(&cobra.Command{
		Use:   "edge",
		Short: "run and look at the shared address of mode edge-haproxy",
		Long: "One HAProxy carries all tenants of a Region, each at its own pair of ports. Adding,\n" +
			"changing, suspending or removing a tenant never reloads it.",
	}, newEdgeRunCommand(s), newEdgeStatusCommand(s), newEdgeAgentsCommand(s), newEdgeRenderCommand(s), newEdgeReloadCommand(), newEdgeForgetCommand(s), newEdgeSourcesCommand(s))
}

// edgeConfigFlags are the static configuration, for run and render.
type edgeConfigFlags struct {
	config    haproxy.Config
	addresses []string
	ports     string
}

func (f *edgeConfigFlags) add(command *cobra.Command) {
	set := command.Flags()
	set.StringVar(&f.config.Dir, "dir", edgeDir, "folder of the configuration, the maps and the sockets")
	set.StringSliceVar(&f.addresses, "address", nil, "address to listen on; repeat for more (default every address of the machine)")
	set.StringVar(&f.ports, "ports", "15140-25139", "range of ports, as the Region's spec.edge.ports")
	set.IntVar(&f.config.MaxFiles, "max-files", 0, "open files HAProxy may have (default the limit of this process)")
	set.IntVar(&f.config.Threads, "threads", 0, "threads of HAProxy (default one per processor)")
	set.StringVar(&f.config.User, "haproxy-user", "", "user HAProxy works as, when it is started as root")
	set.StringVar(&f.config.Group, "haproxy-group", "", "group HAProxy works as, when it is started as root")
	set.StringVar(&f.config.Chroot, "haproxy-chroot", "", "folder HAProxy locks itself into, when it is started as root")
	set.IntVar(&f.config.EnrollmentsAtOnce, "enrollments-at-once", 1, "enrollments a tenant's manager handles at once; managers of 4.14 stand one")
	set.BoolVar(&f.config.Transparent, "transparent", false, "show managers the agents' addresses; they must route back through this machine")
	set.DurationVar(&f.config.Timeouts.Idle, "idle-timeout", 30*time.Minute, "how long an events session may be silent")
	set.DurationVar(&f.config.Timeouts.First, "first-timeout", 10*time.Second, "how long a client may take to say its first bytes")
}

// someMachine is the limit of open files for which a configuration is printed.
const someMachine = 65536

// thisMachine is the limit of open files HAProxy can have here.
func thisMachine() (int, error) {
	var limit syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	return int(min(limit.Max, 1<<20)), err
}

// read turns the flags into a configuration that HAProxy will accept.
func (f *edgeConfigFlags) read(maxFiles int) (haproxy.Config, error) {
	config := f.config
	first, last, ok := strings.Cut(f.ports, "-")
	from, errFirst := strconv.ParseInt(first, 10, 32)
	to, errLast := strconv.ParseInt(last, 10, 32)
	if !ok || errFirst != nil || errLast != nil {
		return config, usageError("--ports: %q: use FIRST-LAST, such as 15140-25139", f.ports)
	}
	config.First, config.Last = int32(from), int32(to)
	addresses, err := parseAddresses("--address", f.addresses)
	if err != nil {
		return config, err
	}
	config.Addresses = addresses
	if config.MaxFiles == 0 {
		config.MaxFiles = maxFiles
	}
	if err := config.WithDefaults().Check(); err != nil {
		return config, asUsage(err)
	}
	return config, nil
}

func parseAddresses(flag string, texts []string) ([]netip.Addr, error) {
	var addresses []netip.Addr
	for _, text := range texts {
		address, err := netip.ParseAddr(text)
		if err != nil {
			return nil, usageError("%s: %q is no IP address", flag, text)
		}
		addresses = append(addresses, address)
	}
	return addresses, nil
}

func newEdgeRenderCommand(s *session) *cobra.Command {
	var flags edgeConfigFlags
	var format, routes, region string
	command := &cobra.Command{
		Use:   "render --routes FILE --format FORMAT",
		Short: "print the configuration for this proxy, or for one of your own",
		Long: "Print a proxy's configuration for the Routes in a file. Format haproxy is one frontend per\n" +
			"tenant port; nginx is a stream block, envoy a static bootstrap. These name every tenant and\n" +
			"need a reload for each change. Format own is the static file edge run uses, which names none.",
		Example: "  kubectl get routes.ingress.soctalk.io -o yaml > routes.yaml\n" +
			"  soctalk-ingress edge render --routes routes.yaml --format nginx",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	flags.add(command)
	command.Flags().StringVar(&format, "format", "haproxy", "one of "+strings.Join(haproxy.Formats(), ", "))
	command.Flags().StringVar(&routes, "routes", "", "file with Routes, as kubectl get routes.ingress.soctalk.io -o yaml writes it")
	command.Flags().StringVar(&region, "region", "", "leave out routes of other Regions")
	command.RunE = func(*cobra.Command, []string) error {
		config, err := flags.read(someMachine)
		if err != nil {
			return err
		}
		models, err := routesOf(routes, region, config)
		if err != nil {
			return err
		}
		text, err := haproxy.RenderFor(format, config, models)
		if err != nil {
			return hinted(exitRefused, err, "correct the Route, or its Tenant, and try again")
		}
		_, err = s.streams.Out.Write(text)
		return err
	}
	return command
}

// routesOf reads the routes of a file; without one there are none.
func routesOf(file, region string, config haproxy.Config) ([]haproxy.Route, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, usageError("--routes: %w", err)
	}
	routes, err := edge.ReadRoutes(text, region)
	if err != nil {
		return nil, hinted(exitRefused, fmt.Errorf("%q: %w", file, err), "kubectl get routes.ingress.soctalk.io -o yaml writes such a file")
	}
	update := edge.UpdateFrom(routes)
	models, refused := haproxy.CheckAll(update.Routes, config, config.Addresses)
	for _, more := range []map[string]error{update.Refused, refused} {
		for slug, err := range more {
			return nil, hinted(exitRefused, fmt.Errorf("route %q: %w", slug, err), "correct the Route, or its Tenant, and try again")
		}
	}
	return models, nil
}

func newEdgeReloadCommand() *cobra.Command {
	var dir string
	command := &cobra.Command{
		Use:   "reload",
		Short: "hand the sockets over to a new HAProxy, after its program was upgraded",
		Long: "Have HAProxy start its program anew and hand the listening sockets over. Sessions stay in\n" +
			"the old worker until they end. No change of a tenant needs this.",
		Example: "  # after HAProxy's package was upgraded, on the edge's machine\n" +
			"  soctalk-ingress edge reload",
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(command *cobra.Command, _ []string) error { return edge.Reload(command.Context(), dir) },
	}
	command.Flags().StringVar(&dir, "dir", edgeDir, "folder of the edge")
	return command
}
