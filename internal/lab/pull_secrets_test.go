package lab_test

import (
	"context"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// A Region's pull secret is beside the pods of its tenants and of nobody else,
// follows a changed password, and goes when the Region no longer names it.
func TestPullSecretsReachTheTenants(t *testing.T) {
	l := installation(t)
	source := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: naming.DefaultSystemNamespace, Name: "registry"},
		Type:       corev1.SecretTypeDockerConfigJson,
		Data:       map[string][]byte{corev1.DockerConfigJsonKey: []byte(`{"auths":{"registry.example.com":{"auth":"Zmlyc3Q="}}}`)},
	}
	region := &v1alpha1.Region{
		ObjectMeta: metav1.ObjectMeta{Name: "private"},
		Spec: v1alpha1.RegionSpec{
			Domain: "private.mssp.example.com", ImagePullSecrets: []string{"registry"}, Quarantine: &metav1.Duration{},
			DNS: v1alpha1.DNSSpec{Mode: v1alpha1.DNSExternalDNS, Server: l.Standin.DNSAddress()},
		},
	}
	for _, object := range []client.Object{source, region} {
		if err := l.Client.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Client.Delete(context.Background(), object) })
	}
	create(t, l, "puller", v1alpha1.TenantSpec{Region: "private"})
	create(t, l, "no-puller", v1alpha1.TenantSpec{})
	becomesReady(t, l, "puller")
	becomesReady(t, l, "no-puller")
	name := naming.PullSecret("registry")
	copied := func(slug string) (*corev1.Secret, error) {
		held := &corev1.Secret{}
		return held, l.Client.Get(t.Context(), types.NamespacedName{Namespace: naming.Namespace(slug), Name: name}, held)
	}
	held, err := copied("puller")
	if err != nil || held.Type != source.Type || string(held.Data[corev1.DockerConfigJsonKey]) != string(source.Data[corev1.DockerConfigJsonKey]) {
		t.Fatalf("the copy is %v of type %s, %v", held.Data, held.Type, err)
	}
	if _, err := copied("no-puller"); !apierrors.IsNotFound(err) {
		t.Errorf("a tenant of another Region has a copy: %v", err)
	}
	set, err := managerSet(t.Context(), l, "puller")
	if err != nil {
		t.Fatal(err)
	}
	if got := set.Spec.Template.Spec.ImagePullSecrets; len(got) != 1 || got[0].Name != name {
		t.Errorf("the manager's pod pulls with %v", got)
	}

	source.Data[corev1.DockerConfigJsonKey] = []byte(`{"auths":{"registry.example.com":{"auth":"c2Vjb25k"}}}`)
	if err := l.Client.Update(t.Context(), source); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the copy follows", func(context.Context) (bool, error) {
		held, err := copied("puller")
		return err == nil && string(held.Data[corev1.DockerConfigJsonKey]) == string(source.Data[corev1.DockerConfigJsonKey]), err
	})
	if now, err := managerSet(t.Context(), l, "puller"); err != nil || now.Generation != set.Generation {
		t.Errorf("another password restarted the manager: %v", err)
	}

	change(t, l, region, func() { region.Spec.ImagePullSecrets = nil })
	eventually(t, "the copy is gone and nobody asks for it", func(ctx context.Context) (bool, error) {
		set, err := managerSet(ctx, l, "puller")
		if err != nil {
			return false, err
		}
		if _, err := copied("puller"); !apierrors.IsNotFound(err) || len(set.Spec.Template.Spec.ImagePullSecrets) > 0 {
			return false, fmt.Errorf("the pods pull with %v; the copy: %w", set.Spec.Template.Spec.ImagePullSecrets, err)
		}
		return true, nil
	})
}
