# What a developer runs. Everything lives in a plain venv, .venv, filled by pip from constraints.txt.

PYTHON ?= python3
SEEDS ?= 20000
ARGS ?=
# What of failover/core the tests must cover, by branch, in per cent.
CORE_COVERAGE ?= 100

VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.installed-runtime
DEVELOPMENT := $(VENV)/.installed-development
PYTHON_IS_NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))

# The tests start hundreds of processes, and an installed controller is compiled: so compile once.
unexport PYTHONDONTWRITEBYTECODE
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
# pip builds in a venv of its own, which heeds no -c on the command line, only these.
export PIP_CONSTRAINT := constraints.txt
export PIP_BUILD_CONSTRAINT := constraints.txt

.DEFAULT_GOAL := help
.PHONY: help setup demo check format test long sim lab softdog bench deb rewrite

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' Makefile

setup: $(DEVELOPMENT) ## make .venv with everything that developing needs

demo: $(RUNTIME) ## see a failover on this machine; needs nothing but python3 with venv
	@if [ -t 0 ] && [ -t 1 ]; then exec $(BIN)/failoverctl demo; else exec $(BIN)/failoverctl demo --once; fi

check: $(DEVELOPMENT) ## format, lint, types, layers
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(DEVELOPMENT) ## format the code and mend what ruff can
	$(BIN)/ruff check --fix --exit-zero
	$(BIN)/ruff format

test: $(DEVELOPMENT) ## all tests, and whole coverage of failover/core; or some: make test ARGS='tests/core -k clean'
	scripts/install-test-needs
ifeq ($(strip $(ARGS)),)
	$(BIN)/coverage run -m pytest tests/core
	$(BIN)/coverage report --include='failover/core/*' --skip-covered --show-missing --fail-under=$(CORE_COVERAGE)
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder -m 'not long' --ignore=tests/core
else
	$(BIN)/python -m pytest $(ARGS)
endif

long: $(DEVELOPMENT) ## what is left out of the tests because it takes minutes, but for the lab
	scripts/install-test-needs
	$(BIN)/python -m pytest -m 'long and not lab' $(ARGS) tests

sim: $(DEVELOPMENT) ## whole clusters under a simulated clock: make sim SEEDS=20000
	$(BIN)/python -m tests.simulation --seeds $(SEEDS)

lab: $(DEVELOPMENT) ## tests on a host of their own, with a real systemd; needs root
	scripts/install-test-needs
	WHOLE_LAB=1 $(BIN)/python -m pytest -m lab $(ARGS) tests/lab

softdog: $(DEVELOPMENT) ## a real softdog in QEMU, five minutes: needs Debian's qemu-system-x86 and seabios, and apt-get download
	$(BIN)/python -m tests.softdog

bench: $(DEVELOPMENT) ## measure failovers against the store's own floor: make bench ARGS=...
	scripts/install-test-needs
	$(BIN)/python -m tests.bench $(ARGS)

deb: ## build a Debian package into dist/
	scripts/build-deb

rewrite: $(DEVELOPMENT) ## rewrite the transcripts from what the core does now; review them as a diff
	$(BIN)/python -m pytest tests/core/test_transcripts.py --rewrite

$(RUNTIME): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	@touch $@

$(DEVELOPMENT): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $@ $(RUNTIME)

# A venv that came out half-made would look made the next time: away with it.
$(BIN)/python:
	@$(PYTHON) -c '$(PYTHON_IS_NEW_ENOUGH)' || { \
		echo "failoverd needs Python 3.11 or later; name one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "No venv could be made in $(CURDIR)/$(VENV). On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
