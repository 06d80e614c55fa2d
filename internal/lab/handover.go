package lab

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/handover"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// HandoverAccount is the service account of the page that opens links.
const HandoverAccount = naming.Product + "-handover"

// HandoverSite is the page that opens links, with the rights the chart gives it
// and no more. A nil clock is the real one.
func (l *Lab) HandoverSite(log io.Writer, now func() time.Time) (*handover.Site, error) {
	c, err := l.handoverClient()
	if err != nil {
		return nil, err
	}
	return handover.NewSite(handover.Options{Client: c, Log: slog.New(slog.NewJSONHandler(log, nil)), Now: now}), nil
}

// NewLink makes a link to a tenant's kit, as soctalk-ingress handover create does.
func (l *Lab) NewLink(ctx context.Context, slug, authority, why string, life time.Duration) (handover.Link, error) {
	link, err := handover.NewLink(slug, rand.Reader)
	if err != nil {
		return link, err
	}
	return link, l.Client.Create(ctx, &v1alpha1.Handover{
		ObjectMeta: metav1.ObjectMeta{Namespace: naming.Namespace(slug), Name: link.Name},
		Spec: v1alpha1.HandoverSpec{
			TokenSHA256: link.Digest(), Expires: metav1.NewTime(time.Now().Add(life)), Why: why, CreatedBy: "lab",
			Kit: v1alpha1.HandoverKit{AuthorityPEM: authority},
		},
	})
}

// OpenLink is the press of the page's button.
func (l *Lab) OpenLink(ctx context.Context, link handover.Link, from string) (handover.Kit, error) {
	c, err := l.handoverClient()
	if err != nil {
		return handover.Kit{}, err
	}
	opener := handover.Opener{Client: c, Now: time.Now, Warn: func(err error) { l.say("hand-over: " + err.Error()) }}
	return opener.Open(ctx, link, from)
}

func (l *Lab) handoverClient() (client.Client, error) {
	config := rest.CopyConfig(l.Config)
	config.Impersonate = rest.ImpersonationConfig{
		UserName: "system:serviceaccount:" + naming.DefaultSystemNamespace + ":" + HandoverAccount,
		Groups:   []string{"system:serviceaccounts", "system:authenticated"},
	}
	c, err := client.New(config, client.Options{Scheme: l.Client.Scheme()})
	if err != nil {
		return nil, fmt.Errorf("reach the control plane: %w", err)
	}
	return c, nil
}
