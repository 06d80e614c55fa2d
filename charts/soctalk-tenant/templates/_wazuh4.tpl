{{/*
ossec.conf of a Wazuh 4 manager, complete. wazuh-control finds the auth and
cluster sections by searching lines for their opening tags, so those tags occur
once and on lines of their own.
*/}}
{{- define "tenant.wazuh4" -}}
{{- $indexer := include "tenant.indexerURL" . }}
{{- $version := .Values.manager.version }}
{{- $force := .Values.enrollment.force }}
<ossec_config>
  <global>
    <jsonout_output>yes</jsonout_output>
    <alerts_log>yes</alerts_log>
    <logall>no</logall>
    <logall_json>no</logall_json>
    <email_notification>no</email_notification>
    <agents_disconnection_time>{{ .Values.manager.disconnectionTime }}</agents_disconnection_time>
    <agents_disconnection_alert_time>0</agents_disconnection_alert_time>
  </global>

  <alerts>
    <log_alert_level>3</log_alert_level>
    <email_alert_level>12</email_alert_level>
  </alerts>

  <logging>
    <log_format>plain</log_format>
  </logging>

  <remote>
    <connection>secure</connection>
    <port>{{ include "tenant.port" (list . "events") }}</port>
    <protocol>tcp</protocol>
    {{- if .Values.manager.ipv6 }}
    <ipv6>yes</ipv6>
    {{- end }}
    <queue_size>131072</queue_size>
  </remote>

  <!-- Agents show the shared secret and get a key of their own. The password
       comes from etc/authd.pass, the certificate from the mounted Secret. -->
  <auth>
    <disabled>no</disabled>
    <port>{{ include "tenant.authdPort" . }}</port>
    {{- if and .Values.manager.ipv6 (ne (include "tenant.gateway" .) "yes") }}
    <ipv6>yes</ipv6>
    {{- end }}
    <use_source_ip>no</use_source_ip>
    <force>
      <enabled>{{ ternary "yes" "no" $force.enabled }}</enabled>
      <key_mismatch>{{ ternary "yes" "no" $force.keyMismatch }}</key_mismatch>
      <disconnected_time enabled="yes">{{ $force.disconnectedTime }}</disconnected_time>
      <after_registration_time>{{ $force.afterRegistrationTime }}</after_registration_time>
    </force>
    <purge>yes</purge>
    <use_password>yes</use_password>
    <ciphers>HIGH:!ADH:!EXP:!MD5:!RC4:!3DES:!CAMELLIA:@STRENGTH</ciphers>
    <ssl_verify_host>no</ssl_verify_host>
    <ssl_manager_cert>/etc/soctalk/tls/tls.crt</ssl_manager_cert>
    <ssl_manager_key>/etc/soctalk/tls/tls.key</ssl_manager_key>
    <ssl_auto_negotiate>no</ssl_auto_negotiate>
  </auth>

  <ruleset>
    <decoder_dir>ruleset/decoders</decoder_dir>
    <rule_dir>ruleset/rules</rule_dir>
    <rule_exclude>0215-policy_rules.xml</rule_exclude>
    <list>etc/lists/audit-keys</list>
    <list>etc/lists/amazon/aws-eventnames</list>
    <list>etc/lists/security-eventchannel</list>
    {{- if semverCompare ">=4.13.0-0" $version }}
    <list>etc/lists/malicious-ioc/malware-hashes</list>
    <list>etc/lists/malicious-ioc/malicious-ip</list>
    <list>etc/lists/malicious-ioc/malicious-domains</list>
    {{- end }}
    <decoder_dir>etc/decoders</decoder_dir>
    <rule_dir>etc/rules</rule_dir>
  </ruleset>

  <rule_test>
    <enabled>yes</enabled>
    <threads>1</threads>
    <max_sessions>64</max_sessions>
    <session_timeout>15m</session_timeout>
  </rule_test>

  <!-- The manager looks after agents, not after its own container. -->
  <rootcheck>
    <disabled>yes</disabled>
  </rootcheck>

  <syscheck>
    <disabled>yes</disabled>
  </syscheck>

  <sca>
    <enabled>no</enabled>
  </sca>

  <wodle name="syscollector">
    <disabled>yes</disabled>
  </wodle>
{{- if semverCompare ">=4.8.0-0" $version }}

  <vulnerability-detection>
    <enabled>{{ ternary "yes" "no" (ne $indexer "") }}</enabled>
    <index-status>{{ ternary "yes" "no" (ne $indexer "") }}</index-status>
    <feed-update-interval>60m</feed-update-interval>
  </vulnerability-detection>

  <indexer>
    {{- if $indexer }}
    <enabled>yes</enabled>
    <hosts>
      <host>{{ $indexer }}</host>
    </hosts>
    <ssl>
      <certificate_authorities>
        <ca>/etc/soctalk/indexer-tls/ca.crt</ca>
      </certificate_authorities>
    </ssl>
    {{- else }}
    <enabled>no</enabled>
    {{- end }}
  </indexer>
{{- end }}

  <cluster>
    <name>wazuh</name>
    <node_name>node01</node_name>
    <node_type>master</node_type>
    <key></key>
    <port>1516</port>
    <bind_addr>127.0.0.1</bind_addr>
    <nodes>
      <node>127.0.0.1</node>
    </nodes>
    <hidden>no</hidden>
    <disabled>yes</disabled>
  </cluster>
{{- with .Values.manager.extraConfig }}

{{ . | trim | indent 2 }}
{{- end }}
</ossec_config>
{{- end }}
