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
build: ## Builds the optimized binaries
	cargo build --locked --release --workspace

.PHONY: plugin
plugin: ## Builds kubectl chain, and an archive and a manifest of it for krew, into target/plugin
	hack/plugin

.PHONY: generate
generate: ## Writes the files that are generated from the code: the CRD, its reference, and the chart's copy and README
	hack/generate

.PHONY: fmt
fmt: ## Formats the code
	cargo fmt --all

.PHONY: lint
lint: ## Checks format, lints, the pure crates, layers, words, generated files, licenses and sources
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	hack/check-pure
	hack/check-layers --self-test
	hack/check-layers
	hack/check-words
	hack/check-images
	hack/check-generated
	# cloudevents-sdk has its license in a file alone, from which cargo-deny reads it.
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
chaos: ## Kills and disconnects real workers, and counts lost and contradictory tasks
	testing/chaos/run

.PHONY: edits
edits: ## Makes each edit of a chain with tasks in flight, while the operator crashes after each step
	testing/edits/run

.PHONY: gitops
gitops: ## Makes overrides of chains that appliers like Argo CD's and Flux's apply each second
	testing/gitops/run

.PHONY: redrive
redrive: ## Parks 10,000 tasks and redrives half of them, while workers, the mover, and the operator are killed
	testing/redrive/run

.PHONY: browser
browser: ## Shows the page to a real Chromium, which it installs; PICTURES=docs/images writes the pictures of the docs
	testing/browser/run

.PHONY: e2e
e2e: ## Installs the chart on a real kubelet, and edits and deletes a chain with tasks in flight; needs root
	testing/e2e/run

.PHONY: bench
bench: ## Measures the programs as they ship: all benchmarks; docs/benchmarks.md has the figures
	bench/run all

.PHONY: bench-goodput
bench-goodput: ## Measures the goodput of healthy tasks while other tasks fail, in a chain and in one queue
	bench/run goodput

.PHONY: bench-forecast
bench-forecast: ## Measures how near forecasts of edits come to what then happens
	bench/run forecast

.PHONY: bench-edits
bench-edits: ## Measures how long an edit takes until it is in force
	bench/run edits

.PHONY: bench-idle
bench-idle: ## Measures the cost of idle chains
	bench/run idle

.PHONY: bench-operator
bench-operator: ## Measures the operator with 1 to 1,000 chains, compared with one in Go
	bench/run operator

.PHONY: bench-worker
bench-worker: ## Measures the cost of a push through a worker, compared with nginx and a proxy in Go
	bench/run worker

.PHONY: bench-hand-over
bench-hand-over: ## Measures what a hand-over adds to a push, compared with a bare CreateTask
	bench/run hand-over

.PHONY: bench-viewers
bench-viewers: ## Measures what it costs to look at 1,000 chains, and how long a look takes
	bench/run viewers

.PHONY: bench-scale
bench-scale: ## Measures the cost of locations, and the limit of one operator
	bench/run scale

.PHONY: clean
clean: ## Removes all that was built, the API server and the tools as well
	rm -rf target
