# Everything by name; `make help` lists it. Nothing is installed outside this folder.

PYTHON ?= python3
UV_VERSION := 0.13.9
BIN := .venv/bin
STAMP := .venv/.ready
BENCH_STAMP := .venv/.ready-for-bench
LOCKED := uv.lock pyproject.toml
# Compiled code is kept, even where the environment says not to: each of a hundred processes would
# else spend two seconds on compiling the same files anew.
export PYTHONDONTWRITEBYTECODE :=

# Most tests wait more than they work: two to a core keep both busy.
TEST_WORKERS ?= 4
TEST_OPTIONS ?=
FAILOVER_OPTIONS ?=
ATTACK_OPTIONS ?=
FUZZ_INPUTS ?= 1000000

.DEFAULT_GOAL := help
.PHONY: help setup demo serve test failover torture fuzz attack bench lint format types walls docs check clean

help: ## List what there is
	@awk 'BEGIN { FS = ":.*## " } /^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

setup: $(STAMP) ## Make the environment in .venv, with locked dependencies

$(STAMP): $(LOCKED) .ci/uv
	@PYTHON="$(PYTHON)" UV_VERSION="$(UV_VERSION)" .ci/uv sync --frozen --all-extras --inexact --compile-bytecode
	@touch $(STAMP)

$(BENCH_STAMP): $(STAMP)
	@PYTHON="$(PYTHON)" UV_VERSION="$(UV_VERSION)" .ci/uv sync --frozen --all-extras --group bench
	@touch $(BENCH_STAMP)

demo: $(STAMP) ## Watch events travel into every PMS and back (simulators, nothing leaves this machine)
	@$(BIN)/frontdesk demo

serve: $(STAMP) ## Run everything, simulators included, until Ctrl-C
	@$(BIN)/frontdesk serve --sandbox

test: $(STAMP) ## Run every test
	$(BIN)/pytest -n $(TEST_WORKERS) --dist worksteal $(TEST_OPTIONS)

failover: $(STAMP) ## Kill a primary under load, promote its standby, and say what was measured
	@$(BIN)/python -m tests.journeys.failover $(FAILOVER_OPTIONS)

bench: $(BENCH_STAMP) ## Measure this service beside a hand-written one
	@$(BIN)/python -m bench $(BENCH_OPTIONS)

torture: $(STAMP) ## Kill and stop every part under load at hostile PMSs, for half an hour, and check it all
	@$(BIN)/python -m torture $(TORTURE_OPTIONS)

fuzz: $(STAMP) ## Bend a million inputs for every parser (FUZZ_INPUTS=10000: fewer)
	@$(BIN)/python -m tests.fuzz.run --inputs $(FUZZ_INPUTS) $(FUZZ_OPTIONS)

attack: $(STAMP) ## Call at an even pace beside 10,000 idle, slow, vanished and oversized callers, and time it
	@$(BIN)/python -m tests.attack.run $(ATTACK_OPTIONS)

lint: $(STAMP) ## Lint, and check the format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(STAMP) ## Put the code into its format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(BENCH_STAMP) ## Check the types, strictly
	$(BIN)/mypy --strict src
	MYPYPATH=src:. $(BIN)/mypy --strict --explicit-package-bases bench torture docs tests
	MYPYPATH=src:examples $(BIN)/mypy --strict --explicit-package-bases examples

walls: $(STAMP) ## Check who may import whom, and who may name whom
	$(BIN)/lint-imports
	$(BIN)/pytest -q tests/walls

docs: $(STAMP) ## Write the generated reference pages anew
	$(BIN)/python -m docs.generate

check: lint types walls test ## Lint, types, walls, tests

clean: ## Take the environment and the caches away
	rm -rf .venv .bootstrap .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
