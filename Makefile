# MarkLens: everything a person types. `make` alone lists it.

VENV   ?= .venv
BIN    := $(VENV)/bin
# Every installation takes the versions of constraints.txt, and refuses files of other digests.
LOCK   := constraints.txt
INSTALL = $(BIN)/uv pip install --python $(BIN)/python --constraint $(LOCK) --build-constraint $(LOCK)
# The first interpreter that really runs and fits (a pyenv shim may be there and not run).
FITS   := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))
PYTHON ?= $(shell for p in python3.12 python3.11 python3.13 python3; do \
            $$p -c '$(FITS)' >/dev/null 2>&1 && command -v $$p && break; done)
# What fits the machine: cpu needs no PyTorch, gpu brings it; each has its own build of FAISS.
EXTRA  ?= $(shell nvidia-smi -L >/dev/null 2>&1 && echo gpu || echo cpu)
PORT   ?= 8000
# Two processes on two cores: threads of OpenMP that wait for each other would only spin.
TESTS   = OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help demo train test quick check lock audit fix bench bench-search docs texts clean browser

help: ## list these commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 24

demo: $(VENV)/.installed-$(EXTRA) ## install, index the shipped register of real marks, serve it
	@$(BIN)/marklens demo --port $(PORT)

train: $(VENV)/.installed-train ## install what `marklens train` and `evaluate` need (PyTorch: several GB)

test: $(VENV)/.installed-dev ## install what the tests need and run all of them
	@$(TESTS) $(ARGS)

quick: $(VENV)/.installed-dev ## the tests without browser, PostgreSQL and what takes long
	@$(TESTS) -m "not slow and not browser and not postgres" $(ARGS)

check: $(VENV)/.installed-dev ## formatting, lint, types, layers, generated pages
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/write_cli_docs.py --check
	$(BIN)/python scripts/write_model_card.py --check
	$(BIN)/python scripts/write_texts.py --check

lock: $(VENV)/.installed-dev ## bring constraints.txt up to date with pyproject.toml (ARGS=--upgrade: newest versions)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --group dev \
	  --generate-hashes --no-annotate --no-header pyproject.toml --output-file $(LOCK) $(ARGS)

audit: $(VENV)/.installed-dev ## licences of what is shipped, known weaknesses of it, containers
	$(BIN)/python scripts/audit_packages.py

fix: $(VENV)/.installed-dev ## mend formatting and simple lint
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed-dev ## the figures of the README
	$(BIN)/python -m benchmarks.encode
	$(BIN)/python -m benchmarks.agreement
	$(BIN)/python -m benchmarks.demo
	$(BIN)/python -m benchmarks.page

bench-search: $(VENV)/.installed-bench ## the search at 200,000 and 1,000,000 marks, beside its peers (hours)
	$(BIN)/python -m benchmarks.search --work bench-data --out bench-data $(ARGS)

docs: $(VENV)/.installed-dev ## rewrite generated pages
	$(BIN)/python scripts/write_cli_docs.py
	$(BIN)/python scripts/write_model_card.py

texts: $(VENV)/.installed-dev ## bring the catalogues of the page's texts up to date
	$(BIN)/python scripts/write_texts.py

clean: ## remove the virtual environment and the demo's data
	rm -rf $(VENV) marklens-data/demo

$(BIN)/uv:
	@test -n "$(PYTHON)" || { echo "MarkLens needs Python 3.11, 3.12 or 3.13 (on Debian with" \
	  "python3-venv): install one, or say make PYTHON=/path/to/python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	sed -n '/^uv==/,/[^\\]$$/p' $(LOCK) | $(BIN)/python -m pip install --quiet \
	  --disable-pip-version-check --requirement /dev/stdin

$(VENV)/.installed-$(EXTRA): pyproject.toml $(LOCK) | $(BIN)/uv
	@echo "installing MarkLens and its packages into $(VENV)"
	$(INSTALL) --editable ".[$(EXTRA)]"
	@touch $@

$(VENV)/.installed-train: $(VENV)/.installed-$(EXTRA)
	@echo "adding what training needs (PyTorch brings several GB)"
	$(INSTALL) --editable ".[$(EXTRA),train]"
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed-train
	$(INSTALL) --quiet --editable ".[$(EXTRA),train]" --group dev
	@touch $@

$(VENV)/.installed-bench: $(VENV)/.installed-dev
	$(INSTALL) --quiet --group bench
	@touch $@
