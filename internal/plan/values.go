package plan

import (
	"cmp"
	"maps"
	"strings"

	"github.com/soctalk/soctalk-ingress/api/v1alpha1"
	"github.com/soctalk/soctalk-ingress/internal/naming"
)

// values are the tenant chart's values for one tenant. They hold names and
// numbers, never a secret.
func values(in Input, place Placement) map[string]any {
	spec := in.Tenant.Spec
	return prune(map[string]any{
		"namespace": namespaceValues(in.Observed.Namespace),
		"tenant": map[string]any{
			"slug":        place.Slug,
			"displayName": spec.DisplayName,
			"region":      place.Region,
			"suspended":   spec.Suspended,
		},
		"wazuhIngress":  ingressValues(spec.WazuhIngress, place),
		"loadBalancer":  loadBalancerValues(spec.WazuhIngress, place),
		"certificate":   certificateValues(place),
		"enrollment":    enrollmentValues(place),
		"gateway":       gatewayValues(in, place),
		"api":           map[string]any{"create": false, "credentialsSecret": apiCredentials(spec.Manager), "tlsSecret": apiTLS(spec.Manager)},
		"dns":           dnsValues(in, place),
		"manager":       managerValues(spec.Manager, place),
		"edge":          edgeValues(place),
		"networkPolicy": policyValues(place),
		"operator":      map[string]any{"namespace": in.Operator.Namespace, "podLabels": labels(in.Operator.PodLabels)},
	})
}

func enrollmentValues(place Placement) map[string]any {
	mode := v1alpha1.EnrollmentDirect
	if place.Gateway {
		mode = v1alpha1.EnrollmentGateway
	}
	return map[string]any{"mode": string(mode), "create": false, "secretName": naming.SecretEnrollment}
}

// namespaceValues mark a namespace as ours to delete only if we make it: one that
// SocTalk or a person made outlives the tenant.
func namespaceValues(seen NamespaceState) map[string]any {
	ours := !seen.Exists || seen.CreatedByUs
	// What applies to a whole namespace (pod security, quota, default deny) is
	// ours to set only where the namespace is.
	out := map[string]any{"create": true, "ours": ours}
	if ours {
		out["annotations"] = map[string]any{naming.AnnotationCreatedBy: naming.Product}
	}
	return out
}

func ingressValues(ingress v1alpha1.WazuhIngress, place Placement) map[string]any {
	out := map[string]any{
		"mode":     string(place.Mode),
		"hostname": place.Hostname,
		"tls":      map[string]any{"secretName": place.TLSSecret},
	}
	if place.Agents >= wazuh5 {
		out["wazuh5Agents"] = string(v1alpha1.Wazuh5Unguarded)
	}
	if len(ingress.AllowedCIDRs) > 0 {
		out["allowedCIDRs"] = list(ingress.AllowedCIDRs)
	}
	if place.EdgePorts != nil {
		out["edgePorts"] = map[string]any{"events": int64(place.EdgePorts.Events), "enrollment": int64(place.EdgePorts.Enrollment), "https": int64(place.EdgePorts.HTTPS)}
	}
	return out
}

func loadBalancerValues(ingress v1alpha1.WazuhIngress, place Placement) map[string]any {
	if place.Mode != v1alpha1.ModeLoadBalancer {
		return nil
	}
	lb := place.RegionSpec.LoadBalancer
	annotations := maps.Clone(lb.Annotations)
	if annotations == nil {
		annotations = map[string]string{}
	}
	maps.Copy(annotations, ingress.ServiceAnnotations)
	out := map[string]any{
		"preset":                lb.Preset,
		"class":                 lb.Class,
		"pool":                  lb.Pool,
		"annotations":           labels(annotations),
		"externalTrafficPolicy": lb.ExternalTrafficPolicy,
	}
	if len(place.Addresses) > 0 {
		out["addresses"] = list(place.Addresses)
	}
	return out
}

