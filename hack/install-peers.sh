#!/usr/bin/env bash
# Installs the programs the tests talk to and the product does not contain: HAProxy,
# BIND 9, Knot DNS, PowerDNS, Chromium, Prometheus, and nginx with its stream module, which judges
# what is printed for it. Does nothing where they are there already. `--missing` only prints
# which are not. With `--node` it also installs what real Kubernetes nodes are made
# of besides what is built from Go modules (make test-node).
set -euo pipefail
PATH=$PATH:/usr/sbin # where Debian keeps them, and a user's PATH need not lead
missing=()
if [ "${1:-}" = --node ]; then
  shift
  command -v runc >/dev/null || missing+=(runc)
  [ -x /usr/lib/cni/ptp ] || missing+=(containernetworking-plugins)
  command -v nft >/dev/null || missing+=(nftables)
  command -v iptables >/dev/null || missing+=(iptables)
  command -v ip >/dev/null || missing+=(iproute2)
  command -v sysctl >/dev/null || missing+=(procps)
fi
command -v haproxy >/dev/null || missing+=(haproxy)
command -v named >/dev/null || missing+=(bind9)
command -v knotd >/dev/null || missing+=(knot)
command -v pdns_server >/dev/null || missing+=(pdns-server pdns-backend-lmdb)
command -v chromium >/dev/null || missing+=(chromium fonts-dejavu-core)
command -v nginx >/dev/null || missing+=(nginx-light libnginx-mod-stream)
command -v prometheus >/dev/null && command -v promtool >/dev/null || missing+=(prometheus)
if [ "${1:-}" = --missing ]; then
  echo "${missing[*]}"
  exit 0
fi
# pdns_server --version ends with 99, whatever it prints.
versions() { haproxy -v | sed -n 1p; named -v; knotd --version; { pdns_server --version 2>&1 || true; } | sed -n 1p; chromium --version 2>/dev/null || true; nginx -v 2>&1; prometheus --version 2>&1 | sed -n 1p; }
if [ "${#missing[@]}" = 0 ]; then
  versions
  exit 0
fi
fail() { printf 'error: %s\nhint: %s\n' "$1" "$2" >&2; exit 1; }
[ "$(id -u)" = 0 ] || fail "not installed: ${missing[*]}, and only root may install them" "run: sudo bash hack/install-peers.sh"
command -v apt-get >/dev/null || fail "not installed: ${missing[*]}, and this machine has no apt-get" "install HAProxy 2.6 or later, BIND 9.18 or later, Knot DNS 3.2 or later, PowerDNS 4.7 or later with its LMDB backend, Chromium, Prometheus 2.42 or later with promtool, and nginx with its stream module with the machine's own package manager"
echo "installing ${missing[*]} with apt-get (their own services are not started)"
# The packages would start services on ports 80 and 53; a policy of one minute's
# life keeps them down.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
versions
