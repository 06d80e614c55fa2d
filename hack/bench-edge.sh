#!/usr/bin/env bash
# Measures the edge: bench-edge.json and bench-edge.svg in the folder given. The
# first part needs HAProxy, the second the control plane too (built when needed).
# SOCTALK_BENCH_PARTS="changes held" measures these anew and keeps what was found
# before of: changes generations held full load apply.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=${1:?folder for the results}
mkdir -p "$out"
export SOCTALK_BENCH_EDGE=$out/bench-edge.json SOCTALK_BENCH_PLOT=$out/bench-edge.svg SOCTALK_BUILD_CONTROLPLANE=1
quietly() { grep --line-buffered -vE '^(=== |    world_test|    --- |--- |PASS|ok )' || true; }
parts=${SOCTALK_BENCH_PARTS:-}
if [ "$parts" != apply ]; then
    go test -count=1 -timeout 40m -run '^TestBenchEdge$' -v ./internal/edge | quietly
fi
case " ${parts:-apply} " in *" apply "*)
    go test -count=1 -timeout 40m -run '^TestBenchApplyToRouted$' -v ./internal/lab | quietly ;;
esac
echo "written: $SOCTALK_BENCH_EDGE, $SOCTALK_BENCH_PLOT"
