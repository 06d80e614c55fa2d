package edge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/haproxy"
)

// Update is what a source wants served: the whole of it, unless it says that it
// is a part.
type Update struct {
	Routes []haproxy.Route
	// Partial updates tell of those that changed since the last one, and of those
	// that are Gone. Of everybody else nothing is said.
	Partial bool
	Gone    []string
	// Refused are tenants whose route could not be read, with the reason.
	Refused map[string]error
	// Hashes of the specs, by tenant, for the report.
	Hashes map[string]string
}

// Source is where routes come from.
type Source interface {
	// Watch sends what is wanted, now and at every change, until the context
	// ends. It sends nothing as long as it does not know: silence keeps what is.
	Watch(ctx context.Context, updates chan<- Update) error
	// Report tells the source how its routes are doing.
	Report(ctx context.Context, words []v1alpha1.RouteEdge, slugs []string) error
}

// UpdateFrom reads routes of the API into the edge's model.
func UpdateFrom(routes []v1alpha1.Route) Update {
	update := Update{Refused: map[string]error{}, Hashes: map[string]string{}}
	for _, route := range routes {
		update.Hashes[route.Name] = route.Spec.Hash()
		model, err := modelOf(route)
		if err != nil {
			update.Refused[route.Name] = err
			continue
		}
		update.Routes = append(update.Routes, model)
	}
	return update
}

// modelOf turns texts into addresses; [haproxy.Route.Check] judges what they mean.
func modelOf(route v1alpha1.Route) (haproxy.Route, error) {
	model := haproxy.Route{Tenant: route.Name, Slot: route.Spec.Slot, Suspended: route.Spec.Suspended}
	for _, port := range route.Spec.Ports {
		address, err := netip.ParseAddr(port.Target.IP)
		if err != nil {
			return model, fmt.Errorf("ports: target.ip %q of %s is no IP address", port.Target.IP, port.Name)
		}
		if port.Target.Port < 1 || port.Target.Port > 65535 {
			return model, fmt.Errorf("ports: target.port %d of %s: use a port from 1 to 65535", port.Target.Port, port.Name)
		}
		model.Ports = append(model.Ports, haproxy.Port{
			Name: port.Name, Public: port.Port, Target: netip.AddrPortFrom(address, uint16(port.Target.Port)), Proxy: port.ProxyProtocol,
			Limits: haproxy.Limits{Sessions: port.Limits.Sessions, Rate: port.Limits.Rate, PerSource: port.Limits.PerSource},
		})
	}
	for _, cut := range route.Spec.Cut {
		model.Cut = append(model.Cut, haproxy.Cut{ID: cut.AgentID, Before: cut.Before.Time})
	}
	for _, text := range route.Spec.AllowedCIDRs {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return model, fmt.Errorf("allowedCIDRs: %q is no network in CIDR form", text)
		}
		model.Allowed = append(model.Allowed, network)
	}
	return model, nil
}

// FileSource reads Routes from a file in the form of `kubectl get routes -o yaml`,
// for edges that cannot reach the API server.
type FileSource struct {
	Path string
	// Region, when set, leaves out routes of another.
	Region string
	// Every is the time between two looks; 0 means 1 s.
	Every time.Duration
}

// Watch looks at the file again and again. A file that is away or cannot be read
// changes nothing.
func (f FileSource) Watch(ctx context.Context, updates chan<- Update) error {
	every := f.Every
	if every == 0 {
		every = time.Second
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	var last []byte
	for {
		if text, err := os.ReadFile(f.Path); err == nil && (last == nil || !bytes.Equal(text, last)) {
			if routes, err := ReadRoutes(text, f.Region); err == nil {
				last = text
				select {
				case updates <- UpdateFrom(routes):
				case <-ctx.Done():
					return nil
				}
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// Report says nothing: a file has no status. `edge status` has.
func (FileSource) Report(context.Context, []v1alpha1.RouteEdge, []string) error { return nil }

// ReadRoutes reads the text of a routes file; an empty text is no list of no
// routes, since a file half copied would end every tenant.
func ReadRoutes(text []byte, region string) ([]v1alpha1.Route, error) {
	var list v1alpha1.RouteList
	if err := yaml.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("routes file: %w", err)
	}
	if list.Items == nil {
		return nil, errors.New("routes file: there is no list \"items\"; write the file with kubectl get routes.ingress.soctalk.io -o yaml, and \"items: []\" for none")
	}
	var routes []v1alpha1.Route
	for _, route := range list.Items {
		if region == "" || route.Spec.Region == region {
			routes = append(routes, route)
		}
	}
	return routes, nil
}
