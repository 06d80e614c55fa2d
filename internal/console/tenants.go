package console

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/console/wire"
	"github.com/soctalk/soctalk-ingress/internal/fault"
	"github.com/soctalk/soctalk-ingress/internal/plan"
	"github.com/soctalk/soctalk-ingress/internal/reveal"
)

func (c *Console) tenants(w http.ResponseWriter, r *http.Request, one *visit) error {
	var all v1alpha1.TenantList
	if err := one.desk.List(r.Context(), &all); err != nil {
		return err
	}
	rows := make([]wire.TenantRow, len(all.Items))
	for i, tenant := range all.Items {
		rows[i] = rowOf(tenant)
	}
	slices.SortFunc(rows, func(a, b wire.TenantRow) int {
		return cmp.Or(cmp.Compare(severity(a.State), severity(b.State)), strings.Compare(a.Slug, b.Slug))
	})
	return give(w, wire.Tenants{Now: c.options.Now().UTC(), Tenants: rows})
}

func (c *Console) tenant(w http.ResponseWriter, r *http.Request, one *visit) error {
	tenant, err := one.desk.Tenant(r.Context(), r.PathValue("slug"))
	if err != nil {
		return err
	}
	page, err := pageOf(tenant, c.options.Now())
	if err != nil {
		return err
	}
	return give(w, page)
}

// createTenant makes the tenant a form describes, or says what the cluster thinks of it.
func (c *Console) createTenant(w http.ResponseWriter, r *http.Request, one *visit) error {
	var request wire.CreateRequest
	if err := take(w, r, &request); err != nil {
		return err
	}
	tenant, err := wanted(request)
	if err != nil {
		return err
	}
	text, err := asYAML(tenant)
	if err != nil {
		return err
	}
	if err := plan.CheckSpec(tenant); err != nil {
		return err
	}
	if err := one.desk.CreateTenant(r.Context(), &tenant, request.DryRun); err != nil {
		return err
	}
	created := wire.Created{Slug: tenant.Name, DryRun: request.DryRun, YAML: text}
	if regions, err := one.desk.Regions(r.Context()); err == nil {
		if place, err := plan.Place(tenant, regions); err == nil {
			created.Would = &wire.Placement{
				Region: place.Region, Mode: string(place.Mode), Hostname: place.Hostname, Namespace: place.Namespace, Strategy: string(place.Strategy),
			}
		}
	}
	if request.DryRun {
		return give(w, created)
	}
	c.options.Log.Info("tenant created", "user", one.user, "tenant", tenant.Name)
	answer(w, http.StatusCreated, created)
	return nil
}

// wanted is the tenant a form describes.
func wanted(request wire.CreateRequest) (v1alpha1.Tenant, error) {
	tenant := v1alpha1.Tenant{
		ObjectMeta: metav1.ObjectMeta{Name: request.Slug},
		Spec: v1alpha1.TenantSpec{
			DisplayName: request.DisplayName,
			Region:      request.Region,
			WazuhIngress: v1alpha1.WazuhIngress{
				Mode: v1alpha1.IngressMode(request.Mode), Hostname: request.Hostname, AllowedCIDRs: request.AllowedNetworks,
				Wazuh5Agents: v1alpha1.Wazuh5Agents(request.Wazuh5Agents),
			},
		},
	}
	if request.Slug == "" {
		return tenant, refuse(http.StatusUnprocessableEntity, "metadata.name", "the tenant has no slug", "choose one DNS label, such as acme-gmbh")
	}
	if request.Version != "" {
		tenant.Spec.Manager.Deploy = &v1alpha1.ManagerDeploy{Version: request.Version}
	}
	ports, err := v1alpha1.ParseEdgePorts(request.EdgePorts)
	if err != nil {
		return tenant, refuse(http.StatusUnprocessableEntity, "spec.wazuhIngress.edgePorts", "spec.wazuhIngress.edgePorts: "+strconv.Quote(request.EdgePorts)+" is refused", err.Error())
	}
	tenant.Spec.WazuhIngress.EdgePorts = ports
	return tenant, nil
}

// asYAML is a tenant as somebody would apply it.
func asYAML(tenant v1alpha1.Tenant) (string, error) {
	text, err := yaml.Marshal(struct {
		APIVersion string              `json:"apiVersion"`
		Kind       string              `json:"kind"`
		Metadata   map[string]string   `json:"metadata"`
		Spec       v1alpha1.TenantSpec `json:"spec,omitzero"`
	}{v1alpha1.GroupVersion.String(), "Tenant", map[string]string{"name": tenant.Name}, tenant.Spec})
	return string(text), err
}

func (c *Console) suspend(w http.ResponseWriter, r *http.Request, one *visit) error {
	var request wire.WhyRequest
	if err := take(w, r, &request); err != nil {
		return err
	}
	if err := checkWhy(request.Why); err != nil {
		return err
	}
	slug := r.PathValue("slug")
	if err := one.desk.Suspend(r.Context(), slug, strings.TrimSpace(request.Why)); err != nil {
		return err
	}
	c.options.Log.Info("tenant suspended", "user", one.user, "tenant", slug)
	return accept(w, "tenant "+strconv.Quote(slug)+" is being suspended", nil)
}

func (c *Console) resume(w http.ResponseWriter, r *http.Request, one *visit) error {
	slug := r.PathValue("slug")
	if err := one.desk.Resume(r.Context(), slug); err != nil {
		return err
	}
	c.options.Log.Info("tenant resumed", "user", one.user, "tenant", slug)
	return accept(w, "tenant "+strconv.Quote(slug)+" resumed", nil)
}

// offboard wants the slug typed, because a button is pressed before one has read.
func (c *Console) offboard(w http.ResponseWriter, r *http.Request, one *visit) error {
	var request wire.OffboardRequest
	if err := take(w, r, &request); err != nil {
		return err
	}
	slug := r.PathValue("slug")
	if err := checkWhy(request.Why); err != nil {
		return err
	}
	if request.Confirm != slug {
		return refuse(http.StatusUnprocessableEntity, "confirm", "not confirmed", "type "+slug+" to go on; nothing was changed")
	}
	tenant, err := one.desk.Tenant(r.Context(), slug)
	if err != nil {
		return err
	}
	if tenant.DeletionTimestamp != nil {
		return accept(w, "tenant "+strconv.Quote(slug)+" is being removed already; its report keeps the reason it was begun with", nil)
	}
	if err := one.desk.Offboard(r.Context(), tenant, strings.TrimSpace(request.Why)); err != nil {
		return err
	}
	c.options.Log.Info("tenant offboarded", "user", one.user, "tenant", slug)
	return accept(w, "tenant "+strconv.Quote(slug)+" is being removed", nil)
}

func checkWhy(why string) error {
	if err := reveal.CheckWhy(why); err != nil {
		return refuse(http.StatusUnprocessableEntity, "why", err.Error(), "")
	}
	return nil
}

// inField says which field of a request is wrong.
func inField(field string, err error) error {
	if err == nil {
		return nil
	}
	return refuse(http.StatusUnprocessableEntity, field, fault.AsUsage(err).Error(), "")
}

// utc is a time that may not be there.
func utc(at *metav1.Time) *time.Time {
	if at == nil || at.IsZero() {
		return nil
	}
	moment := at.UTC()
	return &moment
}
