package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/gowebpki/jcs"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
)

// Type is what the payload of a report's envelope is. Its last number changes when
// a reader of today could misunderstand what a later one says.
const Type = "application/vnd.soctalk.offboarding-report.v1+json"

// Statement says how a tenant was removed.
type Statement struct {
	Tenant      string               `json:"tenant"`
	DisplayName string               `json:"displayName,omitempty"`
	UID         string               `json:"uid"`
	Namespace   string               `json:"namespace,omitempty"`
	Region      string               `json:"region,omitempty"`
	Mode        v1alpha1.IngressMode `json:"mode,omitempty"`
	Hostname    string               `json:"hostname,omitempty"`
	// Addresses and Ports are where agents connected to.
	Addresses []string `json:"addresses,omitempty"`
	Ports     []Port   `json:"ports,omitempty"`
	// RequestedBy and Why are as told by whoever asked for the removal.
	RequestedBy string `json:"requestedBy,omitempty"`
	Why         string `json:"why,omitempty"`
	RequestedAt string `json:"requestedAt,omitempty"`
	StartedAt   string `json:"startedAt"`
	FinishedAt  string `json:"finishedAt"`
	// Registrations the manager had; absent when it was never asked.
	Registrations *int32 `json:"registrations,omitempty"`
	// Agents are the first of them; AgentsNotNamed counts the rest.
	Agents         []Agent `json:"agents,omitempty"`
	AgentsNotNamed int32   `json:"agentsNotNamed,omitempty"`
	// Abandoned is why a person had the operator go on without the tenant's manager.
	Abandoned string `json:"abandoned,omitempty"`
	Steps     []Step `json:"steps"`
	// Quarantine is what others may not have for a while.
	Quarantine []Rest `json:"quarantine,omitempty"`
}

// Port is one port agents connected to.
type Port struct {
	Name string `json:"name"`
	Port int32  `json:"port"`
}

// Agent is a registration that was deleted.
type Agent struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Step is one step, and what was seen at its end.
type Step struct {
	Step       v1alpha1.OffboardingStep `json:"step"`
	StartedAt  string                   `json:"startedAt"`
	FinishedAt string                   `json:"finishedAt"`
	Evidence   string                   `json:"evidence"`
	Abandoned  bool                     `json:"abandoned,omitempty"`
}

// Rest is one claim in quarantine.
type Rest struct {
	Claim string `json:"claim"`
	Until string `json:"until"`
}

// Of tells what became of a tenant. abandoned is the word of the person who had
// the operator go on without the manager; empty when nobody did.
func Of(tenant v1alpha1.Tenant, abandoned string) (Statement, error) {
	progress := tenant.Status.Offboarding
	if progress == nil || len(progress.Done) == 0 {
		return Statement{}, fmt.Errorf("tenant %q: no offboarding to report on", tenant.Name)
	}
	last := progress.Done[len(progress.Done)-1]
	s := Statement{
		Tenant: tenant.Name, DisplayName: tenant.Spec.DisplayName, UID: string(tenant.UID),
		Namespace: tenant.Status.Namespace, Region: tenant.Status.Region, Mode: tenant.Status.Mode, Hostname: tenant.Status.Hostname,
		Addresses:   slices.Clone(progress.Addresses),
		RequestedBy: progress.By, Why: progress.Why,
		StartedAt: stamp(progress.StartedAt.Time), FinishedAt: stamp(last.At.Time),
		Registrations: progress.Registrations, Abandoned: abandoned,
	}
	if tenant.DeletionTimestamp != nil {
		s.RequestedAt = stamp(tenant.DeletionTimestamp.Time)
	}
	for _, port := range tenant.Status.Ports {
		s.Ports = append(s.Ports, Port{Name: port.Name, Port: port.Port})
	}
	for _, agent := range progress.Agents {
		s.Agents = append(s.Agents, Agent{ID: agent.ID, Name: agent.Name})
	}
	if progress.Registrations != nil {
		s.AgentsNotNamed = max(0, *progress.Registrations-int32(len(s.Agents)))
	}
	for _, record := range progress.Done {
		s.Steps = append(s.Steps, Step{
			Step: record.Step, StartedAt: stamp(record.StartedAt.Time), FinishedAt: stamp(record.At.Time),
			Evidence: record.Evidence, Abandoned: record.Abandoned,
		})
	}
	for _, rest := range progress.Resting {
		s.Quarantine = append(s.Quarantine, Rest{Claim: rest.Name, Until: stamp(rest.Until.Time)})
	}
	return s, nil
}

func stamp(at time.Time) string { return at.UTC().Format(time.RFC3339) }

// Bytes are the statement as it is signed: one form for one content, so that two
// copies can be compared byte by byte.
func (s Statement) Bytes() ([]byte, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	return jcs.Transform(text)
}

// Parse reads a statement back. What this version does not know is an error: a
// report that is shown must be shown whole.
func Parse(payload []byte) (Statement, error) {
	var s Statement
	decoder := json.NewDecoder(bytes.NewReader(payload))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&s); err != nil {
		return Statement{}, fmt.Errorf("the report's contents: %w", err)
	}
	return s, nil
}
