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

{{- /* For a pod's spec, which is indented by six. */ -}}
{{- define "operator.pullSecrets" -}}
{{- with .Values.imagePullSecrets }}
      imagePullSecrets:
        {{- range . }}
        - name: {{ . }}
        {{- end }}
{{- end }}
{{- end -}}

{{- /* The program, whatever it is started as. */ -}}
{{- define "operator.image" -}}
"{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
{{- end -}}
