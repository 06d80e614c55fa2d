{{/*
wazuh-manager.conf of a Wazuh 5 manager. 1514 ("legacy") serves agents of
Wazuh 4, 1517 those of Wazuh 5. Paths of certificates are relative: the daemons
read them after they gave up root, from copies in the manager's own folder.

Wazuh 5 holds the file against a schema: an option it does not know, a missing
<indexer> and a key of another length than 32 each keep the whole manager down.
The key guards a cluster of this one pod, which listens on the loopback address
only; a start script replaces it by a random one.
*/}}
{{- define "tenant.wazuh5" -}}
{{- $indexer := include "tenant.indexerURL" . }}
{{- $https := include "tenant.port" (list . "https") | int }}
{{- $force := .Values.enrollment.force }}
{{- $any := ternary "::" "0.0.0.0" .Values.manager.ipv6 }}
<wazuh_config>
  <global>
    <agents_disconnection_time>{{ .Values.manager.disconnectionTime }}</agents_disconnection_time>
  </global>

  <logging>
    <log_format>plain</log_format>
  </logging>

  <remote>
    <https>
      <port>{{ ternary $https 1517 (gt $https 0) }}</port>
      <bind_addr>{{ ternary $any "127.0.0.1" (gt $https 0) }}</bind_addr>
      {{- if .Values.manager.ipv6 }}
      <dual_stack>yes</dual_stack>
      {{- end }}
      <global_prefix>/wazuh-manager/</global_prefix>
      <certificate>etc/certs/remoted.pem</certificate>
      <key>etc/certs/remoted-key.pem</key>
    </https>
    <legacy>
      <enabled>yes</enabled>
      <port>{{ include "tenant.port" (list . "events") }}</port>
      <protocol>tcp</protocol>
      {{- if .Values.manager.ipv6 }}
      <ipv6>yes</ipv6>
      {{- end }}
      <local_ip>{{ $any }}</local_ip>
      <queue_size>131072</queue_size>
    </legacy>
    <agents>
      <allow_higher_versions>no</allow_higher_versions>
    </agents>
  </remote>

  <vulnerability-detection>
    <enabled>{{ ternary "yes" "no" (ne $indexer "") }}</enabled>
    <feed-update-interval>60m</feed-update-interval>
  </vulnerability-detection>

  <indexer>
    {{- if not $indexer }}
    <!-- Wazuh 5 wants one named; here is none. -->
    {{- end }}
    <hosts>
      <host>{{ $indexer | default "https://127.0.0.1:9200" }}</host>
    </hosts>
    {{- if $indexer }}
    <ssl>
      <certificate_authorities>
        <ca>etc/certs/indexer-ca.pem</ca>
      </certificate_authorities>
    </ssl>
    {{- end }}
  </indexer>

  <auth>
    <disabled>no</disabled>
    <port>{{ include "tenant.authdPort" . }}</port>
    {{- if and .Values.manager.ipv6 (ne (include "tenant.gateway" .) "yes") }}
    <ipv6>yes</ipv6>
    {{- end }}
    <use_source_ip>no</use_source_ip>
    <purge>yes</purge>
    <use_password>yes</use_password>
    <ciphers>TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256</ciphers>
    <ssl_verify_host>no</ssl_verify_host>
    <ssl_manager_cert>etc/certs/remoted.pem</ssl_manager_cert>
    <ssl_manager_key>etc/certs/remoted-key.pem</ssl_manager_key>
    <force>
      <enabled>{{ ternary "yes" "no" $force.enabled }}</enabled>
      <key_mismatch>{{ ternary "yes" "no" $force.keyMismatch }}</key_mismatch>
      <disconnected_time enabled="yes">{{ $force.disconnectedTime }}</disconnected_time>
      <after_registration_time>{{ $force.afterRegistrationTime }}</after_registration_time>
    </force>
  </auth>

  <cluster>
    <name>wazuh</name>
    <node_name>node01</node_name>
    <node_type>master</node_type>
    <key>{{ printf "cluster of %s" .Release.Namespace | sha256sum | trunc 32 }}</key>
    <port>1516</port>
    <bind_addr>127.0.0.1</bind_addr>
    <nodes>
      <node>127.0.0.1</node>
    </nodes>
    <hidden>no</hidden>
  </cluster>
{{- with .Values.manager.extraConfig }}

{{ . | trim | indent 2 }}
{{- end }}
</wazuh_config>
{{- end }}

{{/* The manager's configuration, whatever its version. */}}
{{- define "tenant.managerConfig" -}}
{{- if eq (include "tenant.major" .) "5" -}}
{{ include "tenant.wazuh5" . }}
{{- else -}}
{{ include "tenant.wazuh4" . }}
{{- end -}}
{{- end }}

{{- define "tenant.configFile" -}}
{{- ternary "wazuh-manager.conf" "ossec.conf" (eq (include "tenant.major" .) "5") -}}
{{- end }}
