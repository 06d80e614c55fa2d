package handover

import (
	"time"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// View is a link as the command line and the console write it for programs.
type View struct {
	Tenant    string     `json:"tenant"`
	Name      string     `json:"name"`
	State     State      `json:"state"`
	CreatedBy string     `json:"createdBy"`
	Why       string     `json:"why"`
	Created   time.Time  `json:"created"`
	Expires   time.Time  `json:"expires"`
	Opened    *time.Time `json:"opened,omitempty"`
	From      string     `json:"from,omitempty"`
}

// ViewOf is how a link stands at a time.
func ViewOf(held *v1alpha1.Handover, now time.Time) View {
	view := View{
		Tenant: naming.SlugOf(held.Namespace), Name: held.Name, State: StateOf(held, now),
		CreatedBy: held.Spec.CreatedBy, Why: held.Spec.Why,
		Created: held.CreationTimestamp.UTC(), Expires: held.Spec.Expires.UTC(), From: held.Status.From,
	}
	if opened := held.Status.OpenedAt; opened != nil {
		at := opened.UTC()
		view.Opened = &at
	}
	return view
}
