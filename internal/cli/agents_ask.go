package cli

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

// askedRoster asks manager, gateway and edges about a tenant's agents. Only the
// manager is necessary; that another cannot be asked is said once.
type askedRoster struct {
	s      *session
	c      *cluster
	tenant v1alpha1.Tenant
	edges  string

	api     *wazuh.API
	gateway *admin.Client // nil where there is none, or it cannot be reached
	closers []func()
	told    map[string]bool

	instance string // of the gateway whose log was read
	next     uint64
	log      []roster.Enrollment
}

// openRoster opens the ways to those who know a tenant's agents.
func (s *session) openRoster(ctx context.Context, slug string, flags agentFlags) (*askedRoster, error) {
	c, tenant, err := s.connectTo(ctx, slug)
	if err != nil {
		return nil, err
	}
	a := &askedRoster{s: s, c: c, tenant: tenant, edges: flags.edges, told: map[string]bool{}}
	api, closeAPI, err := c.managerAPI(ctx, tenant, flags.address)
	if err != nil {
		return nil, err
	}
	a.api, a.closers = api, []func(){closeAPI}
	if tenant.Status.Enrollment == nil || tenant.Status.Enrollment.Mode != v1alpha1.EnrollmentGateway {
		return a, nil
	}
	gateway, closeGateway, err := c.gatewayAPI(ctx, tenant)
	if err != nil {
		a.say("how agents enrolled is not shown", err)
		return a, nil
	}
	a.gateway, a.closers = gateway, append(a.closers, closeGateway)
	return a, nil
}

func (a *askedRoster) close() {
	for _, end := range a.closers {
		end()
	}
}

// say tells once what is missing, and why.
func (a *askedRoster) say(what string, err error) {
	if !a.told[what] {
		a.told[what] = true
		a.s.talk("note: %s: %v", what, err)
	}
}

// rows are the tenant's agents as of now.
func (a *askedRoster) rows(ctx context.Context, now time.Time) ([]roster.Row, error) {
	agents, err := a.api.ListAgents(ctx, wazuh.AgentFilter{})
	if err != nil {
		return nil, managerError(a.tenant.Name, err)
	}
	known := roster.Known{}
	for _, agent := range agents {
		known.Agents = append(known.Agents, rosterAgent(agent))
	}
	if a.gateway != nil {
		if err := a.readLog(ctx); err != nil {
			a.say("how agents enrolled is not shown", err)
		}
		known.Enrollments = a.log
	}
	if a.tenant.Status.Mode == v1alpha1.ModeEdgeHAProxy {
		seen, err := a.c.edgeSightings(ctx, a.edges, a.tenant)
		if err != nil {
			a.say("where agents come from is not shown", err)
		}
		for _, agent := range seen {
			known.Sightings = append(known.Sightings, roster.Sighting{ID: agent.ID, Source: agent.Source.String(), At: agent.Seen, Open: agent.Current > 0})
		}
	}
	return roster.Join(known, now), nil
}

// readLog takes in what is new in the gateway's enrollment log.
func (a *askedRoster) readLog(ctx context.Context) error {
	for {
		page, err := a.gateway.Enrollments(ctx, a.next)
		if err != nil {
			return err
		}
		if page.Instance != a.instance && a.next != 0 {
			a.instance, a.next = page.Instance, 0 // a gateway that restarted counts from one again
			continue
		}
		a.instance, a.next = page.Instance, page.Next
		for _, record := range page.Records {
			if record.Outcome == audit.Enrolled {
				a.log = append(a.log, roster.Enrollment{
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
func (c *cluster) gatewayAPI(ctx context.Context, tenant v1alpha1.Tenant) (*admin.Client, func(), error) {
	namespace := naming.Namespace(tenant.Name)
	held, err := c.secret(ctx, namespace, naming.SecretGatewayAdmin)
	if err != nil {
		return nil, nil, err
	}
	pod, err := c.gatewayPod(ctx, tenant)
	if err != nil {
		return nil, nil, err
	}
	dial, closeDial, err := c.forwardTo(ctx, namespace, pod, naming.PortGatewayAdmin)
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
