{{- /* The labels the tenants' network policies let in; internal/naming has the same. */ -}}
{{- define "operator.podLabels" -}}
app.kubernetes.io/name: soctalk-ingress
app.kubernetes.io/component: operator
{{- end -}}

{{- define "operator.labels" -}}
{{ include "operator.podLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}
