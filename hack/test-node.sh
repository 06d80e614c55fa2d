#!/usr/bin/env bash
# The tests on real Kubernetes nodes. They make network, mount and process namespaces
# and run containers, so they need root; what they make ends with them.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "$(id -u)" != 0 ]; then
  printf 'error: real nodes need root\nhint: sudo --preserve-env=HOME,PATH make test-node\n' >&2
  exit 1
fi
bash hack/install-peers.sh --node
SOCTALK_NODE_TESTS=1 go test ./internal/realnode -count=1 -v -timeout 30m "$@"
