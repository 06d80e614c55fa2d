package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/soctalk/soctalk-ingress/charts"
	"github.com/soctalk/soctalk-ingress/internal/console"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// Roles of the chart for people.
const (
	RoleViewer   = "viewer"
	RoleOperator = "operator"
	RoleAccess   = "access"
)

// Console serves the console on a loopback address until the context ends, and returns
// its URL. It is given no credentials at all. What it is told beside may depend on the URL.
func (l *Lab) Console(ctx context.Context, log io.Writer, adjust ...func(url string, options *console.Options) error) (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	options := console.Options{
		Cluster: rest.AnonymousClientConfig(l.Config), Scheme: l.Client.Scheme(), Version: "lab", Plain: true,
		Edges: naming.DefaultSystemNamespace, Links: "https://onboard.mssp.example.com", Log: slog.New(slog.NewJSONHandler(log, nil)),
	}
	url := "http://" + listener.Addr().String()
	for _, change := range adjust {
		if err := change(url, &options); err != nil {
			return "", errors.Join(err, listener.Close())
		}
	}
	go func() {
		if err := console.Serve(ctx, console.Site{Listener: listener}, options); err != nil {
			l.say("console: " + err.Error())
		}
	}()
	return url, nil
}

// PersonToken is a token of a person who has roles of the chart in the whole cluster, and
// no other right.
func (l *Lab) PersonToken(ctx context.Context, name string, roles ...string) (string, error) {
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: naming.DefaultSystemNamespace}}
	if err := l.Client.Create(ctx, account); err != nil && !apierrors.IsAlreadyExists(err) {
		return "", err
	}
	for _, file := range roles {
		if err := l.Bind(ctx, name, file, ""); err != nil {
			return "", err
		}
	}
	seconds := int64((2 * time.Hour).Seconds())
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}
	if err := l.Client.SubResource("token").Create(ctx, account, request); err != nil {
		return "", fmt.Errorf("ask for a token of %s: %w", name, err)
	}
	return request.Status.Token, nil
}

// Bind gives a person a role of the chart in one namespace; empty means in all.
func (l *Lab) Bind(ctx context.Context, name, file, namespace string) error {
	text, err := fs.ReadFile(charts.Operator, "soctalk-ingress/files/console/"+file+".yaml")
	if err != nil {
		return err
	}
	var role rbacv1.ClusterRole
	if err := yaml.UnmarshalStrict(text, &role); err != nil {
		return fmt.Errorf("read role %s: %w", file, err)
	}
	meta := metav1.ObjectMeta{Name: role.Name + "-" + name, Namespace: namespace}
	ref := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name}
	subjects := []rbacv1.Subject{{Kind: "ServiceAccount", Name: name, Namespace: naming.DefaultSystemNamespace}}
	var binding client.Object = &rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: ref, Subjects: subjects}
	if namespace == "" {
		binding = &rbacv1.ClusterRoleBinding{ObjectMeta: meta, RoleRef: ref, Subjects: subjects}
	}
	for _, object := range []client.Object{&role, binding} {
		if err := l.Client.Create(ctx, object); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("install %T %q: %w", object, object.GetName(), err)
		}
	}
	return nil
}
