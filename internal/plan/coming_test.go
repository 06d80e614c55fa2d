package plan

import (
	"errors"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
)

// comingWorld is a tenant as it runs, in a Region that still says what it said.
func comingWorld(mode v1alpha1.IngressMode) (v1alpha1.Tenant, v1alpha1.Region) {
	region := v1alpha1.Region{ObjectMeta: metav1.ObjectMeta{Name: "eu"}, Spec: v1alpha1.RegionSpec{
		Domain: "soc.mssp.example.com", Default: true, DefaultMode: mode,
		Edge: &v1alpha1.EdgeSpec{Addresses: []string{"198.51.100.10", "198.51.100.11"}, Ports: v1alpha1.PortRange{First: 15140, Last: 15160}},
	}}
	tenant := v1alpha1.Tenant{ObjectMeta: metav1.ObjectMeta{Name: "acme"}}
	tenant.Status = v1alpha1.TenantStatus{
		Region: "eu", Mode: mode, Hostname: "acme.soc.mssp.example.com", Address: "198.51.100.10",
		Ports:       []v1alpha1.PortStatus{{Name: "events", Port: 1514}, {Name: "enrollment", Port: 1515}},
		Certificate: &v1alpha1.CertificateStatus{Strategy: v1alpha1.CertificateBuiltInCA},
		Enrollment:  &v1alpha1.EnrollmentStatus{Mode: v1alpha1.EnrollmentGateway},
		Manager:     &v1alpha1.ManagerStatus{Version: "v4.14.6"},
	}
	if mode == v1alpha1.ModeEdgeHAProxy {
		tenant.Status.EdgePorts = &v1alpha1.EdgePorts{Events: 15142, Enrollment: 15143}
		tenant.Status.Ports = []v1alpha1.PortStatus{{Name: "events", Port: 15142}, {Name: "enrollment", Port: 15143}}
	}
	return tenant, region
}

// What a Region or a tenant asks for anew is told beside what the tenant has.
func TestWhatIsToCome(t *testing.T) {
	lb, edge := v1alpha1.ModeLoadBalancer, v1alpha1.ModeEdgeHAProxy
	for name, c := range map[string]struct {
		mode   v1alpha1.IngressMode
		change func(tenant *v1alpha1.Tenant, region *v1alpha1.Region)
		want   []Change
	}{
		"nothing":              {lb, func(*v1alpha1.Tenant, *v1alpha1.Region) {}, nil},
		"nothing, at the edge": {edge, func(*v1alpha1.Tenant, *v1alpha1.Region) {}, nil},
		"a tenant never placed": {lb, func(tenant *v1alpha1.Tenant, _ *v1alpha1.Region) {
			tenant.Status = v1alpha1.TenantStatus{}
		}, nil},
		"a tenant that leaves": {lb, func(tenant *v1alpha1.Tenant, region *v1alpha1.Region) {
			tenant.DeletionTimestamp, region.Spec.Domain = &metav1.Time{}, "other.example.com"
		}, nil},
		"a domain": {lb, func(_ *v1alpha1.Tenant, region *v1alpha1.Region) {
			region.Spec.Domain = "other.example.com"
		}, []Change{{ChangeHostname, "acme.soc.mssp.example.com", "acme.other.example.com"}}},
		"who answers on the enrollment port": {lb, func(_ *v1alpha1.Tenant, region *v1alpha1.Region) {
			region.Spec.Enrollment = v1alpha1.EnrollmentDirect
		}, []Change{{ChangeEnrollment, "gateway", "direct"}}},
		"a major version": {lb, func(_ *v1alpha1.Tenant, region *v1alpha1.Region) {
			region.Spec.Manager.Version = "5.0.0-rc1"
		}, []Change{{ChangeManager, "4.14.6", "5.0.0"}}},
		"a version the manager tells in part": {lb, func(tenant *v1alpha1.Tenant, region *v1alpha1.Region) {
			region.Spec.Manager.Version, tenant.Status.Manager.Version = "5.0.0-rc1", "v5.0.0"
		}, nil},
		"a version that is another's business": {lb, func(tenant *v1alpha1.Tenant, region *v1alpha1.Region) {
			tenant.Spec.Manager.Attach = &v1alpha1.ManagerAttach{Selector: map[string]string{"app": "wazuh"}}
			tenant.Status.Enrollment.Mode, region.Spec.Manager.Version = v1alpha1.EnrollmentDirect, "4.14.7"
		}, nil},
		"certificates": {lb, func(_ *v1alpha1.Tenant, region *v1alpha1.Region) {
			region.Spec.Certificates = v1alpha1.CertificatesSpec{Strategy: v1alpha1.CertificateACME, IssuerRef: &v1alpha1.IssuerRef{Name: "letsencrypt"}}
		}, []Change{{ChangeCertificate, "built-in-ca", "acme"}}},
		"the edge's second address is as good": {edge, func(tenant *v1alpha1.Tenant, _ *v1alpha1.Region) {
			tenant.Status.Address = "198.51.100.11"
		}, nil},
		"the edge's addresses": {edge, func(_ *v1alpha1.Tenant, region *v1alpha1.Region) {
			region.Spec.Edge.Addresses = []string{"198.51.100.20"}
		}, []Change{{ChangeAddress, "198.51.100.10", "198.51.100.20"}}},
		"a pinned pair": {edge, func(tenant *v1alpha1.Tenant, _ *v1alpha1.Region) {
			tenant.Spec.WazuhIngress.EdgePorts = &v1alpha1.EdgePorts{Events: 15150, Enrollment: 15151}
		}, []Change{{ChangePorts, "15142/15143", "15150/15151"}}},
		"to the load balancer": {edge, func(_ *v1alpha1.Tenant, region *v1alpha1.Region) {
			region.Spec.DefaultMode = lb
		}, []Change{{ChangeMode, "edge-haproxy", "loadbalancer"}, {ChangePorts, "15142/15143", "1514/1515"}}},
		"to the edge: the pair is not chosen yet": {lb, func(_ *v1alpha1.Tenant, region *v1alpha1.Region) {
			region.Spec.DefaultMode, region.Spec.Edge.Addresses = edge, []string{"198.51.100.20"}
		}, []Change{{ChangeMode, "loadbalancer", "edge-haproxy"}, {ChangeAddress, "198.51.100.10", "198.51.100.20"}}},
	} {
		t.Run(name, func(t *testing.T) {
			tenant, region := comingWorld(c.mode)
			c.change(&tenant, &region)
			got, err := Coming(tenant, []v1alpha1.Region{region})
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("got %v, %v; want %v", got, err, c.want)
			}
		})
	}
}

// A spec that cannot be carried out brings nothing, and says why.
func TestNothingComesOfAWrongSpec(t *testing.T) {
	tenant, region := comingWorld(v1alpha1.ModeLoadBalancer)
	tenant.Spec.Region, region.Spec.Domain = "nowhere", "other.example.com"
	got, err := Coming(tenant, []v1alpha1.Region{region})
	var problem *Problem
	if got != nil || !errors.As(err, &problem) || problem.Reason != v1alpha1.ReasonRegionNotFound {
		t.Errorf("got %v, %v", got, err)
	}
}
