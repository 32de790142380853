# Everything a change needs is `make generate lint test`.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# One thing at a time: cargo locks its target folder, and takes all cores by itself.
.NOTPARALLEL:

.PHONY: help
help: ## Lists the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Builds the optimised binaries
	cargo build --locked --release --workspace

.PHONY: generate
generate: ## Writes the files that are generated from the code: the CRD, its reference, and the chart's copy and README
	hack/generate

.PHONY: fmt
fmt: ## Formats the code
	cargo fmt --all

.PHONY: lint
lint: ## Checks format, lints, the pure crates, layers, generated files, licences and sources
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	hack/check-pure
	hack/check-layers --self-test
	hack/check-layers
	hack/check-images
	hack/check-generated
	# cloudevents-sdk has its licence in a file alone, from which cargo-deny reads it.
	hack/tools/cargo-deny --locked check --allow no-license-field bans licenses sources

# Not part of lint: it fetches a database that changes by the day, so that the same commit could
# pass today and fail tomorrow, and it works only where that database can be reached.
.PHONY: advisories
advisories: ## Checks the dependencies for known vulnerabilities (from the network)
	hack/tools/cargo-deny --locked check advisories

# The control plane, helm and the Python client come first: the tests start them.
.PHONY: test
test: ## Runs all tests; the first time it builds a Kubernetes API server, with Go
	assets=$$(hack/kube/build); hack/kube/build chart >/dev/null; hack/gateway/crds >/dev/null; \
	python=$$(hack/tools/python); \
	KUBEBUILDER_ASSETS=$$assets EXECUTOR_CHAIN_PYTHON=$$python \
		cargo test --locked --workspace --no-fail-fast

.PHONY: model
model: ## Checks the attempt rules in every order of events, with more faults than make test has
	cargo test --locked --release -p decide --test model -- --include-ignored --nocapture

.PHONY: chaos
chaos: ## Kills, cuts and starves real workers, and counts what becomes of each task
	testing/chaos/run

.PHONY: edits
edits: ## Makes each edit of a chain while tasks are under way and the operator dies after each step
	testing/edits/run

.PHONY: e2e
e2e: ## Installs the chart on a real kubelet and lives through a chain's life, with tasks under way; needs root
	testing/e2e/run

.PHONY: bench
bench: ## Measures the programs as they ship: all benchmarks; docs/benchmarks.md has the figures
	bench/run all

.PHONY: bench-goodput
bench-goodput: ## How much of the healthy work is done while other tasks fail, in a chain and in one queue
	bench/run goodput

.PHONY: bench-edits
bench-edits: ## How long an edit takes until it is in force
	bench/run edits

.PHONY: bench-idle
bench-idle: ## What chains cost that nobody touches
	bench/run idle

.PHONY: bench-operator
bench-operator: ## What 1 to 1,000 chains cost the operator, beside one in Go
	bench/run operator

.PHONY: bench-worker
bench-worker: ## What a push costs on its way through a worker, beside nginx and a proxy in Go
	bench/run worker

.PHONY: bench-hand-over
bench-hand-over: ## What a hand-over adds to a push, beside a bare CreateTask
	bench/run hand-over

.PHONY: bench-scale
bench-scale: ## What locations cost an operator, and where one operator ends
	bench/run scale

.PHONY: clean
clean: ## Removes all that was built, the API server and the tools as well
	rm -rf target
