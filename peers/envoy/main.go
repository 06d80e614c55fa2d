// Command envoy judges a bootstrap for Envoy, given on its standard input, by the
// types Envoy publishes: the strictest judge there is where Envoy itself, which no
// distribution packages and no Go module builds, is not to be had.
//
// It is a module of its own because its types bring the protocols of half of gRPC
// with them, and the product, which prints a bootstrap and never reads one, must
// not inherit their pins.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	bootstrap "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	tcpproxy "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/proxy_protocol/v3" // extensions a bootstrap may name
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/raw_buffer/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protopath"
	"google.golang.org/protobuf/reflect/protorange"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

func main() {
	text, err := io.ReadAll(os.Stdin)
	if err == nil {
		err = judge(text)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// judge reads a bootstrap as Envoy does: a field it does not know, a value of the
// wrong kind and an extension it does not have are errors. Then every message, those
// inside extensions too, is held against the rules Envoy's API declares, no field may
// be deprecated, and what is named must be there, once.
func judge(text []byte) error {
	read := &bootstrap.Bootstrap{}
	if err := protojson.Unmarshal(text, read); err != nil {
		return err
	}
	var found []error
	used, err := walk(read, func(err error) { found = append(found, err) })
	return errors.Join(append(found, err, references(read, used))...)
}

// walk visits everything, extensions included, and returns the clusters that are
// named on the way.
func walk(read *bootstrap.Bootstrap, refuse func(error)) (used []string, err error) {
	err = protorange.Range(read.ProtoReflect(), func(path protopath.Values) error {
		last := path.Index(-1)
		switch last.Step.Kind() {
		case protopath.FieldAccessStep:
			if options, ok := last.Step.FieldDescriptor().Options().(*descriptorpb.FieldOptions); ok && options.GetDeprecated() {
				refuse(fmt.Errorf("%s: Envoy has deprecated this field", path.Path))
			}
		case protopath.RootStep, protopath.AnyExpandStep: // each of them checks what is within
			message, ok := last.Value.Interface().(protoreflect.Message)
			if !ok {
				return fmt.Errorf("%s is no message", path.Path)
			}
			if err := validate(message.Interface()); err != nil {
				refuse(fmt.Errorf("%s: %w", path.Path, err))
			}
			if filter, ok := message.Interface().(*tcpproxy.TcpProxy); ok {
				used = append(used, filter.GetCluster())
			}
		}
		return nil
	})
	return used, err
}

// validate asks a message's own rules, which are generated beside its type.
func validate(message proto.Message) error {
	judged, ok := message.(interface{ ValidateAll() error })
	if !ok {
		return fmt.Errorf("%T declares no rules", message)
	}
	return judged.ValidateAll()
}

// references finds what is named and not there, and what is there twice.
func references(read *bootstrap.Bootstrap, used []string) error {
	var found []error
	clusters, listeners, addresses := map[string]bool{}, map[string]bool{}, map[string]bool{}
	once := func(kind, name string, known map[string]bool) {
		if known[name] {
			found = append(found, fmt.Errorf("%s %q is there twice", kind, name))
		}
		known[name] = true
	}
	for _, cluster := range read.GetStaticResources().GetClusters() {
		once("cluster", cluster.GetName(), clusters)
		if assigned := cluster.GetLoadAssignment().GetClusterName(); assigned != cluster.GetName() {
			found = append(found, fmt.Errorf("cluster %q has the endpoints of %q", cluster.GetName(), assigned))
		}
	}
	for _, listener := range read.GetStaticResources().GetListeners() {
		once("listener", listener.GetName(), listeners)
		socket := listener.GetAddress().GetSocketAddress()
		once("address", fmt.Sprintf("%s port %d", socket.GetAddress(), socket.GetPortValue()), addresses)
	}
	for _, name := range used {
		if !clusters[name] {
			found = append(found, fmt.Errorf("cluster %q is named by a filter, and not there", name))
		}
	}
	return errors.Join(found...)
}
