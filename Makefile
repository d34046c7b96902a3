# `make` without a target lists the targets.
#
# Addresses and other settings come from minigroups.yaml in this folder, or from the environment:
# MINIGROUPS_API__LISTEN=127.0.0.1:8888 make run.

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
.DEFAULT_GOAL := help

SUB ?= dev
AUD ?= example.org

# The race detector needs a C compiler.
RACE = $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)

# The module of the service, and those that test and measure it. The go.mod of the service requires only what it runs.
MODULES := . e2e bench

# Hidden folders hold what was built, such as the images of make image-test with Go's own sources.
GO_FILES := find . -name '.?*' -prune -o -name '*.go' -print

# deploy/Dockerfile, tools/release and package stack build our programs with the same flags. Programs know the commit
# that they are built from. Where git is installed and knows none, the go command would fail, so it does not ask there.
COMMITTED := $(shell git rev-parse -q --verify HEAD >/dev/null 2>&1 && echo auto || echo false)
GO_BUILD := CGO_ENABLED=0 go build -trimpath -tags nomsgpack -ldflags "-s -w" -buildvcs=$(COMMITTED)

TEMPORAL := .tools/temporal
TEMPORAL_SERVER := .tools/temporal-server
TEMPORAL_SCHEMA := .tools/temporal-sql-tool
TEMPORAL_UI := .tools/temporal-ui
GOLANGCI := .tools/golangci-lint
WORKFLOWCHECK := .tools/workflowcheck
LITERALS := .tools/literals
RULES := .tools/rules
COMPOSE := .tools/docker-compose
GOVULNCHECK := .tools/govulncheck
CYCLONEDX := .tools/cyclonedx-gomod
DEPLOYCHECK := .tools/deploycheck
KUBE_APISERVER := .tools/kube-apiserver
ETCD := .tools/etcd
KUBETEST := .tools/kubetest
SCHEMATHESIS := .tools/schemathesis/bin/schemathesis
OAPI_CODEGEN := .tools/oapi-codegen
GREMLINS := .tools/gremlins
MUTANTS := .tools/mutants
GO_CLIENT := .tools/clients
TYPESCRIPT_CLIENT := tools/clients/minigroups/openapi.d.ts

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

.PHONY: run
run: .dev/bin/dev ## run everything on this machine, in the foreground; Ctrl-C stops it
	@exec .dev/bin/dev

.PHONY: cluster
cluster: .dev/bin/dev ## run the shape of production: Temporal's own server on PostgreSQL, 2 APIs, 3 workers
	@exec .dev/bin/dev cluster

.PHONY: token
token: .dev/bin/dev ## print a bearer token for what runs (SUB= account, AUD= audience)
	@exec .dev/bin/dev token -sub "$(SUB)" -aud "$(AUD)"

.PHONY: clean
clean: .dev/bin/dev ## remove the state of make run and make cluster: databases, keys, logs
	@exec .dev/bin/dev clean

.PHONY: build
build: ## compile the programs into .dev/bin
	$(GO_BUILD) -o .dev/bin/ ./cmd/minigroups ./cmd/sandbox ./cmd/dev
	@for name in api worker migrate ops; do ln -sf minigroups .dev/bin/$$name; done

# All modules run even if one fails. go test's cache is off, because it does not see the programs and servers that tests
# start. The packages of e2e run one at a time, because each starts a whole system and has deadlines.
.PHONY: test
test: packages $(TEMPORAL) $(TEMPORAL_SERVER) $(TEMPORAL_SCHEMA) $(TEMPORAL_UI) $(GO_CLIENT) .dev/bin/testsummary
test: ## run every test, then print how many passed and failed
	@failed=0; { \
	  go test -json -count=1 $(RACE) -timeout 15m ./... || failed=1; \
	  go test -C e2e -json -count=1 -p 1 -timeout 20m ./... || failed=1; \
	  go test -C bench -json -count=1 -timeout 10m ./... || failed=1; \
	  exit $$failed; \
	} | .dev/bin/testsummary

