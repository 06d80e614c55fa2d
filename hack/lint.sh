#!/usr/bin/env bash
# gofmt, go vet and staticcheck over the product's module.
set -euo pipefail
cd "$(dirname "$0")/.."
unformatted=$(gofmt -l $(git ls-files '*.go'))
if [ -n "$unformatted" ]; then
  printf 'error: not formatted: %s\nhint: gofmt -w on them\n' "$unformatted" >&2
  exit 1
fi
go vet ./...
go tool -modfile=tools/go.mod staticcheck ./...
