#!/usr/bin/env bash
# Measures the edge: bench-edge.json and bench-edge.svg in the folder given. The
# first part needs HAProxy, the second the control plane too (built when needed).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=${1:?folder for the results}
mkdir -p "$out"
export SOCTALK_BENCH_EDGE=$out/bench-edge.json SOCTALK_BENCH_PLOT=$out/bench-edge.svg SOCTALK_BUILD_CONTROLPLANE=1
quietly() { grep --line-buffered -vE '^(=== |    world_test|    --- |--- |PASS|ok )' || true; }
go test -count=1 -timeout 40m -run '^TestBenchEdge$' -v ./internal/edge | quietly
go test -count=1 -timeout 40m -run '^TestBenchApplyToRouted$' -v ./internal/lab | quietly
echo "written: $SOCTALK_BENCH_EDGE, $SOCTALK_BENCH_PLOT"
