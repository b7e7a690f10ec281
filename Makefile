# Everything here works as the first command on a fresh clone: what is needed is made.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/ready

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench clean

help:  ## print this
	@echo "usage: make TARGET"
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  \1\t\2/' | expand -t 12

setup: $(READY)  ## make the environment in .venv, all versions pinned

# torch comes first and alone: the rest must find it there and never choose a build of its own.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -c constraints.txt torch
	$(BIN)/pip install -q -c constraints.txt -e '.[dev,browser,tensorboard]'
	@touch $@

demo: $(READY)  ## train three variants on the built-in corpus, compare them, draw what they see
	$(BIN)/seq2seq demo

test: $(READY)  ## run the tests
	$(BIN)/pytest -q -n auto --dist loadfile

check: $(READY)  ## lint, format, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)  ## measure training and decoding speed on this machine
	$(BIN)/seq2seq bench

clean:  ## remove the environment and caches, never a run
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