# It needs root, and an engine only as a program: the test starts its own.
.PHONY: image-test
image-test: $(TEMPORAL) $(TEMPORAL_SERVER) $(TEMPORAL_SCHEMA) $(TEMPORAL_UI) $(COMPOSE)
image-test: ## build the images and run deploy/compose.yaml on an engine of its own: kills, restarts, alerts
	@tools/packages image
	@go build -C e2e -o ../.dev/bin/image ./image
	@PATH=$$PATH:/usr/sbin:/sbin tools/images/rootfs .dev/image/contexts
	@PATH=$$PATH:/usr/sbin:/sbin exec .dev/bin/image

.PHONY: histories
histories: packages $(TEMPORAL) ## record again the histories that every version of the workflows must replay
	go test -C e2e -count=1 -timeout 60m . -histories $(CURDIR)/workflows/testdata/histories

.PHONY: screenshots
screenshots: packages $(TEMPORAL) ## take docs/screenshots again: what support sees
	go test -C e2e -count=1 . -run 'TestSupport(Sees|Uses)' -screenshots $(CURDIR)/docs/screenshots

# N is the number of operations, DURATION the maximum time in which they begin. The same SEED draws the same operations
# and faults, but never with the same timing.
N ?= 300
SEED ?= 1
DURATION ?= $(if $(SEEDS),2h,10m)
# With SEEDS, that many seeds run one after the other, from SEED on. An interrupted run goes on with those that are
# missing; the results are in .dev/chaos, by commit and settings.
SEEDS ?=
# gateway: workers receive room events from a gateway like the platform's. plain: from mosquitto. off: they do not.
MQTT ?= gateway
# The number of concurrent clients, and of conference's database connections (0: unlimited).
CLIENTS ?= 16
CONNECTIONS ?= 10
# on: programs reach Postgres through PgBouncer.
PGBOUNCER ?= $(if $(SEEDS),on,off)

.PHONY: chaos chaos-report
chaos: packages $(TEMPORAL)
chaos: ## inject faults under load, check that nothing is lost (N= operations, SEED=, SEEDS=, DURATION=, MQTT=, CLIENTS=, CONNECTIONS=, PGBOUNCER=)
	@go build -C e2e -o ../.dev/bin/chaos ./chaos
	@exec .dev/bin/chaos -n $(N) -seed $(SEED) -seeds $(or $(SEEDS),0) -duration $(DURATION) -mqtt $(MQTT) \
	  -clients $(CLIENTS) -conference-connections $(CONNECTIONS) $(if $(filter on,$(PGBOUNCER)),-pgbouncer)

chaos-report: ## print the tables of all runs of make chaos with SEEDS
	@go build -C e2e -o ../.dev/bin/chaos ./chaos
	@exec .dev/bin/chaos -report

# Creates per second; 0 is half of what CLIENTS reach in 30 s.
RATE ?= 0

.PHONY: soak
soak: DURATION = 2h
soak: packages $(TEMPORAL)
soak: ## send a steady load without faults, sample what may grow, plot it (DURATION=, RATE=, CLIENTS=)
	@go build -C e2e -o ../.dev/bin/chaos ./chaos
	@exec .dev/bin/chaos -soak -duration $(DURATION) -rate $(RATE) -clients $(CLIENTS) -mqtt $(MQTT) \
	  -conference-connections $(CONNECTIONS)

