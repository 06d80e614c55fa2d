package demo

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/lab"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/report"
)

const leaving = "beta"

// departure: a customer leaves while its agents are connected. What is left is a
// report that can be proven.
func (s *story) departure(ctx context.Context) error {
	s.tell.chapter("A customer leaves")
	var tenant v1alpha1.Tenant
	if err := s.lab.Client.Get(ctx, types.NamespacedName{Name: leaving}, &tenant); err != nil {
		return err
	}
	if err := s.tell.step(fmt.Sprintf("%s is offboarded, with its agents connected", leaving), func() (string, error) {
		return "nothing of it is left but what rests", s.offboard(ctx, &tenant)
	}); err != nil {
		return err
	}
	if err := s.tell.step("A signed report says what was seen at each step", func() (string, error) {
		return s.reported(ctx, tenant)
	}); err != nil {
		return err
	}
	return s.tell.step("Its address answers nobody any more", func() (string, error) {
		return s.answersNobody(ctx, tenant.Status.Address)
	})
}

func (s *story) offboard(ctx context.Context, tenant *v1alpha1.Tenant) error {
	asked := tenant.DeepCopy()
	if asked.Annotations == nil {
		asked.Annotations = map[string]string{}
	}
	asked.Annotations[naming.AnnotationOffboardedBy] = "the demo"
	asked.Annotations[naming.AnnotationOffboardedWhy] = "the contract ended"
	if err := s.lab.Client.Patch(ctx, asked, client.MergeFrom(tenant)); err != nil {
		return err
	}
	if err := s.lab.Client.Delete(ctx, asked); err != nil {
		return err
	}
	return lab.Until(ctx, 2*patience, "tenant "+leaving+" is gone", func(ctx context.Context) (bool, error) {
		var now v1alpha1.Tenant
		err := s.lab.Client.Get(ctx, types.NamespacedName{Name: leaving}, &now)
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		if err == nil && now.Status.Offboarding != nil {
			err = fmt.Errorf("at step %s", now.Status.Offboarding.Step)
		}
		return false, err
	})
}

// reported checks the report as somebody would who has nothing but it and the
// published key, and that a changed one is not believed.
func (s *story) reported(ctx context.Context, tenant v1alpha1.Tenant) (string, error) {
	var reports v1alpha1.OffboardingReportList
	if err := s.lab.Client.List(ctx, &reports); err != nil {
		return "", err
	}
	key, err := s.reportKey(ctx)
	if err != nil {
		return "", err
	}
	for _, held := range reports.Items {
		if held.Spec.TenantUID != string(tenant.UID) {
			continue
		}
		payload, err := report.Verify(key, held.Spec.Envelope)
		if err != nil {
			return "", err
		}
		statement, err := report.Parse(payload)
		if err != nil {
			return "", err
		}
		forged := held.Spec.Envelope
		forged.Payload = base64.StdEncoding.EncodeToString(append(payload, ' '))
		if _, err := report.Verify(key, forged); err == nil {
			return "", errors.New("a report with one more byte was believed")
		}
		text := held.Name + ", its signature verified; with one byte more it is refused"
		for _, step := range statement.Steps {
			text += fmt.Sprintf("\n%-20s %s", step.Step, step.Evidence)
		}
		return text, nil
	}
	return "", fmt.Errorf("there is no report of tenant %s", tenant.Name)
}

func (s *story) reportKey(ctx context.Context) (ed25519.PublicKey, error) {
	var published corev1.ConfigMap
	name := types.NamespacedName{Namespace: naming.DefaultSystemNamespace, Name: naming.ReportKey}
	if err := s.lab.Client.Get(ctx, name, &published); err != nil {
		return nil, err
	}
	return report.ParsePublicKey([]byte(published.Data[naming.KeyReportPublic]))
}

// ping is what a manager answers without knowing who asks: five bytes with their
// length in front.
const ping = "\x05\x00\x00\x00#ping"

// answersNobody knocks at the events port. A load balancer may still take the
// connection for an address that rests; behind it nobody speaks.
func (s *story) answersNobody(ctx context.Context, address string) (string, error) {
	dialer := net.Dialer{Timeout: knock}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(address, "1514"))
	if err == nil {
		defer func() { _ = conn.Close() }()
		_ = conn.SetDeadline(time.Now().Add(knock))
		if _, err = io.WriteString(conn, ping); err == nil {
			_, err = conn.Read(make([]byte, 1))
		}
	}
	if err == nil {
		return "", fmt.Errorf("%s:1514 still answers", address)
	}
	return "nobody speaks at " + address + "; name and address rest before another tenant may have them", nil
}

const knock = 2 * time.Second
