# Each command makes the virtual environment that it needs: .venv to use the package, .venv-dev to work on it.
PYTHON ?= python3
PYTEST_ARGS ?=

USE := .venv/bin
DEV := .venv-dev/bin
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help quickstart test test-long test-trl test-loaders test-gpu bench bench-trainer reproduce lint format types clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

quickstart: .venv/.installed ## make a small dataset with the simulated teacher: no key, no network, no cost
	$(USE)/metaalign-data run recipes/quickstart.yaml --show 2

test: .venv-dev/.installed ## run every test
	$(DEV)/pytest -q -n 2 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

test-long: .venv-dev/.installed ## run the tests that take minutes: a run killed at twenty moments, a million rows
	$(DEV)/pytest -q -m long $(PYTEST_ARGS)

test-trl: .venv-dev/.installed ## run the tests against TRL's own trainers
	@$(DEV)/python $(PIP_INSTALL) --group trl
	$(DEV)/pytest -q -m trl

test-loaders: .venv-dev/.installed ## run the tests against the loaders of axolotl, LLaMA-Factory and OpenRLHF
	$(DEV)/pytest -q -m loaders

test-gpu: .venv-dev/.installed ## run the tests of the trainer on a CUDA GPU; needs a torch that was built for it
	$(DEV)/pytest -q -m gpu

bench: .venv-dev/.installed .venv-peers/.installed ## measure: data, dedup beside its peers, the engine (an hour and a half)
	@missed=""; for bench in judge preferences audit split rules "dedup --peers .venv-peers/bin/python" embed throughput engine resume limiter; do \
	set -- $$bench; script=$$1; shift; $(DEV)/python benchmarks/bench_$$script.py "$$@" || missed="$$missed $$script"; done; \
	test -z "$$missed" || { echo "a bar was missed by:$$missed"; exit 1; }

bench-trainer: .venv-dev/.installed ## measure the trainer beside TRL, which this installs (a quarter of an hour)
	@$(DEV)/python $(PIP_INSTALL) --group trl
	$(DEV)/python benchmarks/bench_trainer_parity.py
	$(DEV)/python benchmarks/bench_trainer.py

reproduce: .venv-dev/.installed ## the paper's claims in miniature: data, twelve small models, a table and a plot (15 minutes)
	$(DEV)/python benchmarks/reproduce.py

lint: .venv-dev/.installed ## check style and formatting
	$(DEV)/ruff check .
	$(DEV)/ruff format --check .

format: .venv-dev/.installed ## format, and fix what can be fixed
	$(DEV)/ruff format .
	$(DEV)/ruff check --fix .

types: .venv-dev/.installed ## check the types
	$(DEV)/mypy

clean: ## remove the environments, caches and builds; runs/ stays
	rm -rf .venv .venv-dev .venv-peers build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

.venv/.installed: pyproject.toml constraints.txt
	$(call make_venv,.venv)
	@$(USE)/python $(PIP_INSTALL) --build-constraint constraints.txt --editable .
	@touch $@

.venv-dev/.installed: pyproject.toml constraints.txt
	$(call make_venv,.venv-dev)
	@$(DEV)/python $(PIP_INSTALL) --build-constraint constraints.txt --editable '.[all]' --group dev --group serve
	@touch $@

# What others remove duplicates with, to be measured beside ours.
.venv-peers/.installed:
	$(call make_venv,.venv-peers)
	@.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check semhash faiss-cpu datasketch
	@touch $@

# pip is upgraded first: --group and --build-constraint are newer than the pip of many Pythons.
define make_venv
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "metaalign-data needs Python 3.11 or newer, this is " + sys.version.split()[0] + ": make PYTHON=/path/to/python3.11")'
	@echo "installing into $(1): a minute or so"
	@$(PYTHON) -m venv $(1)
	@$(1)/bin/python $(PIP_INSTALL) --upgrade pip
endef
