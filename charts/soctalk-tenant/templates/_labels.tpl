{{/* Labels of every object; the argument is the root. */}}
{{- define "tenant.labels" -}}
app.kubernetes.io/managed-by: soctalk-ingress
app.kubernetes.io/name: wazuh
app.kubernetes.io/part-of: soctalk
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
ingress.soctalk.io/tenant: {{ .Values.tenant.slug | quote }}
{{- with .Values.tenant.region }}
ingress.soctalk.io/region: {{ . | quote }}
{{- end }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Labels all our own pods carry, manager and indexer, and nobody else's. */}}
{{- define "tenant.podLabels" -}}
app.kubernetes.io/name: wazuh
ingress.soctalk.io/tenant: {{ .Values.tenant.slug | quote }}
{{- end }}

{{/* Labels of the manager's pods when this chart runs them. They never change:
     selectors of a StatefulSet cannot. */}}
{{- define "tenant.managerLabels" -}}
app.kubernetes.io/name: wazuh
app.kubernetes.io/component: manager
ingress.soctalk.io/tenant: {{ .Values.tenant.slug | quote }}
{{- end }}

{{- define "tenant.indexerLabels" -}}
app.kubernetes.io/name: wazuh
app.kubernetes.io/component: indexer
ingress.soctalk.io/tenant: {{ .Values.tenant.slug | quote }}
{{- end }}

{{/* What Services and policies select: our own manager, or an existing one. */}}
{{- define "tenant.managerSelector" -}}
{{- if .Values.manager.deploy -}}
{{ include "tenant.managerLabels" . }}
{{- else -}}
{{ toYaml .Values.manager.selector }}
{{- end -}}
{{- end }}
