package policy_test

import (
	"net/netip"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"

	"github.com/soctalk/soctalk-ingress/internal/standin/policy"
)

// The cast: a manager of tenant acme, one of tenant beta, the operator, and a
// host on the internet.
var (
	acme     = pod("tenant-acme", "10.244.0.1", map[string]string{"tenant": "true", "slug": "acme"}, map[string]string{"app": "manager"})
	beta     = pod("tenant-beta", "10.244.0.2", map[string]string{"tenant": "true", "slug": "beta"}, map[string]string{"app": "manager"})
	operator = pod("soctalk-system", "10.244.0.3", map[string]string{"system": "true"}, map[string]string{"app": "operator"})
	internet = policy.Peer{IP: netip.MustParseAddr("203.0.113.7")}
	mapped   = policy.Peer{IP: netip.MustParseAddr("::ffff:203.0.113.7")}
)

func pod(namespace, ip string, namespaceLabels, podLabels map[string]string) policy.Peer {
	return policy.Peer{IP: netip.MustParseAddr(ip), Namespace: namespace, NamespaceLabels: namespaceLabels,
		PodLabels: podLabels, NamedPorts: map[string]int32{"events": 1514, "api": 55000}}
}

const (
	denyAll   = `{metadata: {name: deny, namespace: tenant-acme}, spec: {podSelector: {}, policyTypes: [Ingress]}}`
	denyOther = `{metadata: {name: deny, namespace: tenant-acme}, spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress]}}`
	openPorts = `{metadata: {name: agents, namespace: tenant-acme}, spec: {podSelector: {matchLabels: {app: manager}},
		ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0, except: [198.51.100.0/24]}}], ports: [{port: events, protocol: TCP}, {port: 1515}]}]}}`
	operatorAPI = `{metadata: {name: api, namespace: tenant-acme}, spec: {podSelector: {}, policyTypes: [Ingress],
		ingress: [{from: [{namespaceSelector: {matchLabels: {system: "true"}}, podSelector: {matchLabels: {app: operator}}}], ports: [{port: api}]}]}}`
	sameNamespace = `{metadata: {name: same, namespace: tenant-acme}, spec: {podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}}`
	anyNamespace  = `{metadata: {name: any, namespace: tenant-acme}, spec: {podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}}`
	portRange     = `{metadata: {name: range, namespace: tenant-acme}, spec: {podSelector: {}, ingress: [{ports: [{port: 1000, endPort: 2000}]}]}}`
	udpOnly       = `{metadata: {name: udp, namespace: tenant-acme}, spec: {podSelector: {}, ingress: [{ports: [{port: 1514, protocol: UDP}]}]}}`
	badName       = `{metadata: {name: bad, namespace: tenant-acme}, spec: {podSelector: {}, ingress: [{ports: [{port: no-such-name}]}]}}`
	emptyIngress  = `{metadata: {name: empty, namespace: tenant-acme}, spec: {podSelector: {}, ingress: [{}]}}`
	noEgress      = `{metadata: {name: locked, namespace: tenant-beta}, spec: {podSelector: {}, policyTypes: [Egress]}}`
	egressToAcme  = `{metadata: {name: out, namespace: tenant-beta}, spec: {podSelector: {}, egress: [{to: [{namespaceSelector: {matchLabels: {slug: acme}}}], ports: [{port: 1514}]}]}}`
	elsewhere     = `{metadata: {name: elsewhere, namespace: tenant-gamma}, spec: {podSelector: {}, policyTypes: [Ingress, Egress]}}`
	podNetwork    = `{metadata: {name: podnet, namespace: tenant-acme}, spec: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.244.0.0/24}}]}]}}`
)

