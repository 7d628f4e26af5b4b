# Everything here works on a machine that has nothing but make, git and Python 3.11 or later: uv is
# installed into .tools/ when it is missing.

DEST ?= ../slipway-demo
PORT ?= 8000
WORKERS ?= auto

TOOLS := $(CURDIR)/.tools
# The tests call uv themselves.
export PATH := $(PATH):$(TOOLS)/bin
# Found when a recipe runs, because `bootstrap` may have to bring it first.
UV = $$(command -v uv || echo "$(TOOLS)/bin/uv")
PYTEST = $(UV) run --quiet pytest -q -n $(WORKERS) --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast rows docs-questions lint format benchmark clean bootstrap

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: bootstrap ## Render the default service to DEST (../slipway-demo), migrate it and serve it on PORT (8000)
	@set -eu; \
	if [ -e "$(DEST)" ] && [ -n "$$(ls -A "$(DEST)" 2>/dev/null || echo file)" ]; then \
		echo "$(DEST) exists and is not empty: remove it, or choose another place: make demo DEST=..." >&2; exit 1; \
	fi; \
	if ! $(UV) run --quiet --no-project python -c "$$PORT_IS_FREE" "$(PORT)"; then \
		echo "Port $(PORT) is in use or not allowed: choose another one: make demo PORT=..." >&2; exit 1; \
	fi; \
	$(UV) tool run --quiet --from 'copier>=9.19.1' copier copy --quiet --defaults --vcs-ref HEAD "$(CURDIR)" "$(DEST)"; \
	cd "$(DEST)"; \
	$(UV) sync --quiet; \
	$(UV) run alembic upgrade head; \
	printf '\nThe service is in %s. Open\n  http://127.0.0.1:%s/docs           the API\n' "$$(pwd)" "$(PORT)"; \
	printf '  http://127.0.0.1:%s/health/ready   whether it is ready\nCtrl-C stops it.\n\n' "$(PORT)"; \
	exec $(UV) run python -m app.cli serve --port "$(PORT)"

test: bootstrap ## Run all tests: every combination rendered, installed, migrated, started, toggled and updated
	@$(PYTEST)

test-fast: bootstrap ## Run what needs no environment of its own: questions, manifest and every rendered row
	@$(PYTEST) -m "not suite and not life and not deploy"

rows: bootstrap ## Write tests/rows.json again after a change of the questions
	@cd tests && $(UV) run --quiet python covering.py

docs-questions: bootstrap ## Write docs/questions.md again after a change of the questions
	@cd tests && $(UV) run --quiet python questions_page.py

lint: bootstrap ## Check the code of this repository's own tools and tests
	@$(UV) run --quiet ruff format --check tests
	@$(UV) run --quiet ruff check tests
	@$(UV) run --quiet mypy

format: bootstrap ## Format it
	@$(UV) run --quiet ruff format tests
	@$(UV) run --quiet ruff check --fix tests

benchmark: bootstrap ## Measure rendering, the service under load, and its tests
	@$(UV) run --quiet python benchmarks/run.py

clean: ## Remove what these commands left in the checkout; the demo is yours to remove
	rm -rf .tools .venv uv.lock .mypy_cache .pytest_cache .ruff_cache benchmarks/results
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

define PORT_IS_FREE
import socket, sys
with socket.socket() as probe:
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        probe.bind(("127.0.0.1", int(sys.argv[1])))
    except (OSError, OverflowError, ValueError):
        sys.exit(1)
endef
export PORT_IS_FREE

# Debian's Python may lack pip and venv, and refuses to install outside of one (PEP 668); --target is
# allowed, and as root the missing package can be installed.
bootstrap:
	@set -eu; \
	if command -v uv >/dev/null 2>&1 || [ -x "$(TOOLS)/bin/uv" ]; then exit 0; fi; \
	if ! command -v python3 >/dev/null 2>&1; then echo "Install Python 3.11 or later first." >&2; exit 1; fi; \
	echo "uv is missing: installing it into .tools/"; \
	if python3 -m venv --clear "$(TOOLS)" >/dev/null 2>&1; then "$(TOOLS)/bin/python" -m pip install --quiet uv; exit 0; fi; \
	rm -rf "$(TOOLS)"; \
	if python3 -m pip install --quiet --target "$(TOOLS)" uv 2>/dev/null; then exit 0; fi; \
	if [ "$$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null; \
		python3 -m venv --clear "$(TOOLS)"; "$(TOOLS)/bin/python" -m pip install --quiet uv; exit 0; \
	fi; \
	echo "Install uv (for example: pipx install uv) or your system's python3-venv, then run make again." >&2; exit 1
