#!/usr/bin/env bash
# Installs the programs the tests talk to and the product does not contain: HAProxy.
# Does nothing where it is there already.
set -euo pipefail
if command -v haproxy >/dev/null; then
  haproxy -v | head -n 1
  exit 0
fi
fail() { printf 'error: %s\nhint: %s\n' "$1" "$2" >&2; exit 1; }
[ "$(id -u)" = 0 ] || fail "haproxy is not installed, and only root may install it" "run: sudo bash hack/install-peers.sh"
command -v apt-get >/dev/null || fail "haproxy is not installed, and this machine has no apt-get" "install HAProxy 2.6 or later with the machine's own package manager"
echo "installing haproxy with apt-get (its own service is not started)"
# The package would start a service on port 80; a policy of one minute's life keeps it down.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends haproxy >/dev/null
haproxy -v | head -n 1
