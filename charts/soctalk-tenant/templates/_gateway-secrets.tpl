{{/*
What the gateway needs when nobody but Helm is there to make it; the argument has
the root and the digest of the enrollment secret. The policy's generation goes up
when, and only when, what it says has changed.
*/}}
{{- define "tenant.gatewaySecrets" -}}
{{- $root := .root }}
{{- $namespace := $root.Release.Namespace }}
{{- $old := (lookup "v1" "Secret" $namespace "wazuh-authd-internal") | default dict }}
{{- $internal := get ($old.data | default dict) "authd.pass" }}
{{- if not $internal }}
{{- $internal = printf "%s\n" (randAlphaNum 64) | b64enc }}
{{- end }}
---
# The password authd asks for; only authd and the gateway know it.
apiVersion: v1
kind: Secret
metadata:
  name: wazuh-authd-internal
  namespace: {{ $namespace }}
  labels:
    {{- include "tenant.labels" $root | nindent 4 }}
  annotations:
    helm.sh/resource-policy: keep
type: Opaque
data:
  authd.pass: {{ $internal }}
{{- $old = (lookup "v1" "Secret" $namespace "wazuh-gateway-admin") | default dict }}
{{- $admin := $old.data | default dict }}
{{- if not (and (get $admin "tls.crt") (get $admin "tls.key") (get $admin "token")) }}
{{- $pair := genSelfSignedCert (printf "wazuh-gateway.%s.svc" $namespace) nil (list (printf "wazuh-gateway.%s.svc" $namespace)) 3650 }}
{{- $admin = dict "tls.crt" ($pair.Cert | b64enc) "tls.key" ($pair.Key | b64enc) "ca.crt" ($pair.Cert | b64enc) "token" (randAlphaNum 64 | b64enc) }}
{{- end }}
---
# Certificate and bearer token of the gateway's admin port.
apiVersion: v1
kind: Secret
metadata:
  name: wazuh-gateway-admin
  namespace: {{ $namespace }}
  labels:
    {{- include "tenant.labels" $root | nindent 4 }}
  annotations:
    helm.sh/resource-policy: keep
type: Opaque
data:
  {{- toYaml $admin | nindent 2 }}
{{- $want := dict "secret" .digest }}
{{- if $root.Values.tenant.suspended }}
{{- $_ := set $want "suspended" true }}
{{- end }}
{{- $old = (lookup "v1" "Secret" $namespace "wazuh-gateway-policy") | default dict }}
{{- $have := get ($old.data | default dict) "policy.json" | b64dec | default "{}" | fromJson }}
{{- $generation := get $have "generation" | default 0 | int64 }}
{{- if ne (toJson $want) (toJson (omit $have "generation")) }}
{{- $generation = add $generation 1 }}
{{- end }}
---
# What the gateway obeys. It holds digests, no secrets.
apiVersion: v1
kind: Secret
metadata:
  name: wazuh-gateway-policy
  namespace: {{ $namespace }}
  labels:
    {{- include "tenant.labels" $root | nindent 4 }}
  annotations:
    helm.sh/resource-policy: keep
type: Opaque
data:
  policy.json: {{ merge (dict "generation" $generation) $want | toJson | b64enc }}
{{- end }}
