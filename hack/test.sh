#!/usr/bin/env bash
# The whole test run, in the order in which a failure is cheapest to learn:
# generated files, linters, unit tests, then the integration suites against a
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
controlplane() { bin/soctalk-ingress demo --prepare; }
programs() { make --no-print-directory build; }
unit() { go test ./...; }

if [ "$quick" = quick ]; then
  export SOCTALK_TEST_QUICK=1
fi
step "generated files are fresh" bash hack/check-generate.sh
step "format, vet, staticcheck" bash hack/lint.sh
step "build the programs" programs
if [ "$quick" != quick ]; then
  step "Kubernetes control plane" controlplane
  export SOCTALK_BUILD_CONTROLPLANE=1
fi
step "tests" unit
printf '\nPASSED in %ds\n' $((SECONDS - started))
