#!/usr/bin/env bash
# The whole test run, in the order in which a failure is cheapest to learn:
# generated files, linters, unit tests, races, then the integration suites against a
# real Kubernetes API server, which is built on first use.
set -uo pipefail
cd "$(dirname "$0")/.."
started=$SECONDS
quick=${1:-}
step() {
  local name=$1 begin=$SECONDS
  shift
  printf '\n== %s\n' "$name"
  if ! "$@"; then
    printf '\nFAILED: %s after %ds\n' "$name" $((SECONDS - begin)) >&2
    exit 1
  fi
  printf '== %s: done in %ds\n' "$name" $((SECONDS - begin))
}
# Some tests want the real HAProxy, the real BIND 9 and the real Knot DNS. Root gets them installed;
# anybody else is told, and those tests say that they were left out.
peers() {
  missing=$(bash hack/install-peers.sh --missing)
  if [ -z "$missing" ] || [ "$(id -u)" = 0 ]; then
    bash hack/install-peers.sh
  else
    echo "not installed, and only root may install them: $missing; the tests that need them are left out (sudo bash hack/install-peers.sh)"
  fi
}
# The edge is tested with the HAProxy of each Debian release; a quick run is content
# with the machine's own.
haproxies() { bash hack/install-haproxies.sh; }
# A test boots it, with the systemd units.
machine() { bash hack/install-machine.sh; }
controlplane() { bin/soctalk-ingress demo --prepare; }
pages() { bash hack/console.sh test $quick; }
programs() { make --no-print-directory build; }

# go test prints a package's result only after those of all packages before it, so
# the suites that take minutes come last, on their own. -p 1 keeps two control
# planes from sharing two cores.
slow='/internal/(certmanager|conform|lab|controlplane|standin)$'
timeout=40m
unit() { go list ./... | grep -vE "$slow" | xargs go test -timeout "$timeout"; }
integration() { go list ./... | grep -E "$slow" | xargs go test -timeout "$timeout" -p 1; }
races() { bash hack/race.sh; }

if [ "$quick" = quick ]; then
  export SOCTALK_TEST_QUICK=1
fi
step "generated files are fresh" bash hack/check-generate.sh
step "format, vet, staticcheck" bash hack/lint.sh
step "programs the tests talk to" peers
if [ "$quick" != quick ]; then
  step "HAProxy, from 2.6 to the newest" haproxies
  step "a machine with systemd" machine
fi
step "the console's pages" pages
step "build the programs" programs
if [ "$quick" != quick ]; then
  step "Kubernetes, MetalLB, cert-manager and external-dns, from their Go modules" controlplane
  export SOCTALK_BUILD_CONTROLPLANE=1
fi
step "unit tests" unit
if [ "$quick" != quick ]; then
  step "race detector" races
fi
step "integration tests" integration
if [ "$quick" != quick ]; then
  missed=$(bash hack/install-haproxies.sh --missing)
  [ -z "$missed" ] || printf '\nleft out: the edge with the HAProxy of Debian %s\n' "$missed"
  missed=$(bash hack/install-machine.sh --missing)
  [ -z "$missed" ] || printf '\nleft out: the systemd units on a machine\n'
fi
printf '\nPASSED in %ds\n' $((SECONDS - started))
