#!/bin/bash
# Brings certificates to those daemons that cannot read them from the Secrets.
set -u
# shellcheck source=lib.bash
. "$(dirname "$0")/lib.bash"

if problem=$(pair_problem "$tls_dir"); then
  say "the certificate for the enrollment port cannot be used: $problem"
else
  install_tls || say "the certificate for the enrollment port cannot be written"
fi

if [ -d "$api_tls_dir" ]; then
  if problem=$(pair_problem "$api_tls_dir"); then
    say "the certificate for the API cannot be used, it keeps its own: $problem"
  else
    install_api_tls || say "the certificate for the API cannot be written"
  fi
fi

if [ "$major" -ge 5 ]; then
  if [ -s "$indexer_ca" ]; then
    put "$indexer_ca" "$home/etc/certs/root-ca.pem" 0640 "root:$group" || say "the indexer's authority cannot be written"
  fi
  # Wazuh 5 has no manager without a cluster key; this one never leaves the pod.
  conf=$home/etc/wazuh-manager.conf
  if grep -q '<key></key>' "$conf" 2>/dev/null; then
    key=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    sed -i "s|<key></key>|<key>$key</key>|" "$conf"
  fi
fi

# Without an indexer Filebeat would only fill the log with failed connections.
# s6 reads this mark when it starts the services, after these scripts.
if [ -z "${INDEXER_URL:-}" ] && [ -d "$root/etc/services.d/filebeat" ]; then
  touch "$root/etc/services.d/filebeat/down"
fi
exit 0
