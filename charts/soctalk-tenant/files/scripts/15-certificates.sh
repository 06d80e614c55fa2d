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
    put "$indexer_ca" "$home/etc/certs/indexer-ca.pem" 0640 "root:$group" || say "the indexer's authority cannot be written"
  fi
  install_own_api_tls || say "a certificate for the API cannot be made; the API of Wazuh 5 does not start without one"
  conf=$home/etc/wazuh-manager.conf
  if [ -f "$conf" ]; then
    # The cluster of this one pod gets a key nobody knows.
    key=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    sed -i "s|<key>[0-9A-Za-z]\{32\}</key>|<key>$key</key>|" "$conf"
    # The image has written one address for both of remoted's ports. Where no agent
    # of Wazuh 5 is let in, theirs goes back to the pod itself.
    if [ -z "${SOCTALK_PORT_HTTPS:-}" ]; then
      sed -i '/<https>/,/<\/https>/ s|<bind_addr>.*</bind_addr>|<bind_addr>127.0.0.1</bind_addr>|' "$conf"
    fi
  fi
fi

# Without an indexer Filebeat would only fill the log with failed connections.
# s6 reads this mark when it starts the services, after these scripts.
if [ -z "${INDEXER_URL:-}" ] && [ -d "$root/etc/services.d/filebeat" ]; then
  touch "$root/etc/services.d/filebeat/down"
fi
mkdir -p "$root/run" && touch "$prepared"
exit 0
