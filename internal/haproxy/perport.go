package haproxy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
)

// Formats of [RenderFor].
func Formats() []string { return []string{"own", "haproxy", "nginx", "envoy"} }

// RenderFor writes the edge's configuration for somebody who runs a proxy of
// their own: "own" is ours without the maps; the others name every port, so they
// are complete by themselves and need a reload for every change.
func RenderFor(format string, config Config, routes []Route) ([]byte, error) {
	for _, route := range routes {
		if err := route.Check(config, nil); err != nil {
			return nil, fmt.Errorf("route %q: %w", route.Tenant, err)
		}
	}
	binds := config.Binds()
	switch format {
	case "own":
		return Render(config, routes)
	case "haproxy":
		return perPortHAProxy(binds, routes), nil
	case "nginx":
		return perPortNginx(binds, routes), nil
	case "envoy":
		return perPortEnvoy(binds, routes)
	}
	return nil, fmt.Errorf("format %q: use one of %s", format, strings.Join(Formats(), ", "))
}

// eachPort walks the ports of all tenants that are served, in the routes' order.
func eachPort(routes []Route, visit func(route Route, port Port, name string)) {
	for _, route := range routes {
		if route.Suspended {
			continue
		}
		route = route.WithDefaults()
		for _, port := range route.Ports {
			short := map[string]string{PortEvents: "events", PortEnrollment: "enroll", PortHTTPS: "https"}[port.Name]
			visit(route, port, "tenant-"+route.Tenant+"-"+short)
		}
	}
}

// perPortHAProxy is one frontend and one backend per port.
func perPortHAProxy(binds []netip.Addr, routes []Route) []byte {
	var out, backends bytes.Buffer
	out.WriteString(`# One frontend per tenant port; the port alone decides. Reload after a change,
# without hard-stop-after: the old process serves its agents until they leave.
defaults
    mode tcp
    option clitcpka
    option srvtcpka
    timeout connect 5s
    timeout client 30m
    timeout server 30m
    timeout client-fin 30s
    timeout server-fin 30s
    timeout queue 50s
`)
	eachPort(routes, func(route Route, port Port, name string) {
		fmt.Fprintf(&out, "\nfrontend wazuh-%d\n", port.Public)
		for _, bind := range binds {
			v6only := ""
			if bind.Is6() {
				v6only = " v6only"
			}
			fmt.Fprintf(&out, "    bind %s:%d%s\n", bindText(bind), port.Public, v6only)
		}
		if len(route.Allowed) > 0 {
			fmt.Fprintf(&out, "    tcp-request connection reject unless { src %s }\n", joined(route.Allowed, " "))
		}
		fmt.Fprintf(&out, "    maxconn %d\n    default_backend %s\n", port.Limits.Sessions, name)
		options := ""
		switch {
		case port.Proxy: // a gateway has agents wait for one another by itself
			options = " send-proxy-v2"
		case port.Name == PortEnrollment:
			options = " maxconn 1"
		}
		fmt.Fprintf(&backends, "\nbackend %s\n", name)
		switch {
		case port.Proxy:
			backends.WriteString("    timeout server 70s\n")
		case port.Name == PortEnrollment:
			backends.WriteString("    timeout server 10s\n")
		}
		fmt.Fprintf(&backends, "    server wazuh %s%s\n", port.Target, options)
	})
	return append(out.Bytes(), backends.Bytes()...)
}

// perPortNginx is the stream block of an nginx.conf.
func perPortNginx(binds []netip.Addr, routes []Route) []byte {
	var out bytes.Buffer
	out.WriteString("# Include this at the top level of nginx.conf, beside http {}. It needs the stream module.\nstream {\n    proxy_connect_timeout 5s;\n    proxy_socket_keepalive on;\n")
	eachPort(routes, func(route Route, port Port, name string) {
		fmt.Fprintf(&out, "\n    server { # %s\n", name)
		for _, bind := range binds {
			v6only := ""
			if bind.Is6() {
				v6only = " ipv6only=on"
			}
			fmt.Fprintf(&out, "        listen %s:%d%s so_keepalive=30s:10s:3;\n", bindText(bind), port.Public, v6only)
		}
		for _, network := range route.Allowed {
			fmt.Fprintf(&out, "        allow %s;\n", network)
		}
		if len(route.Allowed) > 0 {
			out.WriteString("        deny all;\n")
		}
		timeout := "30m"
		if port.Name == PortEnrollment {
			timeout = "60s"
		}
		fmt.Fprintf(&out, "        proxy_timeout %s;\n", timeout)
		if port.Proxy {
			out.WriteString("        proxy_protocol on; # nginx writes version 1\n")
		}
		fmt.Fprintf(&out, "        proxy_pass %s;\n    }\n", port.Target)
	})
	out.WriteString("}\n")
	return out.Bytes()
}

// object is JSON, which Envoy reads as YAML.
type object = map[string]any

// perPortEnvoy is a static Envoy bootstrap.
func perPortEnvoy(binds []netip.Addr, routes []Route) ([]byte, error) {
	const extension = "type.googleapis.com/envoy.extensions."
	listeners, clusters := []object{}, []object{}
	address := func(ip netip.Addr, port int32) object {
		return object{"socket_address": object{"address": ip.String(), "port_value": port}}
	}
	eachPort(routes, func(route Route, port Port, name string) {
		idle := "1800s"
		if port.Name == PortEnrollment {
			idle = "60s"
		}
		chain := object{"filters": []object{{
			"name":         "envoy.filters.network.tcp_proxy",
			"typed_config": object{"@type": extension + "filters.network.tcp_proxy.v3.TcpProxy", "stat_prefix": name, "cluster": name, "idle_timeout": idle},
		}}}
		if len(route.Allowed) > 0 {
			ranges := []object{}
			for _, network := range route.Allowed {
				ranges = append(ranges, object{"address_prefix": network.Addr().String(), "prefix_len": network.Bits()})
			}
			chain["filter_chain_match"] = object{"source_prefix_ranges": ranges}
		}
		for i, bind := range binds {
			listeners = append(listeners, object{
				"name": fmt.Sprintf("wazuh-%d-%d", port.Public, i), "address": address(bind, port.Public), "filter_chains": []object{chain},
			})
		}
		cluster := object{
			"name": name, "type": "STATIC", "connect_timeout": "5s",
			"upstream_connection_options": object{"tcp_keepalive": object{"keepalive_probes": 3, "keepalive_time": 30, "keepalive_interval": 10}},
			"load_assignment": object{"cluster_name": name, "endpoints": []object{{"lb_endpoints": []object{{
				"endpoint": object{"address": address(port.Target.Addr(), int32(port.Target.Port()))},
			}}}}},
		}
		if port.Proxy {
			cluster["transport_socket"] = object{"name": "envoy.transport_sockets.upstream_proxy_protocol", "typed_config": object{
				"@type":            extension + "transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport",
				"config":           object{"version": "V2"},
				"transport_socket": object{"name": "envoy.transport_sockets.raw_buffer", "typed_config": object{"@type": extension + "transport_sockets.raw_buffer.v3.RawBuffer"}},
			}}
		}
		clusters = append(clusters, cluster)
	})
	out, err := json.MarshalIndent(object{"static_resources": object{"listeners": listeners, "clusters": clusters}}, "", "  ")
	return append(out, '\n'), err
}

func joined(networks []netip.Prefix, separator string) string {
	texts := make([]string, len(networks))
	for i, network := range networks {
		texts[i] = network.String()
	}
	return strings.Join(texts, separator)
}
