{{/*
The ingress values in force, as YAML. Three spellings are in use; field by field
the first that says something wins: wazuhIngress, tenant.wazuhIngress,
agentIngress. The defaults of every field are here and nowhere else.
*/}}
{{- define "tenant.ingress" -}}
{{- $first := .Values.wazuhIngress | default dict }}
{{- $second := .Values.tenant.wazuhIngress | default dict }}
{{- $third := .Values.agentIngress | default dict }}
{{- $tls1 := $first.tls | default dict }}
{{- $tls2 := $second.tls | default dict }}
{{- $tls3 := $third.tls | default dict }}
mode: {{ coalesce $first.mode $second.mode "loadbalancer" }}
hostname: {{ coalesce $first.hostname $second.hostname $third.hostname "" | quote }}
allowedCIDRs: {{ coalesce $first.allowedCIDRs $second.allowedCIDRs list | toJson }}
wazuh5Agents: {{ coalesce $first.wazuh5Agents $second.wazuh5Agents "closed" }}
edgePorts: {{ coalesce $first.edgePorts $second.edgePorts | default dict | toJson }}
issuerRef: {{ coalesce $tls1.issuerRef $tls2.issuerRef $tls3.issuerRef "letsencrypt-prod" | quote }}
tlsSecret: {{ coalesce $tls1.secretName $tls2.secretName $tls3.secretName "wazuh-tls" | quote }}
{{- end }}

{{/* The Service's annotations, as YAML: preset, then external-dns, then the user's. */}}
{{- define "tenant.serviceAnnotations" -}}
{{- $lb := .Values.loadBalancer }}
{{- $ingress := include "tenant.ingress" . | fromYaml }}
{{- $preset := include "tenant.preset" . | fromYaml }}
{{- $out := dict }}
{{- if eq $ingress.mode "loadbalancer" }}
{{- $out = merge $out ($preset.annotations | default dict) }}
{{- if $lb.pool }}
{{- $_ := set $out $preset.poolAnnotation $lb.pool }}
{{- end }}
{{- if and $lb.addresses $preset.addressAnnotation }}
{{- $_ := set $out $preset.addressAnnotation (join "," $lb.addresses) }}
{{- end }}
{{- end }}
{{- if .Values.dns.publish }}
{{- /* external-dns read the alpha prefix up to 0.21 and the other one since. */}}
{{- range $prefix := list "external-dns.kubernetes.io/" "external-dns.alpha.kubernetes.io/" }}
{{- $_ := set $out (print $prefix "hostname") $ingress.hostname }}
{{- $_ := set $out (print $prefix "ttl") (printf "%d" (int64 $.Values.dns.ttl)) }}
{{- with $.Values.dns.targets }}
{{- $_ := set $out (print $prefix "target") (join "," .) }}
{{- end }}
{{- end }}
{{- end }}
{{- if eq $ingress.mode "loadbalancer" }}
{{- $out = merge (deepCopy $lb.annotations) $out }}
{{- end }}
{{- toYaml $out }}
{{- end }}

{{- define "tenant.preset" -}}
{{- $presets := .Files.Get "files/presets.yaml" | fromYaml }}
{{- if .Values.loadBalancer.preset }}
{{- get $presets .Values.loadBalancer.preset | toYaml }}
{{- else -}}
{}
{{- end }}
{{- end }}

{{/* Sources the load balancer itself lets in; empty means everywhere. */}}
{{- define "tenant.sourceRanges" -}}
{{- $ingress := include "tenant.ingress" . | fromYaml -}}
{{- coalesce .Values.loadBalancer.sourceRanges $ingress.allowedCIDRs list | toJson -}}
{{- end }}

{{/*
The families of the addresses asked for, where they are not the cluster's first:
a Service gets an IPv6 address only if it is an IPv6 Service. On EKS the values
are allocation ids, which say nothing of families.
*/}}
{{- define "tenant.addressFamilies" -}}
{{- $families := list }}
{{- range .Values.loadBalancer.addresses }}
{{- $families = append $families (ternary "IPv6" "IPv4" (contains ":" .)) }}
{{- end }}
{{- ternary $families list (has "IPv6" $families) | toJson -}}
{{- end }}

{{/*
"yes" where NetworkPolicies are made. A policy that selects a pod also closes it
to everybody no policy names: for a manager we run that is the point, for one
somebody else runs it would cut off its cluster's other nodes (1516) and its
dashboard (55000), so there it must be asked for.
*/}}
{{- define "tenant.policies" -}}
{{- if and .Values.networkPolicy.create (or .Values.manager.deploy .Values.networkPolicy.attached) -}}
yes
{{- end -}}
{{- end }}

{{/*
"yes" where a cloud's health checks would be refused: EKS asks the pods
themselves, from addresses that are no agent's.
*/}}
{{- define "tenant.healthChecksRefused" -}}
{{- $ingress := include "tenant.ingress" . | fromYaml }}
{{- $ranges := include "tenant.sourceRanges" . | fromJsonArray }}
{{- $local := eq .Values.loadBalancer.externalTrafficPolicy "Local" }}
{{- if and (eq $ingress.mode "loadbalancer") (eq .Values.loadBalancer.preset "eks") $ranges $local (not .Values.networkPolicy.extraAgentCIDRs) (eq (include "tenant.policies" .) "yes") -}}
yes
{{- end -}}
{{- end }}

{{/* Image reference; the argument is a list of the root, the image values and the version. */}}
{{- define "tenant.image" -}}
{{- $root := index . 0 }}{{ $image := index . 1 }}{{ $version := index . 2 }}
{{- $name := $image.repository }}
{{- with $root.Values.global.imageRegistry }}{{ $name = printf "%s/%s" (trimSuffix "/" .) $name }}{{ end }}
{{- if $image.digest -}}
{{ printf "%s:%s@%s" $name ($image.tag | default $version) $image.digest }}
{{- else -}}
{{ printf "%s:%s" $name ($image.tag | default $version) }}
{{- end }}
{{- end }}

{{/*
The ports in force, as JSON. Agents of Wazuh 5 speak to 1517 and to nothing
else, and enroll there at the manager itself, past the gateway: that port is open
only where somebody asked for it in as many words. A list in the values is taken
as it is.
*/}}
{{- define "tenant.ports" -}}
{{- $ports := .Values.ports }}
{{- $ingress := include "tenant.ingress" . | fromYaml }}
{{- if not $ports }}
{{- $ports = list (dict "name" "events" "port" 1514) (dict "name" "enrollment" "port" 1515) }}
{{- if and (ge (include "tenant.major" . | int) 5) (eq $ingress.wazuh5Agents "unguarded") }}
{{- $ports = append $ports (dict "name" "https" "port" 1517) }}
{{- end }}
{{- end }}
{{- toJson $ports }}
{{- end }}

{{/* The number of a named port, or 0. */}}
{{- define "tenant.port" -}}
{{- $name := index . 1 }}{{ $number := 0 }}
{{- range include "tenant.ports" (index . 0) | fromJsonArray }}{{ if eq .name $name }}{{ $number = .port }}{{ end }}{{ end }}
{{- int64 $number }}
{{- end }}

{{/* "5" for Wazuh 5, pre-releases included. */}}
{{- define "tenant.major" -}}
{{- (semver .Values.manager.version).Major -}}
{{- end }}

{{/* Where the manager sends its alerts, or nothing. */}}
{{- define "tenant.indexerURL" -}}
{{- if .Values.indexer.deploy -}}
{{ printf "https://wazuh-indexer.%s.svc:9200" .Release.Namespace }}
{{- else -}}
{{ .Values.indexer.url }}
{{- end -}}
{{- end }}
