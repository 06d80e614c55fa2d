#!/usr/bin/env bash
# Runs tests under the race detector: the protocols, the gateway and what is pure.
# Two cores need about a minute, and one more when nothing is compiled yet. With
# "all" also what needs Kubernetes' client libraries, whose compilation alone takes
# minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
packages=(./internal/plan ./internal/secret ./internal/cert ./internal/ca ./internal/issuance ./internal/probe ./internal/wazuh/... ./internal/wazuhsim/...
  ./internal/managerapi ./internal/gateway/... ./internal/haproxy ./internal/record ./internal/zone ./internal/dnswebhook ./internal/standin/policy)
if [ "${1:-}" = all ]; then
  packages+=(./internal/controller ./internal/edge ./internal/standin/network ./internal/cli)
fi
go test -race -timeout 20m "${packages[@]}"