# The same SEED draws the same scenarios. A scenario that violates an invariant is shrunk and kept in
# e2e/simulation/testdata, and comes first from then on. With SEEDS, that many seeds are searched, from SEED on, one on
# each processor. An interrupted search goes on with those that are missing; the output is in .dev/simulation, by commit.
.PHONY: simulate
simulate: packages ## search interleavings of the sagas for one that violates an invariant (N= scenarios, SEED=, SEEDS=)
ifdef SEEDS
	@go build -C e2e -o ../.dev/bin/seeds ./simulation/seeds
	@go test -C e2e -c -o ../.dev/bin/simulation.test ./simulation
	@exec .dev/bin/seeds -binary .dev/bin/simulation.test -dir .dev/simulation/$(shell git describe --always --dirty) \
	  -n $(N) -seed $(SEED) -seeds $(SEEDS)
else
	go test -C e2e ./simulation -count=1 -v -timeout 0 -progress -rapid.checks $(N) -rapid.seed $(SEED) \
	  -rapid.shrinktime 5m
endif

# LIMIT bounds the search for each bug. BUG= plants only those whose name matches this regular expression. KEEP=1 keeps
# the shrunk scenarios in e2e/simulation/testdata.
LIMIT ?= 10m

.PHONY: planted
planted: packages ## plant bugs in a copy of the service, one by one, and search for each (LIMIT=, BUG=, SEED=, KEEP=)
	@go build -C e2e -o ../.dev/bin/planted ./simulation/planted
	@cd e2e && exec ../.dev/bin/planted -limit $(LIMIT) -seed $(SEED) -only "$(BUG)" $(if $(KEEP),-keep)

# Groups separated by commas; empty for all: writes, reads, growth, isolation, overload, footprint.
SELECT ?=

.PHONY: bench bench-quick bench-report
bench: packages $(TEMPORAL) $(TEMPORAL_SERVER) $(TEMPORAL_SCHEMA) .dev/bin/bench
bench: ## measure the service and its alternatives, alone on the machine for more than an hour (SELECT= groups, SEED=)
	@exec .dev/bin/bench -select "$(SELECT)" -seed $(SEED)

bench-quick: packages $(TEMPORAL) .dev/bin/bench ## a two-minute make bench, to see that it runs (SELECT=, SEED=)
	@exec .dev/bin/bench -quick -select "$(SELECT)" -seed $(SEED)

bench-report: .dev/bin/bench ## print the last results again
	@exec .dev/bin/bench -report

