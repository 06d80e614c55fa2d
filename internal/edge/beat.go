package edge

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// What an edge said last in a Route's status stays there when it dies. So it renews
// a Lease as long as it lives, as the nodes of a cluster do: one object for each edge,
// written three times a minute however many tenants it carries.
const (
	// beatLasts is how long the edge is taken for alive after it, unless told otherwise;
	// it beats three times in it.
	beatLasts = 60 * time.Second
	// beatAgain is how soon one that failed is tried again at the latest: the operator
	// gives an edge 20 s to come back when the API server does.
	beatAgain = 5 * time.Second
	// stuckAfter is how long one turn of the edge may take, a start of HAProxy being the
	// longest; an edge that is stuck is not alive.
	stuckAfter = 2 * time.Minute
)

// CheckLease refuses a duration that a Lease cannot say, or that leaves no time to beat in.
func CheckLease(lasts time.Duration) error {
	if lasts < 3*time.Second || lasts%time.Second != 0 {
		return fmt.Errorf("lease duration %s: use whole seconds, 3s at least", lasts)
	}
	return nil
}

// Heart is a source that can be told that its edge lives.
type Heart interface {
	Beat(ctx context.Context, pulse Pulse) error
}

// Pulse is what an edge says of itself.
type Pulse struct {
	Edge string
	// Lasts is how long it is to be taken for alive.
	Lasts time.Duration
	// Origins are the addresses managers may see it come from.
	Origins []Origin
}

// live beats until the context ends.
func (e *Edge) live(ctx context.Context) {
	heart, has := e.options.Source.(Heart)
	if !has {
		return
	}
	for {
		pause := e.options.LeaseDuration / 3
		if time.Since(time.Unix(0, e.turned.Load())) < stuckAfter {
			err := heart.Beat(ctx, e.pulse())
			if err != nil {
				pause = min(pause, beatAgain)
			}
			e.beaten(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// pulse reads the machine's addresses each time: the bridge of its pods, for one, comes
// with the first of them.
func (e *Edge) pulse() Pulse {
	origins, err := Origins()
	if err != nil {
		e.log.Warn("the machine's addresses are not known", "error", err.Error())
	}
	return Pulse{Edge: e.options.Name, Lasts: e.options.LeaseDuration, Origins: origins}
}

// beaten keeps what became of it for the status; the log has the first failure.
func (e *Edge) beaten(err error) {
	var first bool
	e.update(func() {
		if err == nil {
			e.heartbeat = Heartbeat{Renewed: time.Now().UTC()}
			return
		}
		first = e.heartbeat.Error == ""
		e.heartbeat.Error = err.Error()
	})
	if first {
		e.log.Warn("the edge's lease could not be renewed, and is tried again", "error", err.Error())
	}
}

// Heartbeat is when the API server last heard that the edge lives.
type Heartbeat struct {
	Renewed time.Time `json:"renewed,omitzero"`
	// Error since then.
	Error string `json:"error,omitempty"`
}

// Beat renews the edge's Lease, and makes it the first time. It needs the rights to
// create and patch Leases in their own namespace; the chart gives them there alone,
// see files/edge/leases.yaml. Whoever gave the edge up meant one that is silent, so the
// mark of that is emptied by the same write.
func (k *KubernetesSource) Beat(ctx context.Context, pulse Pulse) error {
	ctx, cancel := context.WithTimeout(ctx, runtimeTimeout)
	defer cancel()
	name := naming.EdgeLease(k.Region, pulse.Edge)
	origins, err := json.Marshal(pulse.Origins)
	if err != nil {
		return err
	}
	patch, err := json.Marshal(map[string]any{
		"apiVersion": coordinationv1.SchemeGroupVersion.String(), "kind": "Lease",
		"metadata": map[string]any{
			"name": name, "namespace": naming.EdgeNamespace, "annotations": map[string]string{naming.AnnotationForgetEdge: "", naming.AnnotationEdgeOrigins: string(origins)},
			"labels": map[string]string{naming.LabelRegion: k.Region, naming.LabelManagedBy: naming.Product},
		},
		"spec": map[string]any{"holderIdentity": pulse.Edge, "leaseDurationSeconds": int(pulse.Lasts.Seconds()), "renewTime": metav1.NowMicro()},
	})
	if err != nil {
		return err
	}
	target := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: naming.EdgeNamespace}}
	if err := k.client.Patch(ctx, target, client.RawPatch(types.ApplyPatchType, patch), client.FieldOwner("soctalk-edge-"+pulse.Edge), client.ForceOwnership); err != nil {
		return fmt.Errorf("renew lease %s/%s: %w", naming.EdgeNamespace, name, err)
	}
	return nil
}
