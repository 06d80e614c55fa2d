package lab

import (
	"fmt"
	"io"
	"log/slog"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/internal/handover"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// HandoverAccount is the service account of the page that opens links.
const HandoverAccount = naming.Product + "-handover"

// HandoverSite is the page that opens links, with the rights the chart gives it
// and no more. A nil clock is the real one.
func (l *Lab) HandoverSite(log io.Writer, now func() time.Time) (*handover.Site, error) {
	config := rest.CopyConfig(l.Config)
	config.Impersonate = rest.ImpersonationConfig{
		UserName: "system:serviceaccount:" + naming.DefaultSystemNamespace + ":" + HandoverAccount,
		Groups:   []string{"system:serviceaccounts", "system:authenticated"},
	}
	c, err := client.New(config, client.Options{Scheme: l.Client.Scheme()})
	if err != nil {
		return nil, fmt.Errorf("reach the control plane: %w", err)
	}
	return handover.NewSite(handover.Options{Client: c, Log: slog.New(slog.NewJSONHandler(log, nil)), Now: now}), nil
}