.PHONY: check
check: packages $(GOLANGCI) $(LITERALS) $(WORKFLOWCHECK) $(DEPLOYCHECK) $(RULES) $(GO_CLIENT) $(TYPESCRIPT_CLIENT)
check: ## format, vet, linters, determinism of workflows, import rules, clients, the files in deploy, the alerts
	@unformatted=$$($(GO_FILES) | xargs gofmt -l); if [ -n "$$unformatted" ]; then echo "not gofmt-ed (make fmt): $$unformatted"; exit 1; fi
	for module in $(MODULES); do \
	  go vet -C $$module ./... && go vet -C $$module -vettool=$(CURDIR)/$(LITERALS) ./... && \
	  (cd $$module && $(CURDIR)/$(GOLANGCI) run ./...) && go mod -C $$module tidy -diff || exit 1; \
	done
	$(WORKFLOWCHECK) ./workflows/...
	$(DEPLOYCHECK) deploy
	$(RULES) -runbook docs/runbook.md -tests deploy/prometheus/alerts.test.yml \
	  deploy/prometheus/alerts.yml deploy/grafana/*.json
	promtool test rules deploy/prometheus/alerts.test.yml
	go test -count=1 .

.PHONY: kube-test
kube-test: $(DEPLOYCHECK) $(KUBE_APISERVER) $(ETCD) $(KUBETEST) ## apply the Helm chart to a real API server of Kubernetes
	$(KUBETEST) -etcd $(ETCD) -apiserver $(KUBE_APISERVER) -render $(DEPLOYCHECK) deploy

# The results stay in .dev/mutants, where a run that was stopped goes on. FRESH=1 begins anew.
PKG ?=
WORKERS ?= 1

.PHONY: mutants
mutants: packages $(TEMPORAL) $(GREMLINS) $(MUTANTS) ## measure tests by mutants of the code (PKG= packages, WORKERS=, FRESH=1)
	@exec nice -n 10 $(MUTANTS) -workers $(WORKERS) $(if $(FRESH),-fresh) $(PKG)

# Go fuzzes one target at a time. Inputs that fail stay in testdata/fuzz, where every go test repeats them.
FUZZTIME ?= 1m

.PHONY: fuzz
fuzz: ## fuzz bodies, paths and replies (FUZZTIME= each)
	@grep -rEo --exclude-dir='.?*' --include='*_test.go' '^func Fuzz\w+\(f' . | sed -E 's|/[^/]*:func | |; s|\(f||' | \
	while read -r dir target; do \
	  echo "$$target in $$dir"; \
	  go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) "$$dir" </dev/null || exit 1; \
	done

# The minimum time: Schemathesis finishes the phase it has begun.
APITIME ?= 1m

.PHONY: fuzz-api
fuzz-api: packages $(TEMPORAL) $(SCHEMATHESIS) ## fuzz the API against its description with Schemathesis (APITIME=)
	go test -C e2e -count=1 -v -timeout 2h . -schemathesis $(CURDIR)/$(SCHEMATHESIS) -schemathesis-time $(APITIME)

.PHONY: vuln
vuln: $(GOVULNCHECK) ## check the requirements of the service against the Go vulnerability database
	$(GOVULNCHECK) ./...

# The programs are built twice, once with an empty cache, which takes minutes.
.PHONY: release
release: $(CYCLONEDX) ## make the files of a release of the last commit in .dev/release: programs, bills of materials, checksums
	tools/release $(CYCLONEDX) .dev/release

.PHONY: freeze
freeze: ## record in released what the version in VERSION promises, for the commit that releases it
	go test -count=1 . -run TestReleased -freeze

.PHONY: docs
docs: $(DEPLOYCHECK) ## write docs/configuration.md, its JSON Schema and that of the Helm chart from config/config.go
	go test -count=1 ./config -run "TestReference|TestSchema" -write
	$(DEPLOYCHECK) -schema deploy

.PHONY: fmt
fmt: ## format the Go code
	$(GO_FILES) | xargs gofmt -w

# Debian packages that the tests need. It fails if one is missing and cannot be installed.
.PHONY: packages
packages:
	@tools/packages

# These are phony, because the go command knows what has changed.
.PHONY: .dev/bin/dev .dev/bin/testsummary .dev/bin/bench
.dev/bin/dev:
	@$(GO_BUILD) -o $@ ./cmd/dev
.dev/bin/testsummary:
	@go build -o $@ ./tools/testsummary/main.go
.dev/bin/bench:
	@go build -C bench -o ../$@ .

$(TEMPORAL): tools/go.mod tools/go.sum
	@echo "building the Temporal CLI (minutes the first time)"
	@go build -C tools -o ../$@ github.com/temporalio/cli/cmd/temporal && touch $@

$(TEMPORAL_SERVER): tools/go.mod tools/go.sum
	@echo "building Temporal's server (minutes the first time, seconds after the CLI)"
	@go build -C tools -o ../$@ go.temporal.io/server/cmd/server && touch $@

$(TEMPORAL_SCHEMA): tools/go.mod tools/go.sum
	@go build -C tools -o ../$@ go.temporal.io/server/cmd/tools/sql && touch $@

$(TEMPORAL_UI): tools/go.mod tools/go.sum
	@go build -C tools -o ../$@ github.com/temporalio/ui-server/v2/cmd/server && touch $@

$(GOLANGCI): tools/lint/go.mod tools/lint/go.sum
	@echo "building golangci-lint (minutes the first time)"
	@go build -C tools/lint -o ../../$@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint && touch $@

$(WORKFLOWCHECK): tools/lint/go.mod tools/lint/go.sum
	@go build -C tools/lint -o ../../$@ go.temporal.io/sdk/contrib/tools/workflowcheck && touch $@

$(LITERALS): tools/lint/go.mod tools/lint/go.sum $(wildcard tools/lint/literals/*.go)
	@go build -C tools/lint -o ../../$@ ./literals && touch $@

$(DEPLOYCHECK): tools/deploy/go.mod tools/deploy/go.sum $(wildcard tools/deploy/*.go)
	@echo "building the check of deploy (a minute the first time)"
	@go build -C tools/deploy -o ../../$@ . && touch $@

$(KUBE_APISERVER): tools/kubernetes/go.mod tools/kubernetes/go.sum
	@echo "building the API server of Kubernetes (minutes the first time)"
	@CGO_ENABLED=0 go build -C tools/kubernetes -o ../../$@ k8s.io/kubernetes/cmd/kube-apiserver && touch $@

$(ETCD): tools/kubernetes/go.mod tools/kubernetes/go.sum
	@CGO_ENABLED=0 go build -C tools/kubernetes -o ../../$@ go.etcd.io/etcd/server/v3 && touch $@

$(KUBETEST): tools/kubernetes/go.mod tools/kubernetes/go.sum $(wildcard tools/kubernetes/*.go)
	@CGO_ENABLED=0 go build -C tools/kubernetes -o ../../$@ . && touch $@

$(COMPOSE): tools/compose/go.mod tools/compose/go.sum
	@echo "building Docker Compose (minutes the first time)"
	@go build -C tools/compose -o ../../$@ github.com/docker/compose/v2/cmd && touch $@

$(RULES): $(wildcard tools/rules/*)
	@go build -C tools/rules -o ../../$@ . && touch $@

$(GOVULNCHECK): tools/vuln/go.mod tools/vuln/go.sum
	@go build -C tools/vuln -o ../../$@ golang.org/x/vuln/cmd/govulncheck && touch $@

$(CYCLONEDX): tools/sbom/go.mod tools/sbom/go.sum
	@go build -C tools/sbom -o ../../$@ github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod && touch $@

$(OAPI_CODEGEN): tools/clients/go.mod tools/clients/go.sum
	@go build -C tools/clients -o ../../$@ github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen && touch $@

# The clients are made again when openapi.yaml has changed, and compiled.
$(GO_CLIENT): $(OAPI_CODEGEN) httpapi/openapi.yaml tools/clients/oapi-codegen.yaml tools/clients/main.go
	@mkdir -p tools/clients/minigroups
	@cd tools/clients && $(CURDIR)/$(OAPI_CODEGEN) -config oapi-codegen.yaml ../../httpapi/openapi.yaml
	@go vet -C tools/clients ./... && go build -C tools/clients -o ../../$@ . && touch $@

$(TYPESCRIPT_CLIENT): tools/clients/package-lock.json tools/clients/tsconfig.json tools/clients/session.ts
$(TYPESCRIPT_CLIENT): httpapi/openapi.yaml
	@cd tools/clients && npm ci --silent --prefer-offline
	@cd tools/clients && node_modules/.bin/openapi-typescript ../../httpapi/openapi.yaml -o minigroups/openapi.d.ts \
	  >/dev/null && node_modules/.bin/tsc || { rm -f minigroups/openapi.d.ts; exit 1; }

$(GREMLINS): tools/mutants/go.mod tools/mutants/go.sum
	@go build -C tools/mutants -o ../../$@ github.com/go-gremlins/gremlins/cmd/gremlins && touch $@

$(MUTANTS): tools/mutants/go.mod tools/mutants/go.sum $(wildcard tools/mutants/*.go tools/mutants/*.txt)
	@go build -C tools/mutants -o ../../$@ . && touch $@

$(SCHEMATHESIS): tools/schemathesis/requirements.txt
	@python3 -m venv $(@D)/.. && $(@D)/pip install -q -r $< && touch $@