func TestJudge(t *testing.T) {
	for name, c := range map[string]struct {
		policies []string
		from     policy.Peer
		port     int32
		want     bool
	}{
		"no policy admits":                        {nil, internet, 1514, true},
		"another namespace's policy is no matter": {[]string{elsewhere}, beta, 1514, true},
		"deny all":                           {[]string{denyAll}, internet, 1514, false},
		"deny for other pods only":           {[]string{denyOther}, internet, 1514, true},
		"ip block and named port":            {[]string{denyAll, openPorts}, internet, 1514, true},
		"ipv4 in ipv6 clothes":               {[]string{denyAll, openPorts}, mapped, 1514, true},
		"second port of the rule":            {[]string{denyAll, openPorts}, internet, 1515, true},
		"port not listed":                    {[]string{denyAll, openPorts}, internet, 55000, false},
		"excepted block":                     {[]string{openPorts}, policy.Peer{IP: netip.MustParseAddr("198.51.100.9")}, 1514, false},
		"types default to ingress":           {[]string{openPorts}, internet, 55000, false},
		"operator reaches the api":           {[]string{denyAll, operatorAPI}, operator, 55000, true},
		"operator reaches nothing else":      {[]string{denyAll, operatorAPI}, operator, 1514, false},
		"other tenant is not the operator":   {[]string{operatorAPI}, beta, 55000, false},
		"the internet is not a pod":          {[]string{anyNamespace}, internet, 1514, false},
		"pod selector means own namespace":   {[]string{sameNamespace}, beta, 1514, false},
		"own namespace":                      {[]string{sameNamespace}, acme, 1514, true},
		"any namespace":                      {[]string{anyNamespace}, beta, 1514, true},
		"port range":                         {[]string{portRange}, internet, 1514, true},
		"outside the port range":             {[]string{portRange}, internet, 2001, false},
		"udp rule does not open tcp":         {[]string{udpOnly}, internet, 1514, false},
		"unknown port name opens nothing":    {[]string{badName}, internet, 0, false},
		"empty rule admits all":              {[]string{denyAll, emptyIngress}, beta, 9, true},
		"source may not leave":               {[]string{noEgress}, beta, 1514, false},
		"source may leave to there":          {[]string{noEgress, egressToAcme}, beta, 1514, true},
		"source may leave to that port only": {[]string{noEgress, egressToAcme}, beta, 1515, false},
		"egress does not isolate others":     {[]string{noEgress}, operator, 1514, true},
		"ip block may name pods":             {[]string{podNetwork}, beta, 1514, true},
	} {
		t.Run(name, func(t *testing.T) {
			got := policy.Judge(parse(t, c.policies), c.from, acme, c.port)
			if got.Admitted != c.want {
				t.Errorf("admitted %v (%s), want %v", got.Admitted, got.Reason, c.want)
			}
			if !got.Admitted && !strings.Contains(got.Reason, "isolated by tenant-") {
				t.Errorf("reason %q does not name the policy", got.Reason)
			}
		})
	}
}

func parse(t *testing.T, texts []string) []*networkingv1.NetworkPolicy {
	t.Helper()
	var policies []*networkingv1.NetworkPolicy
	for _, text := range texts {
		var p networkingv1.NetworkPolicy
		if err := yaml.UnmarshalStrict([]byte(strings.ReplaceAll(text, "\t", " ")), &p); err != nil {
			t.Fatal(err)
		}
		policies = append(policies, &p)
	}
	return policies
}

func TestInRanges(t *testing.T) {
	for _, c := range []struct {
		ranges []string
		ip     string
		want   bool
	}{
		{nil, "203.0.113.7", true},
		{[]string{"203.0.113.0/24"}, "203.0.113.7", true},
		{[]string{"198.51.100.0/24", " 203.0.113.7/32 "}, "203.0.113.7", true},
		{[]string{"198.51.100.0/24"}, "203.0.113.7", false},
		{[]string{"nonsense"}, "203.0.113.7", false},
	} {
		if got := policy.InRanges(c.ranges, netip.MustParseAddr(c.ip)); got != c.want {
			t.Errorf("%q in %q: %v, want %v", c.ip, c.ranges, got, c.want)
		}
	}
}
