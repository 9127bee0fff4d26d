# The house's commands. `make` alone prints them.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.ready

.PHONY: help setup demo mcp test check lint unit e2e bench eval lock docs clean

help: ## Print this help
	@grep -hE '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

setup: $(STAMP) ## Make .venv with everything, from the lock file

$(STAMP): pyproject.toml requirements.lock
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep -o '^uv==[0-9.]*' requirements.lock)"
	VIRTUAL_ENV=.venv $(BIN)/uv pip sync --quiet --require-hashes requirements.lock
	VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --no-deps --editable .
	@touch $(STAMP)

demo: $(STAMP) ## Run the demo fleet: server on http://127.0.0.1:8080 (stop with Ctrl-C)
	$(BIN)/aiops demo

mcp: ## Serve MCP over stdio, as mcp.json starts it (ARGS="--demo" to try it)
	@$(MAKE) --silent setup >&2
	@exec $(BIN)/aiops-mcp $(ARGS)

test: $(STAMP) lint unit eval ## Everything CI runs: lint, types, import contract, tests, coverage

lint: $(STAMP) ## ruff, pyright strict, import contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports --no-logo

unit: $(STAMP) ## All tests, with coverage of aiops_mcp held to 90 %
	$(BIN)/coverage erase
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder --durations=40 --cov --cov-report=
	$(BIN)/coverage report --fail-under=90 --skip-covered --sort=cover | tail -40

e2e: $(STAMP) ## Only the tests against real processes
	$(BIN)/python -m pytest tests/e2e tests/contract

bench: $(STAMP) ## All benchmarks; ratios in one run
	$(BIN)/python benchmarks/run.py

eval: $(STAMP) ## Play the recorded answers of a model and score them
	$(BIN)/aiops eval --replay --table --require cause_first=1,healthy_clean=1,false_claims=0

docs: $(STAMP) ## Write the generated pages (settings, tools, OpenAPI)
	$(BIN)/python docs/generate.py

lock: ## Write requirements.lock anew from pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra dev --generate-hashes \
	  --no-emit-index-url --no-annotate --custom-compile-command "make lock" \
	  --upgrade -o requirements.lock pyproject.toml

clean: ## Remove everything that was built
	rm -rf .venv .cache build dist .coverage* .pytest_cache .ruff_cache .hypothesis .import_linter_cache

check: test
