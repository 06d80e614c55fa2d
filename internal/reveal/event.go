package reveal

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// eventsNamespace is where the API server wants events about objects that have
// no namespace, such as a Tenant.
const eventsNamespace = metav1.NamespaceDefault

// maxNote is the API server's limit of an Event's note.
const maxNote = 1024

// Event is one line of the audit on a Tenant. It is written by hand and not
// through a recorder, because a recorder drops what the server refuses.
type Event struct {
	Warning              bool
	Reason, Action, Note string
}

// Try asks the API server whether it would take the event, without writing it.
func (e Event) Try(ctx context.Context, c client.Client, tenant *v1alpha1.Tenant, now time.Time) error {
	if err := c.Create(ctx, e.object(tenant, now), client.DryRunAll); err != nil {
		return fmt.Errorf("nothing was done, because the audit could not be written (an Event in namespace %q): %w", eventsNamespace, err)
	}
	return nil
}

// Write puts the event on the Tenant.
func (e Event) Write(ctx context.Context, c client.Client, tenant *v1alpha1.Tenant, now time.Time) error {
	if err := c.Create(ctx, e.object(tenant, now)); err != nil {
		return fmt.Errorf("write event %s on tenant %q: %w", e.Reason, tenant.Name, err)
	}
	return nil
}

func (e Event) object(tenant *v1alpha1.Tenant, now time.Time) *eventsv1.Event {
	kind := corev1.EventTypeNormal
	if e.Warning {
		kind = corev1.EventTypeWarning
	}
	note := e.Note
	if len(note) > maxNote {
		note = strings.ToValidUTF8(note[:maxNote], "")
	}
	instance, err := os.Hostname()
	if err != nil {
		instance = naming.Product
	}
	return &eventsv1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: eventsNamespace, GenerateName: tenant.Name + "-"},
		EventTime:  metav1.NewMicroTime(now),
		Type:       kind, Reason: e.Reason, Action: e.Action, Note: note,
		ReportingController: naming.Product, ReportingInstance: instance,
		Regarding: corev1.ObjectReference{
			APIVersion: v1alpha1.GroupVersion.String(), Kind: "Tenant",
			Name: tenant.Name, UID: tenant.UID, ResourceVersion: tenant.ResourceVersion,
		},
	}
}
