package desk

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/gateway/admin"
	"github.com/soctalk/soctalk-ingress/internal/gateway/audit"
	"github.com/soctalk/soctalk-ingress/internal/gatewayapi"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/roster"
	"github.com/soctalk/soctalk-ingress/internal/wazuh"
)

// Where says where to ask about a tenant's agents.
type Where struct {
	// Address of the manager's API; empty forwards a port to its pod.
	Address string
	// Edges is the namespace of the edges' pods.
	Edges string
	// Note is told once of each thing that cannot be asked, and why.
	Note func(what string, err error)
}

// Roster asks manager, gateway and edges about a tenant's agents. Only the
// manager is necessary.
type Roster struct {
	Tenant v1alpha1.Tenant

	d       *Desk
	where   Where
	api     *wazuh.API
	gateway *admin.Client // nil where there is none, or it cannot be reached
	closers []func()
	told    map[string]bool

	instance string // of the gateway whose log was read
	next     uint64
	log      []roster.Enrollment
}

// OpenRoster opens the ways to those who know a tenant's agents. They stay open
// until Close, or until the context ends.
func (d *Desk) OpenRoster(ctx context.Context, tenant v1alpha1.Tenant, where Where) (*Roster, error) {
	r := &Roster{d: d, Tenant: tenant, where: where, told: map[string]bool{}}
	api, closeAPI, err := d.ManagerAPI(ctx, tenant, where.Address)
	if err != nil {
		return nil, err
	}
	r.api, r.closers = api, []func(){closeAPI}
	if tenant.Status.Enrollment == nil || tenant.Status.Enrollment.Mode != v1alpha1.EnrollmentGateway {
		return r, nil
	}
	gateway, closeGateway, err := d.gatewayAPI(ctx, tenant)
	if err != nil {
		r.note("how agents enrolled is not shown", err)
		return r, nil
	}
	r.gateway, r.closers = gateway, append(r.closers, closeGateway)
	return r, nil
}

// Close hangs up.
func (r *Roster) Close() {
	for _, end := range r.closers {
		end()
	}
}

func (r *Roster) note(what string, err error) {
	if !r.told[what] {
		r.told[what] = true
		r.where.Note(what, err)
	}
}

// Rows are the tenant's agents as of now.
func (r *Roster) Rows(ctx context.Context, now time.Time) ([]roster.Row, error) {
	agents, err := r.api.ListAgents(ctx, wazuh.AgentFilter{})
	if err != nil {
		return nil, managerError(r.Tenant, err)
	}
	known := roster.Known{}
	for _, agent := range agents {
		known.Agents = append(known.Agents, rosterAgent(agent))
	}
	if r.gateway != nil {
		if err := r.readLog(ctx); err != nil {
			r.note("how agents enrolled is not shown", err)
		}
		known.Enrollments = r.log
	}
	if r.Tenant.Status.Mode == v1alpha1.ModeEdgeHAProxy {
		seen, err := r.d.EdgeSightings(ctx, r.where.Edges, r.Tenant)
		if err != nil {
			r.note("where agents come from is not shown", err)
		}
		for _, agent := range seen {
			known.Sightings = append(known.Sightings, roster.Sighting{ID: agent.ID, Source: agent.Source.String(), At: agent.Seen, Open: agent.Current > 0})
		}
	}
	return roster.Join(known, now), nil
}

// readLog takes in what is new in the gateway's enrollment log.
func (r *Roster) readLog(ctx context.Context) error {
	for {
		page, err := r.gateway.Enrollments(ctx, r.next)
		if err != nil {
			return err
		}
		if page.Instance != r.instance && r.next != 0 {
			r.instance, r.next = page.Instance, 0 // a gateway that restarted counts from one again
			continue
		}
		r.instance, r.next = page.Instance, page.Next
		for _, record := range page.Records {
			if record.Outcome == audit.Enrolled {
				r.log = append(r.log, roster.Enrollment{
					At: record.Time, ID: record.ID, Name: record.Name, Credential: record.Credential, Token: record.Token, Source: record.Source, Via: record.Via,
				})
			}
		}
		if len(page.Records) == 0 {
			return nil
		}
	}
}

func rosterAgent(agent wazuh.Agent) roster.Agent {
	return roster.Agent{
		ID: agent.ID, Name: agent.Name, Groups: agent.Groups, Status: agent.Status,
		Version: strings.TrimPrefix(agent.Version, "Wazuh "), OS: strings.TrimSpace(agent.OS.Name + " " + agent.OS.Version),
		Registered: agent.DateAdd, LastKeepAlive: agent.LastKeepAlive, ReportedIP: agent.IP, RegisterIP: agent.RegisterIP,
	}
}

// gatewayAPI opens a way to the admin port of a tenant's gateway, through the API
// server to its pod, with what is in the tenant's Secret.
func (d *Desk) gatewayAPI(ctx context.Context, tenant v1alpha1.Tenant) (*admin.Client, func(), error) {
	namespace := naming.Namespace(tenant.Name)
	held, err := d.Secret(ctx, namespace, naming.SecretGatewayAdmin)
	if err != nil {
		return nil, nil, err
	}
	pod, err := d.gatewayPod(ctx, tenant)
	if err != nil {
		return nil, nil, err
	}
	dial, closeDial, err := d.forwardTo(ctx, namespace, pod, naming.PortGatewayAdmin)
	if err != nil {
		return nil, nil, err
	}
	client, closeIdle, err := gatewayapi.Open(gatewayapi.Options{Slug: tenant.Name, Admin: held, Dial: dial, Timeout: apiPatience})
	if err != nil {
		closeDial()
		return nil, nil, fmt.Errorf("open the gateway of tenant %q: %w", tenant.Name, err)
	}
	return client, func() { closeIdle(); closeDial() }, nil
}
