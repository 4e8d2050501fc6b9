# `make help` lists the targets. Each one sets the environment up first if it must.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed$(if $(LOCKED),-locked)
ONE_PROTOCOL := $(if $(PROTOCOL),--protocol $(PROTOCOL))
PROTOCOL ?= paper
SEEDS ?=
OUTPUTS ?= $(or $(MSASEG_OUTPUTS),outputs)
SIZE ?= 512x768
ARGS ?= form=tuned
DATA ?= $(or $(MSASEG_DATA),data/camvid)

.PHONY: help setup lock audit crate fmt lint type test test-all test-slurm data reproduce-tables tables check-tables figures report docs notebook wandb-sync bench bench-inference bench-overhead clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-18s %s\n", $$1, $$2}'

setup: $(STAMP) ## install msaseg and its tools into .venv (idempotent) [LOCKED=1: exactly uv.lock]

$(STAMP): pyproject.toml $(if $(LOCKED),uv.lock)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' \
		|| { echo "error: $(BIN)/python is not Python 3.11 to 3.13: make clean, then make setup PYTHON=python3.12" >&2; exit 2; }
	@$(BIN)/python -c 'import pip' 2>/dev/null || $(BIN)/python -m ensurepip >/dev/null  # `uv sync` leaves none
	$(BIN)/python -m pip install --quiet --upgrade pip
ifdef LOCKED
	$(BIN)/python -m pip install --quiet uv
	UV_PROJECT_ENVIRONMENT=$(VENV) $(BIN)/uv sync --quiet --frozen --extra dev
	@touch $(VENV)/.installed
else
	PYTHONWARNINGS='ignore:Editable installation' $(BIN)/python -m pip install --quiet --editable '.[dev]'
	@rm -f $(VENV)/.installed-locked
endif
	@touch $@

lock: $(STAMP) ## renew uv.lock: the packages of the newest record, of others the latest
	pins=$$($(BIN)/python -m msaseg.records.newest) && \
		$(BIN)/uv lock --default-index https://pypi.org/simple --upgrade $$pins

audit: $(STAMP) ## ask osv.dev for advisories on the packages of uv.lock
	$(BIN)/uv audit --frozen --preview-features audit-command

crate: $(STAMP) ## describe experiments/ as an RO-Crate: experiments/ro-crate-metadata.json
	$(BIN)/python -m msaseg.publish.crate

fmt: $(STAMP) ## format the code and mend what ruff can mend
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format --quiet .

lint: $(STAMP) ## check style (ruff)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: $(STAMP) ## check types (mypy, strict)
	$(BIN)/mypy

test: $(STAMP) ## the fast tests: no network, GPU or CamVid needed
	$(BIN)/python -m pytest -n 2

test-all: $(STAMP) ## all tests but those of test-slurm; those of the real CamVid need MSASEG_DATA
	$(BIN)/python -m pytest -n 2 -m 'not slurm'

test-slurm: $(STAMP) ## sweeps on a Slurm of its own; it says which Debian packages that needs
	@$(BIN)/python tests/slurm_cluster.py
	$(BIN)/python -m pytest -m slurm tests/test_slurm.py

data: $(STAMP) ## download and verify CamVid into DATA=data/camvid
	$(BIN)/python -m msaseg.data fetch "$(DATA)"

reproduce-tables: $(STAMP) ## make every missing run, then tables, figures and the report [PROTOCOL=paper] [SEEDS=0,1,2]
	$(BIN)/python -m msaseg.tables reproduce --protocol $(PROTOCOL) $(if $(SEEDS),--seeds $(SEEDS))
	$(BIN)/python -m msaseg.figures --protocol $(PROTOCOL)
	$(BIN)/python -m msaseg.report --protocol $(PROTOCOL)
	@echo "Next: open this page in a browser; 'make help' lists what else there is."

tables: $(STAMP) ## render the tables from the records in experiments/
	$(BIN)/python -m msaseg.tables render

check-tables: $(STAMP) ## fail if a committed table is not what its records say
	$(BIN)/python -m msaseg.tables check

$(VENV)/.docs: $(STAMP)
	PYTHONWARNINGS='ignore:Editable installation' $(BIN)/python -m pip install --quiet --editable '.[docs]'
	@touch $@

docs: $(VENV)/.docs ## build the site of the documentation into build/site; a warning or a dead link fails
	@rm -rf build/site
	$(BIN)/python -m sphinx -q -W --keep-going -c docs -d build/doctrees . build/site
	@echo "Next: open build/site/README.html"

# Left in, tqdm's warning would show this machine's path.
notebook: $(VENV)/.docs ## execute docs/tour.ipynb in place
	PYTHONWARNINGS='ignore:IProgress not found' $(BIN)/jupyter execute --inplace docs/tour.ipynb

figures: $(STAMP) ## draw the figures from the records [PROTOCOL=all that are published]
	$(BIN)/python -m msaseg.figures $(ONE_PROTOCOL)

report: $(STAMP) ## write the report, one HTML page [PROTOCOL=all that are published]
	$(BIN)/python -m msaseg.report $(ONE_PROTOCOL)

wandb-sync: $(STAMP) ## upload the W&B runs that were made offline (after `wandb login`)
	@set -- "$(OUTPUTS)"/runs/*/*/*/*/wandb/offline-run-*; \
		test -d "$$1" || { echo "There is no offline run below $(OUTPUTS)/runs."; exit 0; }; \
		$(BIN)/wandb sync "$$@"

bench: bench-inference bench-overhead ## both benchmarks (docs/benchmarks.md)

bench-inference: $(STAMP) ## time the nets of Table 6 in turns; records in experiments/speeds [SIZE=512x768] [ARGS="form=tuned"]
	$(BIN)/python -m msaseg.benchmark size=$(SIZE) $(ARGS)
	$(BIN)/python -m msaseg.tables render

bench-overhead: $(STAMP) ## time the suite against bare PyTorch; record in experiments/benchmarks, table in docs/benchmarks.md
	$(BIN)/python -m msaseg.benchmark.overhead --write

clean: ## remove the environment and every cache; data, outputs and records stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
