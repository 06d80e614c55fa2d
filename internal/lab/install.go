package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/soctalk/soctalk-ingress/charts"
	"github.com/soctalk/soctalk-ingress/internal/naming"
	"github.com/soctalk/soctalk-ingress/internal/standin"
)

// install puts kinds and rights into the cluster: the parts of the operator's
// chart that matter where the operator runs as a process of its own.
func (l *Lab) install(ctx context.Context) error {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: naming.DefaultSystemNamespace}}
	if err := l.Client.Create(ctx, namespace); err != nil {
		return fmt.Errorf("create namespace %q: %w", namespace.Name, err)
	}
	names, err := l.createKinds(ctx, charts.Operator, "soctalk-ingress/crds-source")
	if err != nil {
		return err
	}
	for account, role := range map[string]string{naming.Product: "files/role.yaml", EdgeAccount: "files/edge/role.yaml", HandoverAccount: "files/handover/role.yaml"} {
		if err := l.installRights(ctx, account, role); err != nil {
			return err
		}
	}
	if err := l.installLeases(ctx); err != nil {
		return err
	}
	return l.waitForKinds(ctx, names)
}

// installLeases makes the namespace of the edges' Leases, and who may do what there.
func (l *Lab) installLeases(ctx context.Context) error {
	if _, err := l.createFile(ctx, charts.Operator, "soctalk-ingress/files/edge/leases.yaml"); err != nil {
		return err
	}
	for _, account := range []string{naming.Product, EdgeAccount} {
		binding := &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: account, Namespace: naming.EdgeNamespace},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: account},
			Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Name: account, Namespace: naming.DefaultSystemNamespace}},
		}
		if err := l.Client.Create(ctx, binding); err != nil {
			return fmt.Errorf("install RoleBinding %q: %w", account, err)
		}
	}
	return nil
}

// createKinds creates the kinds in a folder of files, and returns their names.
func (l *Lab) createKinds(ctx context.Context, files fs.FS, folder string) ([]string, error) {
	entries, err := fs.ReadDir(files, folder)
	if err != nil {
		return nil, fmt.Errorf("read kinds: %w", err)
	}
	var names []string
	for _, entry := range entries {
		created, err := l.createFile(ctx, files, path.Join(folder, entry.Name()))
		if err != nil {
			return nil, err
		}
		names = append(names, created...)
	}
	return names, nil
}

// createFile creates the objects of a file, and returns their names.
func (l *Lab) createFile(ctx context.Context, files fs.FS, file string) (names []string, err error) {
	text, err := fs.ReadFile(files, file)
	if err != nil {
		return nil, fmt.Errorf("read what is to be installed: %w", err)
	}
	objects, err := decode(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	for _, object := range objects {
		if err := l.Client.Create(ctx, object); err != nil {
			return nil, fmt.Errorf("install %s %q: %w", object.GetKind(), object.GetName(), err)
		}
		names = append(names, object.GetName())
	}
	return names, nil
}

// installRights gives a service account the rights of a role the chart holds.
func (l *Lab) installRights(ctx context.Context, name, file string) error {
	text, err := fs.ReadFile(charts.Operator, "soctalk-ingress/"+file)
	if err != nil {
		return fmt.Errorf("read the operator's chart: %w", err)
	}
	var role rbacv1.ClusterRole
	if err := yaml.UnmarshalStrict(text, &role); err != nil {
		return fmt.Errorf("read role %s: %w", file, err)
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Name: name, Namespace: naming.DefaultSystemNamespace}},
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: naming.DefaultSystemNamespace}}
	for _, object := range []client.Object{&role, account, binding} {
		if err := l.Client.Create(ctx, object); err != nil {
			return fmt.Errorf("install %T %q: %w", object, object.GetName(), err)
		}
	}
	return nil
}

// waitForKinds returns when the API server serves the kinds.
func (l *Lab) waitForKinds(ctx context.Context, names []string) error {
	for _, name := range names {
		err := Until(ctx, 30*time.Second, "kind "+name+" is served", func(ctx context.Context) (bool, error) {
			object := &unstructured.Unstructured{}
			object.SetGroupVersionKind(apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition"))
			if err := l.Client.Get(ctx, types.NamespacedName{Name: name}, object); err != nil {
				return false, err
			}
			var kind apiextensionsv1.CustomResourceDefinition
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &kind); err != nil {
				return false, err
			}
			for _, condition := range kind.Status.Conditions {
				if condition.Type == apiextensionsv1.Established && condition.Status == apiextensionsv1.ConditionTrue {
					return true, nil
				}
			}
			return false, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// decode reads a stream of YAML documents.
func decode(text []byte) ([]*unstructured.Unstructured, error) {
	decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	var objects []*unstructured.Unstructured
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(object)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
}

func (l *Lab) startStandin(ctx context.Context, egress string) (*standin.StandIn, error) {
	arguments := []string{}
	if l.options.KeyReload > 0 {
		arguments = append(arguments, "--key-reload="+l.options.KeyReload.String(), "--state-interval="+l.options.KeyReload.String())
	}
	return standin.Start(ctx, standin.Options{
		Config:            l.Config,
		Dir:               path.Join(l.options.Dir, "nodes"),
		SimBinary:         l.options.Simulator,
		SimArgs:           arguments,
		GatewayBinary:     l.options.Program,
		Images:            l.options.Images,
		LoadBalancerRange: l.options.LoadBalancerRange, LoadBalancerAssigned: l.options.MetalLB != "",
		EgressSocket:      egress,
		OperatorNamespace: naming.DefaultSystemNamespace,
		OperatorLabels:    naming.OperatorPodLabels(),
		Log:               slog.New(slog.NewTextHandler(l.logs["standin"], nil)),
	})
}
