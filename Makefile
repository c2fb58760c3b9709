# Flotilla's workshop. `make` lists every target; CONTRIBUTING.md tells how they fit together.
# Tools are pinned in internal/tools/go.mod and the Kubernetes binaries in test/kube/go.mod:
# nothing is installed, everything is built once and kept in the caches of the user.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

VERSION ?= $(shell git describe --tags --match 'v*' --dirty 2>/dev/null || echo v0.0.0-dev)
COMMIT  ?= $(shell git rev-parse HEAD 2>/dev/null)
LDFLAGS := -s -w -X github.com/flotilla-dev/flotilla/internal/version.Version=$(VERSION) \
           -X github.com/flotilla-dev/flotilla/internal/version.Commit=$(COMMIT)

TOOL           := go tool -modfile=internal/tools/go.mod
CONTROLLER_GEN := $(TOOL) controller-gen
GOLANGCI_LINT  := $(TOOL) golangci-lint

# What is shipped besides the source is made by a module of its own. Images carry the time of the commit.
RELEASE   := SOURCE_DATE_EPOCH=$(shell git log -1 --format=%ct 2>/dev/null || echo 0) go -C internal/release run .
PLATFORMS ?= linux/amd64,linux/arm64

# The release that is under way, the one that it replaces (none yet) and the image of its manager: what the bundle says.
RELEASE_VERSION ?= 0.1.0
REPLACES        ?=
IMAGE           ?= ghcr.io/flotilla-dev/flotilla:v$(RELEASE_VERSION)

# The state folder, member count, managers and nodes of the fleet that `make fleet` starts.
FLEET    ?= .fleet
MEMBERS  ?= 3
MANAGERS ?= 2
NODES    ?= 10

# More flags for every go test, for example: make test-unit GOTESTFLAGS='-race -run Webster'.
GOTESTFLAGS ?=
# Packages that start control planes, and so run apart. So many of them run at the same time: their tests wait for timers most of
# the time. What is broken and what is measured runs alone.
FLEET_PACKAGES := /test/(fleet|integration|e2e|chaos|performance)(/|$$)
FLEETS         ?= 2
FLEET_TEST     := go test -v -p $(FLEETS) -count=1

##@ General

.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^##@ / {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z0-9-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Build

.PHONY: build
build: ## Build bin/flotilla and the kubectl plugin beside it
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/flotilla .
	ln -sf flotilla bin/kubectl-flotilla

.PHONY: image
image: ## Build the image of the Dockerfile without Docker, as an OCI layout in bin/image (PLATFORMS=linux/amd64)
	$(RELEASE) image --version $(VERSION) --commit '$(COMMIT)' --platform $(PLATFORMS)

.PHONY: bundle-image
bundle-image: ## Build the image of bundle/ without Docker, as an OCI layout in bin/bundle-image
	$(RELEASE) image --file bundle.Dockerfile --output bin/bundle-image --version v$(RELEASE_VERSION) --platform linux/amd64

.PHONY: generate
generate: generate-code generate-crds generate-rbac bundle ## Regenerate every checked-in generated file

.PHONY: generate-code
generate-code: ## Regenerate the deep copy functions of api/
	$(CONTROLLER_GEN) object paths=./api/...

.PHONY: generate-crds
generate-crds: ## Regenerate config/crd/bases from api/
	$(CONTROLLER_GEN) crd paths=./api/... output:crd:dir=config/crd/bases

.PHONY: generate-rbac
generate-rbac: ## Regenerate config/rbac/role.yaml from the markers in the code
	$(CONTROLLER_GEN) rbac:roleName=flotilla-manager paths=./controllers/... paths=./internal/... output:rbac:dir=config/rbac

.PHONY: bundle
bundle: ## Regenerate bundle/ for the Operator Lifecycle Manager from config/ (RELEASE_VERSION, REPLACES, IMAGE)
	$(RELEASE) bundle --version $(RELEASE_VERSION) --image $(IMAGE) --replaces '$(REPLACES)'

.PHONY: clean
clean: ## Remove build output (the caches of Go and of the Kubernetes binaries stay)
	rm -rf bin coverage.out

##@ Check

.PHONY: fmt
fmt: ## Format the code and group the imports
	$(GOLANGCI_LINT) fmt

.PHONY: vet
vet: ## Run go vet
	go vet ./...
	go -C internal/release vet ./...
	go -C test/olm vet ./...

