package console

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/console/wire"
	"github.com/soctalk/soctalk-ingress/internal/desk"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/plan"
	"github.com/soctalk/soctalk-ingress/internal/report"
)

func (c *Console) report(w http.ResponseWriter, r *http.Request, one *visit) error {
	return c.giveReport(w, r, one, r.PathValue("name"))
}

// tenantReport is the last report of a slug, once its tenant is gone.
func (c *Console) tenantReport(w http.ResponseWriter, r *http.Request, one *visit) error {
	return c.giveReport(w, r, one, r.PathValue("slug"))
}

func (c *Console) giveReport(w http.ResponseWriter, r *http.Request, one *visit, name string) error {
	held, _, err := one.desk.Report(r.Context(), name)
	if err != nil {
		return err
	}
	payload, keyID, err := one.desk.VerifiedReport(r.Context(), held)
	if err != nil {
		return err
	}
	statement, err := report.Parse(payload)
	if err != nil {
		return err
	}
	return give(w, wire.Report{
		Name: held.Name, Tenant: held.Spec.Tenant, Finished: held.Spec.FinishedAt.UTC(), By: held.Spec.By, Why: held.Spec.Why,
		Registrations: held.Spec.Registrations, Abandoned: held.Spec.Abandoned, KeyID: keyID, Text: report.Text(statement),
	})
}

// envelope is a report as it is signed, to be kept in a file.
func (c *Console) envelope(w http.ResponseWriter, r *http.Request, one *visit) error {
	held, _, err := one.desk.Report(r.Context(), r.PathValue("name"))
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(held.Spec.Envelope, "", "  ")
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Disposition", `attachment; filename="`+held.Name+`.json"`)
	_, _ = w.Write(append(text, '\n'))
	return nil
}

func (c *Console) tenantEvents(w http.ResponseWriter, r *http.Request, one *visit) error {
	events, err := one.desk.Events(r.Context(), r.PathValue("slug"))
	if err != nil {
		return err
	}
	views := wire.Events{Events: []wire.Event{}}
	for _, event := range events {
		view := wire.Event{
			Type: event.Type, Reason: event.Reason, Note: event.Note, At: desk.LastSeen(event).UTC(), Count: 1, By: event.ReportingController,
		}
		if event.Series != nil {
			first := event.EventTime.UTC()
			view.Count, view.First = event.Series.Count, &first
		}
		views.Events = append(views.Events, view)
	}
	slices.SortStableFunc(views.Events, func(a, b wire.Event) int { return b.At.Compare(a.At) })
	return give(w, views)
}

func (c *Console) regions(w http.ResponseWriter, r *http.Request, one *visit) error {
	regions, err := one.desk.Regions(r.Context())
	if err != nil {
		return err
	}
	var claims v1alpha1.ClaimList
	err = one.desk.List(r.Context(), &claims)
	if err != nil && !apierrors.IsForbidden(err) {
		return err
	}
	known := err == nil
	holders := plan.Holders(claims.Items)
	views := wire.Regions{Regions: []wire.Region{}}
	for _, region := range regions {
		view := wire.Region{
			Name: region.Name, Domain: region.Spec.Domain, Default: region.Spec.Default, DefaultMode: string(region.Spec.DefaultMode), Tenants: region.Status.Tenants,
			Certificates: string(region.Spec.Certificates.Strategy), DNS: string(region.Spec.DNS.Mode),
		}
		if ready := meta.FindStatusCondition(region.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
			view.Ready, view.Reason, view.Message = ready.Status == metav1.ConditionTrue, ready.Reason, ready.Message
		}
		if region.Spec.Edge != nil {
			view.Edge = c.edgeOf(region, holders, known)
		}
		views.Regions = append(views.Regions, view)
	}
	slices.SortFunc(views.Regions, func(a, b wire.Region) int { return strings.Compare(a.Name, b.Name) })
	return give(w, views)
}

// edgeOf counts a Region's ports by the claims on them.
func (c *Console) edgeOf(region v1alpha1.Region, holders map[string]plan.Holder, known bool) *wire.Edge {
	ports := region.Spec.Edge.Ports
	edge := &wire.Edge{Addresses: region.Spec.Edge.Addresses, First: ports.First, Last: ports.Last, Held: []wire.HeldPort{}}
	if !known {
		return edge
	}
	counts := wire.EdgeCounts{}
	for port := ports.First; port <= ports.Last; port++ {
		holder, held := holders[naming.PortClaim(region.Name, port)]
		switch {
		case held && holder.Resting(c.options.Now()):
			until := holder.QuarantinedUntil.UTC()
			counts.Resting++
			edge.Held = append(edge.Held, wire.HeldPort{Port: port, Tenant: holder.Tenant, RestsUntil: &until})
		case held && holder.QuarantinedUntil.IsZero():
			counts.Used++
			edge.Held = append(edge.Held, wire.HeldPort{Port: port, Tenant: holder.Tenant})
		default:
			counts.Free++
		}
	}
	edge.Ports = &counts
	return edge
}
