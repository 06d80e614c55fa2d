#!/usr/bin/env bash
# Builds the container image with docker or podman, whichever is there.
# usage: image.sh NAME[:TAG] VERSION
set -euo pipefail
cd "$(dirname "$0")/.."
image=${1:?name of the image} version=${2:-dev}
case ${image##*/} in *:*) ;; *) image=$image:$version ;; esac
for builder in docker podman; do
  command -v "$builder" >/dev/null || continue
  "$builder" build --build-arg "GO_VERSION=$(awk '/^go /{print $2}' go.mod)" --build-arg "VERSION=$version" --tag "$image" .
  printf '\nbuilt %s; next:\n  %s push %s\n  helm install soctalk-ingress charts/soctalk-ingress --namespace soctalk-system --create-namespace \\\n    --set image.repository=%s --set image.tag=%s\n' \
    "$image" "$builder" "$image" "${image%:*}" "${image##*:}"
  exit 0
done
printf 'error: neither docker nor podman is installed\nhint: install one of them, or build elsewhere from the Dockerfile\n' >&2
exit 1
