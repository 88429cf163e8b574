# uet-git. On a fresh machine with git, make and Python 3.11 or newer: `make demo`, `make test`.

VENV  := .venv
BIN   := $(VENV)/bin
STAMP := $(VENV)/.installed
PAGES := $(VENV)/.pages
RUN   := $(BIN)/python
NAMES := python3 python3.13 python3.12 python3.11 python3.14 python
FIT   := import sys; sys.exit(sys.version_info < (3, 11))
WHOLE := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))

# The first Python that is new enough and can make a virtual environment, else the first that is new enough.
find = for p in $(NAMES); do $$p -c '$(1)' >/dev/null 2>&1 && { echo $$p; break; }; done
PYTHON = $(or $(shell $(call find,$(WHOLE))),$(shell $(call find,$(FIT))))

.DEFAULT_GOAL := help
# Where Python may not write byte code (PYTHONDONTWRITEBYTECODE), every command of a checkout would compile the whole package.
COMPILED = @$(RUN) -m compileall -q uet_git

.PHONY: help setup demo test nightly lint format types wheel bench reference docs picture check clean

help: ## Say what there is
	@grep -E '^[a-z]+:.*## ' Makefile | sed -E 's/^([a-z]+):[^#]*## /  make \1 ~/' | tr '~' '\t' | expand -t 20

setup: $(STAMP) ## Make .venv and install the package with its tools into it

$(STAMP): pyproject.toml
	@$(RUN) -c '$(FIT)' 2>/dev/null || rm -rf $(VENV)
	@test -d $(VENV) || { \
	  python="$(PYTHON)"; \
	  if [ -z "$$python" ]; then \
	    echo "uet-git needs Python 3.11 or newer, and none of these is: $(NAMES)" >&2; \
	    echo "  next: install one, or name it: make $(or $(MAKECMDGOALS),setup) PYTHON=/path/to/python3" >&2; \
	    exit 1; \
	  fi; \
	  $$python -m venv $(VENV) >$(VENV).log 2>&1 || { \
	    cat $(VENV).log >&2; rm -rf $(VENV) $(VENV).log; \
	    echo "$$python cannot make a virtual environment: its venv or ensurepip module is missing" >&2; \
	    echo "  next: sudo apt-get install python3-venv    (Debian, Ubuntu; elsewhere a Python from python.org)" >&2; \
	    exit 1; \
	  }; \
	  rm -f $(VENV).log; \
	}
	@echo "installing uet-git and its tools into $(VENV) (once)"
	@$(RUN) -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	$(COMPILED)
	@touch $@

demo: $(STAMP) ## Watch the queue work on a scratch repository; it checks itself
	$(COMPILED)
	@$(BIN)/uet-git demo

test: $(STAMP) ## Run the tests, without the long ones
	$(COMPILED)
	@$(RUN) -m pytest -q -m "not nightly" -n auto --dist worksteal $(ARGS)

nightly: $(STAMP) ## Run the long tests
	$(COMPILED)
	@$(RUN) -m pytest -q -m nightly $(ARGS)

lint: $(STAMP) ## Check the code's form
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

format: $(STAMP) ## Put the code into its form
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

types: $(STAMP) ## Check the types
	@$(BIN)/mypy

wheel: $(STAMP) ## Build the wheel into dist/
	@rm -rf dist
	@$(RUN) -m build --wheel --no-isolation --outdir dist . >/dev/null
	@ls dist/*.whl

bench: $(STAMP) ## Measure against the peers, side by side
	$(COMPILED)
	@$(RUN) -m bench $(ARGS)

reference: $(STAMP) ## Write docs/reference.md and the presets in docs/policy.md from the code
	@$(RUN) docs/reference.py
	@$(RUN) docs/presets.py

docs: reference $(PAGES) ## The same, and build the pages into build/docs; no warning passes
	@$(RUN) -m sphinx -W --keep-going -q -b html -d build/doctrees docs build/docs
	@echo build/docs/index.html

$(PAGES): $(STAMP)
	@echo "installing what builds the pages into $(VENV) (once)"
	@$(RUN) -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@touch $@

picture: $(STAMP) ## Draw the pictures in docs/ from real runs of the demo and of review
	@$(RUN) docs/picture.py

check: lint types test ## Everything that must be green before a commit

clean: ## Remove what the targets above made
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
