#!/usr/bin/env bash
# Generates into place and fails if that changed anything, then puts it back.
set -euo pipefail
cd "$(dirname "$0")/.."
generated=(api/v1alpha1/zz_generated.deepcopy.go charts/soctalk-ingress/crds-source charts/soctalk-ingress/files/role.yaml charts/soctalk-ingress/files/edge/role.yaml charts/soctalk-ingress/files/handover/role.yaml)
before=$(mktemp -d)
trap 'rm -rf "$before"' EXIT
cp -r --parents "${generated[@]}" "$before"
make --no-print-directory generate
stale=0
for path in "${generated[@]}"; do
  diff -ru "$before/$path" "$path" || stale=1
done
if [ "$stale" = 1 ]; then
  cp -r "$before"/. .
  printf 'error: generated files are stale (see the difference above)\nhint: run make generate and commit the result\n' >&2
  exit 1
fi
