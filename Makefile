# The recipes. `make` alone lists them. Each one installs what it needs into .venv by itself, and says so.
# To use another Python than the first that fits: make PYTHON=/path/to/python3 RECIPE

.DEFAULT_GOAL := help
.PHONY: help demo serve check test bench docs console format lock run-ready dev-ready
MAKEFLAGS += --no-print-directory
export PYTHON

BIN := .venv/bin

help: ## list the recipes
	@echo 'Recipes (make NAME):'
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  \1\t\2/p' Makefile | expand -t 12

demo: run-ready ## watch a team of agents look over this machine and this checkout
	@if [ -t 0 ] && [ -t 1 ]; then exec $(BIN)/ripieno demo; else \
	    echo 'No terminal to ask on, so approvals are granted beforehand: ripieno demo --yes'; \
	    exec $(BIN)/ripieno demo --yes; fi

serve: run-ready ## run the server on http://127.0.0.1:8000 until Ctrl-C
	@exec $(BIN)/ripieno serve

check: dev-ready ## format, lint, imports, shape, types: under a minute
	@$(BIN)/python scripts/stages.py check

test: dev-ready ## everything: the checks, the documents, all tests with coverage
	@$(BIN)/python scripts/debian.py
	@$(BIN)/python scripts/stages.py test

bench: dev-ready ## measure, and print the figures beside the aims
	@$(BIN)/python -m bench

docs: dev-ready ## build the documents into docs/_build/html
	@$(BIN)/python scripts/reference.py
	@$(BIN)/python scripts/stages.py docs
	@echo 'Open docs/_build/html/index.html'

console: ## the web console
	@echo 'This version of Ripieno has no web console yet; use the command line (ripieno --help) or the HTTP API (make serve).'

format: dev-ready ## rewrite the code in the house format, with the fixes that lint can make
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

lock: dev-ready ## remake the lock files (UPGRADE=1 takes newer versions)
	@$(BIN)/python scripts/lock.py

run-ready:
	@scripts/bootstrap run

dev-ready:
	@scripts/bootstrap dev
