# What a person does with this repository. `make` alone lists it.
# No logic lives here: the scripts and cargo do the work, so that CI and people run the same things.
.DEFAULT_GOAL := help
.PHONY: help run build test lint format bench ci

# Arguments for `run` and `bench`: make run ARGS='--port 9000 --no-demo'
ARGS ?=

# Every build asks for the whole workspace: cargo settles the features of a crate over what is asked for, so that a
# smaller request would compile the same dependencies once more in another flavour.
CARGO := cargo
WHOLE := --workspace --locked

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The release profile, for two reasons: what a newcomer meets is as fast as what is deployed, and it is compiled once for
# `run`, `build` and `bench`. It goes without link-time optimisation, which costs minutes at every link (docs/adr/0005).
run: build ## Start the server and its console (the first time builds both; ARGS='--port 9000' and so on)
	@exec target/release/orchestratai serve $(ARGS)

build: ## Build the binary target/release/orchestratai, with the console in it
	@scripts/bootstrap build
	@scripts/console build
	$(CARGO) build --release $(WHOLE)

test: ## Run every test, of the server and of the console
	@scripts/bootstrap
	scripts/console check
	$(CARGO) test $(WHOLE)
	scripts/console e2e

lint: ## Check formatting, lints, scripts and which crates may be in the tree
	@scripts/bootstrap
	$(CARGO) fmt --all --check
	shellcheck scripts/bootstrap scripts/console scripts/check-openapi scripts/check-crates .ci/run
	scripts/check-crates
	scripts/console check
	$(CARGO) clippy $(WHOLE) --all-targets -- --deny warnings

format: ## Format the code
	$(CARGO) fmt --all

bench: build ## Measure the release build under load (the whole suite, or ARGS=ws and so on)
	target/release/orchestratai-bench $(or $(ARGS),all)

ci: ## Run what CI runs
	.ci/run
