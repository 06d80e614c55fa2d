{{/* "yes" where our gateway answers on the enrollment port, in the manager's pod. */}}
{{- define "tenant.gateway" -}}
{{- if and .Values.manager.deploy (eq .Values.enrollment.mode "gateway") -}}
yes
{{- end -}}
{{- end }}

{{/* "yes" where it answers in a pod of its own, in front of a manager somebody else runs. */}}
{{- define "tenant.gatewayAlone" -}}
{{- if and (not .Values.manager.deploy) (eq .Values.enrollment.mode "gateway") .Values.manager.authd.passwordSecret -}}
yes
{{- end -}}
{{- end }}

{{/* Labels of that pod: none by which anybody selects a manager. */}}
{{- define "tenant.gatewayLabels" -}}
app.kubernetes.io/name: wazuh-gateway
app.kubernetes.io/component: gateway
ingress.soctalk.io/tenant: {{ .Values.tenant.slug | quote }}
{{- end }}

{{/* The port authd listens on. Behind the gateway it is in no Service and no policy. */}}
{{- define "tenant.authdPort" -}}
{{- ternary "11515" (include "tenant.port" (list . "enrollment")) (eq (include "tenant.gateway" .) "yes") -}}
{{- end }}

{{/* The Secret with the password authd itself asks for. */}}
{{- define "tenant.authdSecret" -}}
{{- ternary "wazuh-authd-internal" .Values.enrollment.secretName (eq (include "tenant.gateway" .) "yes") -}}
{{- end }}

{{/*
The container's user has no right to what root made on the volume. This gives it
its one folder, and nothing else.
*/}}
{{- define "tenant.gatewayInit" -}}
- name: gateway-state
  image: {{ include "tenant.image" (list . .Values.manager.image .Values.manager.version) | quote }}
  imagePullPolicy: {{ .Values.manager.image.pullPolicy }}
  command: [chown, "65532:65532", /var/lib/gateway]
  securityContext:
    runAsUser: 0
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    capabilities:
      drop: [ALL]
      add: [CHOWN]
  {{- with .Values.gateway.resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  volumeMounts:
    - name: data
      mountPath: /var/lib/gateway
      subPath: gateway
{{- end }}

{{/*
The gateway. It has no readiness probe: what concerns the enrollment port alone says
nothing about the events port. That a gateway which ends again and again makes the
pod unready all the same does not matter to agents: the Service leads to the pod
whether it is ready or not.
*/}}
{{- define "tenant.gatewayContainer" -}}
{{- $alone := eq (include "tenant.gatewayAlone" .) "yes" }}
- name: gateway
  image: {{ include "tenant.image" (list . .Values.gateway.image .Chart.Version) | quote }}
  imagePullPolicy: {{ .Values.gateway.image.pullPolicy }}
  args:
    - gateway
    - --listen=:{{ include "tenant.port" (list . "enrollment") }}
    - --admin-address=:9515
    - --metrics-address=:9516
    {{- if $alone }}
    - --manager=wazuh-manager-pods.{{ .Release.Namespace }}.svc:{{ include "tenant.authdPort" . }}
    - --manager-ca-file=/run/gateway/manager-ca/ca.crt
    {{- with .Values.manager.authd.serverName }}
    - --manager-name={{ . }}
    {{- end }}
    {{- else }}
    - --manager=127.0.0.1:{{ include "tenant.authdPort" . }}
    {{- end }}
    {{- if and (not $alone) (semverCompare "<4.6.0-0" .Values.manager.version) }}
    # authd before 4.6 would not read the group that comes after it.
    - --omit-agent-version
    {{- end }}
    - --manager-password-file=/run/gateway/internal/authd.pass
    - --cert-dir=/run/gateway/tls
    - --policy-dir=/run/gateway/policy
    - --admin-cert-dir=/run/gateway/admin
    - --admin-token-file=/run/gateway/admin/token
    - --state-dir=/var/lib/gateway
  ports:
    - name: enrollment
      containerPort: {{ include "tenant.port" (list . "enrollment") }}
      protocol: TCP
    - name: gateway-admin
      containerPort: 9515
      protocol: TCP
    - name: gateway-metrics
      containerPort: 9516
      protocol: TCP
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    capabilities:
      drop: [ALL]
  startupProbe:
    httpGet:
      path: /healthz
      port: gateway-metrics
    periodSeconds: 2
    failureThreshold: 30
  livenessProbe:
    httpGet:
      path: /healthz
      port: gateway-metrics
    periodSeconds: 20
    timeoutSeconds: 5
    failureThreshold: 3
  {{- with .Values.gateway.resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  volumeMounts:
    - name: gateway-tls
      mountPath: /run/gateway/tls
      readOnly: true
    - name: gateway-policy
      mountPath: /run/gateway/policy
      readOnly: true
    - name: gateway-admin
      mountPath: /run/gateway/admin
      readOnly: true
    - name: gateway-internal
      mountPath: /run/gateway/internal
      readOnly: true
    {{- if $alone }}
    - name: gateway-manager-ca
      mountPath: /run/gateway/manager-ca
      readOnly: true
    {{- end }}
    # Uses of tokens and the last policy, which must outlive the pod.
    - name: data
      mountPath: /var/lib/gateway
      subPath: gateway
{{- end }}

{{/*
Volumes of its own, although the manager mounts two of the same Secrets: its user
is not root, so the files must be readable to others, and others in this pod are
only who mounts them.
*/}}
{{- define "tenant.gatewayVolumes" -}}
{{- $ingress := include "tenant.ingress" . | fromYaml }}
- name: gateway-tls
  secret:
    secretName: {{ $ingress.tlsSecret }}
    defaultMode: 0444
    items:
      - key: tls.crt
        path: tls.crt
      - key: tls.key
        path: tls.key
- name: gateway-policy
  secret:
    secretName: wazuh-gateway-policy
    defaultMode: 0444
    items:
      - key: policy.json
        path: policy.json
- name: gateway-admin
  secret:
    secretName: wazuh-gateway-admin
    defaultMode: 0444
    items:
      - key: tls.crt
        path: tls.crt
      - key: tls.key
        path: tls.key
      - key: token
        path: token
- name: gateway-internal
  secret:
    secretName: {{ ternary .Values.manager.authd.passwordSecret "wazuh-authd-internal" (eq (include "tenant.gatewayAlone" .) "yes") }}
    defaultMode: 0444
    items:
      - key: authd.pass
        path: authd.pass
{{- if eq (include "tenant.gatewayAlone" .) "yes" }}
- name: gateway-manager-ca
  secret:
    secretName: {{ .Values.manager.authd.caSecret }}
    defaultMode: 0444
    items:
      - key: ca.crt
        path: ca.crt
{{- end }}
{{- end }}
