# Everything a person runs. `make help` lists it; `make up` needs Python 3.11+ and nothing else.
PORT ?= 8000
KILLS ?= 200
PYTHON ?= python3

VENV := .venv
BIN := $(VENV)/bin
NODE := $(BIN)/python tools/node.py
UV := $(BIN)/python -m uv
INSTALLED := $(VENV)/.installed
MODULES := node_modules/.installed
PAGE := apps/terminal/web/dist/index.html
PAGE_SOURCES := $(shell find web apps/terminal/web -type f \
	-not -path '*/node_modules/*' -not -path '*/dist/*' -not -name '*.test.*')

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help up test check format bench chaos pages lock clean

help: ## list these commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

up: $(INSTALLED) $(PAGE) ## run the terminal at http://127.0.0.1:8000 (PORT=9000 for another)
	@$(BIN)/tidegate up apps.terminal.app:app --port $(PORT)

test: check $(MODULES) $(PAGE) ## check, then run every test
	$(BIN)/pytest
	$(NODE) npm run check
	$(NODE) npm run test

check: $(INSTALLED) ## lint, format, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED) $(MODULES) ## put every file into its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(NODE) npm run format

bench: $(INSTALLED) $(PAGE) ## measure beside the peers, into bench/RESULTS.md
	$(BIN)/python -m bench

chaos: $(INSTALLED) ## kill parts of a running app KILLS=200 times and check the ledger
	$(BIN)/python -m chaos --kills $(KILLS)
	$(BIN)/pytest -m chaos --timeout 3600

pages: $(PAGE) ## build the pages

lock: $(INSTALLED) ## settle the versions of all packages anew
	$(UV) pip compile -q $(LOCKED) --extra terminal --group dev -o requirements.lock pyproject.toml
	$(UV) pip compile -q $(LOCKED) --group node -o requirements-node.lock

clean: ## remove what was built and installed; data in .tidegate stays
	rm -rf $(VENV) node_modules apps/*/web/dist apps/*/web/node_modules web/*/node_modules

LOCKED := --universal --python-version 3.11 --generate-hashes --upgrade \
	--no-emit-index-url --no-header --no-annotate

# The project builds with what is locked, so nothing is fetched that has no hash.
$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit(\
	  "expected Python 3.11 or newer, found %s; set PYTHON to another" % sys.version.split()[0])'
	@echo "installing packages"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@awk '/^[a-z]/ {uv = /^uv==/} uv' requirements.lock > $(VENV)/uv.lock
	@$(BIN)/python -m pip install -q --require-hashes -r $(VENV)/uv.lock
	@$(UV) pip install -q --python $(BIN)/python --require-hashes -r requirements.lock
	@$(UV) pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

$(MODULES): package-lock.json $(INSTALLED)
	@echo "installing what builds the page"
	@$(NODE) npm ci --silent --no-audit --no-fund
	@touch $@

$(PAGE): $(PAGE_SOURCES) package.json $(MODULES)
	@echo "building the page"
	@$(NODE) npm run build --silent > $(VENV)/page.log 2>&1 || { cat $(VENV)/page.log; exit 1; }
	@touch $@
