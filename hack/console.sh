#!/usr/bin/env bash
# The console's pages, from console/ into internal/console/pages/dist, which Go embeds.
#   console.sh            builds them, or fails
#   console.sh if-able    builds them; without Node.js says aloud that they are left out
#   console.sh test       types, unit tests and, in Chromium, every screen
#   console.sh test quick the same without Chromium
#   console.sh pictures   has a customer's whole life played in Chromium, and keeps those of docs/images
set -euo pipefail
cd "$(dirname "$0")/../console"
mode=${1:-} quick=${2:-}
pages=../internal/console/pages/dist

# lacking says what is missing, or nothing.
lacking() {
  if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    echo "Node.js is not installed"
  elif ! node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)'; then
    echo "Node.js $(node --version) is too old"
  fi
}
missing=$(lacking)
if [ -n "$missing" ]; then
  if [ "$mode" = "" ]; then
    printf 'error: %s\nhint: install Node.js 20.19 or newer from https://nodejs.org\n' "$missing" >&2
    exit 1
  fi
  echo "left out: the console's pages ($missing; 20.19 or newer builds them). The program says so where they would be."
  exit 0
fi

# What is installed is what package-lock.json pins, and nothing else; no script of a package runs.
if ! [ node_modules/.package-lock.json -nt package-lock.json ]; then
  if ! npm ci --ignore-scripts --no-fund --no-audit --loglevel error; then
    [ "$mode" = if-able ] || exit 1
    echo "left out: the console's pages (npm ci could not fetch what they are built with). The program says so where they would be."
    exit 0
  fi
fi
build() {
  if [ -e "$pages/index.html" ] && [ -z "$(find src public build index.html package-lock.json vite.config.ts -newer "$pages/index.html" -print -quit)" ]; then
    return # nothing changed since
  fi
  npm run --silent build
}
build
if [ "$mode" = test ]; then
  npm run --silent typecheck
  npm run --silent test
  if [ "$quick" = quick ]; then
    exit 0
  fi
  if ! command -v chromium >/dev/null; then
    echo "left out: the console's screens in a browser (chromium is not installed; as root: bash hack/install-peers.sh)"
    exit 0
  fi
  npm run --silent test:screens
fi
if [ "$mode" = pictures ]; then
  cd ..
  made=$(mktemp -d)
  trap 'rm -rf "$made"' EXIT
  SOCTALK_PICTURES=$made SOCTALK_BUILD_CONTROLPLANE=1 go test ./internal/lab -run '^TestACustomersLifeInTheConsole$' -count=1 -timeout 15m
  for screen in tenants broken onboarding agents; do
    install -m 644 "$made/console-$screen-light.png" "docs/images/console-$screen.png"
  done
fi
