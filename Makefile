# Everything a person does with a checkout. `make` alone lists it.
.DEFAULT_GOAL := help
.PHONY: help run test soak check bench dist format clean

UV_VERSION := 0.13.9
BIN := .venv/bin
STAMPS := .venv/stamps
# How many tests may run side by side (make test WORKERS=2).
WORKERS ?= 1
SYNC := $(BIN)/uv sync --frozen --inexact --quiet

# The project's own environment is meant, whichever one happens to be active; uv fetches no Python of its own.
unexport VIRTUAL_ENV
export UV_PROJECT_ENVIRONMENT := $(CURDIR)/.venv
export UV_PYTHON_DOWNLOADS := never

help: ## list these commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## ?(.*)/  make \1	\2/' | expand -t 16

run: $(STAMPS)/run ## install, fetch the models, build the page, start the server
	@$(BIN)/python -m compileall -q src
	@$(BIN)/voicemind models pull
	@$(BIN)/python scripts/build_web.py build
	@exec $(BIN)/voicemind serve

test: $(STAMPS)/dev ## install what the tests need and run all of them
	@$(BIN)/python scripts/test_needs.py
	@$(BIN)/python -m compileall -q src tests
	@$(BIN)/voicemind models pull || echo "The tests that need the embedded models are left out."
	@$(BIN)/python scripts/build_web.py build test
ifeq ($(WORKERS),1)
	@$(BIN)/pytest
else
	@failed=0; $(BIN)/pytest -n $(WORKERS) --dist loadgroup -m "not alone" || failed=1; $(BIN)/pytest -m alone || failed=1; exit $$failed
endif

soak: $(STAMPS)/dev ## pull the plug fifty times wherever a reflection can be cut off; talk and drop two thousand times
	@$(BIN)/python -m compileall -q src tests
	@SOAK_ROUNDS=50 $(BIN)/pytest -m soak

check: $(STAMPS)/dev ## format, lint, import order, types
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/python scripts/build_web.py check

format: $(STAMPS)/dev ## put the source into the house's format
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

bench: $(STAMPS)/dev ## measure speed and memory
	@$(BIN)/voicemind models pull
	@$(BIN)/python -m benchmarks

dist: $(STAMPS)/dev ## build the wheel, the page inside it
	@$(BIN)/python scripts/build_web.py build
	$(BIN)/uv build --wheel

clean: ## remove what was installed and built here (models and data stay)
	rm -rf .venv web/node_modules src/voicemind/static dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src tests scripts benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

$(STAMPS)/uv-$(UV_VERSION):
	@sh scripts/make_venv.sh $(UV_VERSION)
	@mkdir -p $(STAMPS) && touch $@

# `--inexact` keeps what the other one installed; compiled here because a first start would otherwise take seconds longer.
$(STAMPS)/run: $(STAMPS)/uv-$(UV_VERSION) uv.lock pyproject.toml
	@echo "Installing Voicemind and its models' libraries into .venv"
	@$(SYNC) --extra local --extra postgres --compile-bytecode
	@touch $@

$(STAMPS)/dev: $(STAMPS)/uv-$(UV_VERSION) uv.lock pyproject.toml
	@echo "Installing Voicemind and its development tools into .venv"
	@$(SYNC) --extra dev --compile-bytecode
	@touch $@
