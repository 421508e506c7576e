# Everything a contributor types. `make` alone lists it.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

BINARIES := $(notdir $(patsubst %/src/main.rs,%,$(wildcard crates/*/src/main.rs)))
# The images hold static binaries: nothing but the kernel is needed to run them.
TARGET := $(shell uname -m)-unknown-linux-gnu
DIST := target/$(TARGET)/dist

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

.PHONY: setup
setup: ## Install what the checks and tests need beyond Rust and a C compiler
	@command -v cargo-nextest >/dev/null || cargo install --locked cargo-nextest
	@command -v cargo-deny >/dev/null || cargo install --locked cargo-deny
# A network of a test's own (ip, unshare), a library that moves a clock (cc).
	@command -v ip >/dev/null || (apt-get update -qq && apt-get install -y -qq --no-install-recommends iproute2)
# What the sandbox's Redshift runs SQL on, and what stands for RDS; tests start servers of their own.
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || (apt-get update -qq && apt-get install -y -qq --no-install-recommends postgresql)

.PHONY: demo
demo: ## Run the documented jobs through two accounts of a local AWS
	@tests/sandbox/demo.sh

.PHONY: sandbox
sandbox: ## Start the local AWS with the documented two accounts, until Ctrl-C
	cargo run --quiet -p sandbox -- --world tests/sandbox/worlds/two-accounts.toml --write-dir target/sandbox

.PHONY: test
test: setup ## Run every test
	cargo nextest run --workspace --all-targets
	cargo test --workspace --doc --quiet

.PHONY: check
check: setup ## Formatting, lints, documentation, licences and bans
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet
	cargo deny --log-level error check bans licenses sources

# Packed relocations save 5 % of the file; they need glibc 2.36 to relocate itself, which is linked in.
DIST_RUSTFLAGS := -C target-feature=+crt-static -C link-arg=-Wl,-z,pack-relative-relocs

.PHONY: dist
dist: ## Build the static binaries of the images into target/*/dist
	RUSTFLAGS="$(DIST_RUSTFLAGS)" cargo build --profile dist --target $(TARGET) $(BINARIES:%=-p %)
	@ls -l $(BINARIES:%=$(DIST)/%)

.PHONY: bench
bench: ## Measure the static binaries against a floor, curl, the AWS CLI and wrk
	tests/bench/run.py --build
	tests/bench/fan_out.py
	tests/bench/stream.py
