#!/usr/bin/env bash
# Says at once what is missing, instead of after ten minutes of building.
set -euo pipefail
fail() { printf 'error: %s\nhint: %s\n' "$1" "$2" >&2; exit 1; }

[ "$(uname -s)" = Linux ] || fail "this needs Linux (found $(uname -s))" "use a Linux machine or virtual machine; the managers' addresses are taken from 127.0.0.0/8"
command -v go >/dev/null || fail "Go is not installed" "install Go $(awk '/^go /{print $2}' go.mod) or later from https://go.dev/dl/"
want=$(awk '/^go /{print $2}' go.mod)
have=$(go env GOVERSION | sed 's/^go//')
oldest=$(printf '%s\n%s\n' "$want" "$have" | sort -V | head -n 1)
[ "$oldest" = "$want" ] || fail "Go $have is too old" "install Go $want or later from https://go.dev/dl/"
free_kb=$(df -Pk "${GOCACHE:-$(go env GOCACHE)}" 2>/dev/null | awk 'NR==2{print $4}' || true)
if [ -n "${free_kb:-}" ] && [ "$free_kb" -lt 8000000 ]; then
  fail "only $((free_kb / 1024)) MiB are free where Go keeps its cache" "the first build of the control plane needs about 8 GB; free some, or set GOCACHE elsewhere"
fi