// edgeValues let the Region's edges in where the policies cannot know their pods.
func edgeValues(place Placement) map[string]any {
	if place.Mode != v1alpha1.ModeEdgeHAProxy || len(place.RegionSpec.Edge.SourceCIDRs) == 0 {
		return nil
	}
	return map[string]any{"cidrs": list(place.RegionSpec.Edge.SourceCIDRs)}
}

// policyValues let in those who look after the load balancer's health.
func policyValues(place Placement) map[string]any {
	cidrs := place.RegionSpec.LoadBalancer.HealthCheckCIDRs
	if place.Mode != v1alpha1.ModeLoadBalancer || len(cidrs) == 0 {
		return nil
	}
	return map[string]any{"extraAgentCIDRs": list(cidrs)}
}

func list(in []string) []any {
	out := make([]any, len(in))
	for i, value := range in {
		out[i] = value
	}
	return out
}

// certificateValues ask cert-manager only where it is the one to sign.
func certificateValues(place Placement) map[string]any {
	switch place.Strategy {
	case v1alpha1.CertificateACME, v1alpha1.CertificateInternalCA:
		return map[string]any{"create": true, "issuer": map[string]any{
			"name": place.Issuer.Name, "kind": place.Issuer.Kind, "group": place.Issuer.Group,
		}}
	}
	return map[string]any{"create": false}
}

func managerValues(spec v1alpha1.ManagerSpec, place Placement) map[string]any {
	defaults := place.RegionSpec.Manager
	if spec.Attach != nil {
		out := map[string]any{"deploy": false, "selector": labels(spec.Attach.Selector)}
		if place.Alone {
			out["imagePullSecrets"] = pullSecrets(place)
			out["authd"] = map[string]any{
				"passwordSecret": spec.Attach.EnrollmentPasswordSecret,
				"caSecret":       spec.Attach.EnrollmentCASecret,
				"serverName":     spec.Attach.EnrollmentServerName,
			}
		}
		return out
	}
	deploy := v1alpha1.ManagerDeploy{}
	if spec.Deploy != nil {
		deploy = *spec.Deploy
	}
	return map[string]any{
		"deploy":  true,
		"version": cmp.Or(deploy.Version, defaults.Version),
		"image":   map[string]any{"repository": cmp.Or(deploy.Image, defaults.Image)},
		"storage": map[string]any{
			"size":      cmp.Or(deploy.StorageSize, defaults.StorageSize),
			"className": cmp.Or(deploy.StorageClass, defaults.StorageClass),
		},
		"imagePullSecrets": pullSecrets(place),
	}
}

// pullSecrets are the copies that the operator keeps beside the tenant's pods; nil
// where the registry asks nobody.
func pullSecrets(place Placement) any {
	if len(place.PullSecrets) == 0 {
		return nil
	}
	var out []any
	for _, name := range place.PullSecrets {
		out = append(out, map[string]any{"name": naming.PullSecret(name)})
	}
	return out
}

func apiCredentials(manager v1alpha1.ManagerSpec) string {
	if manager.Attach != nil {
		return cmp.Or(manager.Attach.APICredentialsSecret, naming.SecretAPI)
	}
	return naming.SecretAPI
}

func apiTLS(manager v1alpha1.ManagerSpec) string {
	if manager.Attach != nil {
		return ""
	}
	return naming.SecretAPITLS
}

func labels(in map[string]string) map[string]any {
	if len(in) == 0 {
		return nil
	}
	out := make(map[string]any, len(in))
	for key, value := range in {
		out[key] = value
	}
	return out
}

// prune drops what says nothing (nil, "", 0, empty maps) so that the chart's own
// defaults count and golden files show only what was decided. False stays.
func prune(in map[string]any) map[string]any {
	out := maps.Clone(in)
	for key, value := range out {
		switch v := value.(type) {
		case map[string]any:
			v = prune(v)
			out[key] = v
			if len(v) == 0 {
				delete(out, key)
			}
		case string:
			if strings.TrimSpace(v) == "" {
				delete(out, key)
			}
		case int64:
			if v == 0 {
				delete(out, key)
			}
		case nil:
			delete(out, key)
		}
	}
	return out
}
