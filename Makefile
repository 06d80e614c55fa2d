# `make` prints this help. `make demo` and `make test` need nothing installed but Go, bash and git (Node.js for the console's pages).

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS   = -s -w -X main.version=$(VERSION)
TOOL      = go tool -modfile=tools/go.mod

.DEFAULT_GOAL := help
# needs haproxy: hack/install-peers.sh
.PHONY: bench-edge
bench-edge: ## the edge against a per-port configuration with reloads, and a direct connection; writes bin/bench-edge.json and .svg, about ten minutes
	@bash hack/bench-edge.sh $(CURDIR)/bin

.PHONY: help build console demo test test-node check generate check-generate lint race fuzz bench bench-gateway image clean

help: ## show this help
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: preflight ## build bin/soctalk-ingress and bin/wazuhsim; with Node.js, also the console's pages
	@bash hack/console.sh if-able
	@CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/soctalk-ingress ./cmd/soctalk-ingress
	@CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/wazuhsim ./cmd/wazuhsim

console: ## the console's pages, for the program to embed; needs Node.js 20.19
	@bash hack/console.sh

demo: build ## two tenants on a real Kubernetes API, end to end; Ctrl-C ends it; DEMO_FULL=1 with every real part
	@bin/soctalk-ingress demo $(DEMO_ARGS)

test: preflight ## everything: generated files, linters, unit, integration against a real API server
	@bash hack/test.sh

check: preflight ## the quick half of the tests: no control plane, about a minute
	@bash hack/test.sh quick

generate: ## write what is generated: deep copies, kinds, rights, reference docs
	@$(TOOL) controller-gen object paths=./api/...
	@$(TOOL) controller-gen crd:generateEmbeddedObjectMeta=false paths=./api/... output:crd:dir=charts/soctalk-ingress/crds-source
	@$(TOOL) controller-gen rbac:roleName=soctalk-ingress paths=./internal/controller/... output:rbac:dir=charts/soctalk-ingress/files
	@$(TOOL) controller-gen rbac:roleName=soctalk-ingress-edge paths=./internal/edge/... output:rbac:dir=charts/soctalk-ingress/files/edge
	@$(TOOL) controller-gen rbac:roleName=soctalk-ingress-handover paths=./internal/handover/... output:rbac:dir=charts/soctalk-ingress/files/handover

check-generate: ## fail if a generated file is not what `make generate` writes
	@bash hack/check-generate.sh

lint: ## gofmt, go vet, staticcheck
	@bash hack/lint.sh

test-node: preflight ## both charts on real Kubernetes nodes: kubelet, containerd, runc in namespaces of this machine; needs root
	@bash hack/test-node.sh

race: ## everything that can run under the race detector without a control plane
	@bash hack/race.sh all

fuzz: ## fuzz every parser for FUZZTIME each (10s)
	@bash hack/fuzz.sh $(or $(FUZZTIME),10s)

bench: ## benchmarks of the hot paths, as ratios against the plain alternative
	@go test -run '^$$' -bench . -benchmem ./internal/wazuh/...

bench-gateway: ## enrollments through the gateway against the bare manager, about 40 s
	@go test -run '^$$' -bench Enrollment -benchtime 1x ./internal/gateway

image: ## the container image, with docker or podman; IMAGE=registry/name:tag
	@bash hack/image.sh $(or $(IMAGE),ghcr.io/soctalk/soctalk-ingress:$(VERSION)) $(VERSION)

clean: ## remove what was built here (the control plane's cache stays: see README)
	@rm -rf bin

.PHONY: preflight
preflight:
	@bash hack/preflight.sh
