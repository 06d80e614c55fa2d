{{/* From where agents come, as sources of a NetworkPolicy's rule. */}}
{{- define "tenant.agentSources" -}}
{{- $ingress := include "tenant.ingress" . | fromYaml }}
{{- $edge := coalesce .Values.edge.namespace .Values.operator.namespace }}
{{- if eq $ingress.mode "edge-haproxy" }}
- namespaceSelector:
    matchLabels:
      kubernetes.io/metadata.name: {{ $edge }}
  podSelector:
    matchLabels:
      {{- toYaml .Values.edge.podLabels | nindent 6 }}
{{- range .Values.edge.cidrs }}
- ipBlock:
    cidr: {{ . | quote }}
{{- end }}
{{- else }}
{{- $cidrs := include "tenant.sourceRanges" . | fromJsonArray }}
{{- if or (not $cidrs) (eq .Values.loadBalancer.externalTrafficPolicy "Cluster") }}
{{- if $cidrs }}
# With externalTrafficPolicy Cluster a node's address has replaced the
# agent's by now; loadBalancerSourceRanges has checked it before.
{{- end }}
- ipBlock:
    cidr: 0.0.0.0/0
# Whatever manager.ipv6 says: it opens nothing where nobody listens, and
# what an attached manager listens on is not known here.
- ipBlock:
    cidr: ::/0
{{- else }}
{{- range concat $cidrs .Values.networkPolicy.extraAgentCIDRs | uniq }}
- ipBlock:
    cidr: {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