.PHONY: lint
lint: ## Run golangci-lint: layers, budgets, errors, documentation
	$(GOLANGCI_LINT) run ./...
	cd internal/release && go tool -modfile=../tools/go.mod golangci-lint run --config ../../.golangci.yml ./...

.PHONY: check-format
check-format: ## Fail when a file is not gofmt-ed
	@files=$$(git ls-files -co --exclude-standard '*.go' | xargs -r ls 2>/dev/null | xargs -r gofmt -l); \
		test -z "$$files" || { echo "not formatted, run make fmt:" $$files; exit 1; }

.PHONY: check-modules
check-modules: ## Fail when a go.mod or go.sum is not tidy
	@for folder in . internal/tools internal/release test/kube test/etcdutl test/olm; do go -C $$folder mod tidy -diff >/dev/null || \
		{ echo "not tidy, run: go -C $$folder mod tidy"; exit 1; }; done

.PHONY: check-repository
check-repository: ## Check licences, file budgets, package documents and PROJECT
	go test -count=1 ./test/repository

.PHONY: verify
verify: check-format check-modules generate vet check-repository lint ## Regenerate, run every check and require a clean work tree
	@changed=$$(git status --porcelain); \
		test -z "$$changed" || { echo "stale generated files or uncommitted work:"; echo "$$changed"; exit 1; }

##@ Test

.PHONY: test
test: test-unit test-release test-integration test-e2e test-chaos test-performance ## Run all tests, from the smallest to the largest

.PHONY: test-unit
test-unit: ## Run the tests that need nothing but Go
	go test $(GOTESTFLAGS) $$(go list ./... | grep -vE '$(FLEET_PACKAGES)')

.PHONY: test-release
test-release: ## Run the tests of the image and the bundle
	@# Go remembers results by the files of a module, and the bundle is in another one.
	go -C internal/release test -count=1 $(GOTESTFLAGS) ./...
	go -C test/olm test -count=1 $(GOTESTFLAGS) ./...

.PHONY: test-integration
test-integration: kube ## Run the tests against real control planes, stage by stage
	$(FLEET_TEST) -timeout 20m $(GOTESTFLAGS) ./test/fleet/... ./test/integration/...

.PHONY: test-e2e
test-e2e: kube ## Run the tests of the whole product on a fleet of its own
	rm -rf bin/rights
	FLOTILLA_RIGHTS_DIR=$(CURDIR)/bin/rights $(FLEET_TEST) -timeout 20m $(GOTESTFLAGS) ./test/e2e/...
	@! ls bin/rights/*.json >/dev/null 2>&1 || { echo "Rights of the manager that no test has used:"; go run ./test/fleet rights bin/rights; }

.PHONY: test-chaos
test-chaos: kube ## Break managers and members of a fleet, and check what must hold all the same
	$(FLEET_TEST) -p 1 -timeout 20m $(GOTESTFLAGS) ./test/chaos/...

.PHONY: test-performance
test-performance: kube ## Count writes, measure latency and memory on a fleet
	$(FLEET_TEST) -p 1 -timeout 20m $(GOTESTFLAGS) ./test/performance/...

##@ Run

.PHONY: kube
kube: ## Build the pinned Kubernetes binaries, once per user
	go run ./test/fleet build

.PHONY: fleet
fleet: ## Start a host and MEMBERS=3 clusters as local processes in FLEET=.fleet
	go run ./test/fleet up --dir $(FLEET) --members $(MEMBERS) --nodes $(NODES) --managers $(MANAGERS)

.PHONY: fleet-down
fleet-down: ## Stop the fleet in FLEET=.fleet
	go run ./test/fleet down --dir $(FLEET)

.PHONY: demo
demo: ## Watch an application spread over three clusters (ONCE=1: tear down at the end)
	go run ./test/demo $(if $(ONCE),--once)

.PHONY: demo-down
demo-down: ## Stop the demo
	go run ./test/demo --down

# What `make install` installs: config/default, or one of config/overlays.
OVERLAY ?= config/default

.PHONY: install
install: ## Install OVERLAY=config/default in the cluster of the current kubeconfig context
	kubectl apply --server-side -k $(OVERLAY)

.PHONY: uninstall
uninstall: build ## Let all members leave, keeping what runs there, then delete OVERLAY=config/default; template namespaces are refused
	bin/kubectl-flotilla uninstall --yes
	kubectl delete -k $(OVERLAY)
