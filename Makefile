# Every target works as the first command on a fresh clone: what it needs is made first.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/ready
EXTRAS := dev,docs,align,browser,ctranslate2,lessons,mecab,onnx,play,tensorboard,transformers
LOWEST := .venv-lowest
# The part of the tests that touches every dependency; torch stays at its pinned version.
LOWEST_TESTS := tests/test_cli.py tests/test_old_runs.py tests/scoring/test_metrics.py \
  tests/commands/test_plot.py tests/compare/test_html.py tests/corpora/test_hub.py \
  tests/text/test_tokenizer.py tests/test_config.py tests/play/test_server.py
TESTFLAGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo test coverage check lessons docs wheel test-wheel test-lowest bench clean

help:  ## print this
	@echo "usage: make TARGET"
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 16

setup: $(READY)  ## make the environment in .venv, all versions pinned

# torch comes first and alone: the rest must find it there and never choose a build of its own.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -c constraints.txt torch
	$(BIN)/pip install -q -c constraints.txt -e '.[$(EXTRAS)]'
	@touch $@

demo: $(READY)  ## train four models on the built-in corpus, compare them, draw their attention
	$(BIN)/seq2seq demo

test: $(READY)  ## run the tests; prints why each skipped test was skipped
	$(BIN)/pytest -q -rs -n auto --dist loadfile $(TESTFLAGS)

coverage: TESTFLAGS += --cov --cov-report=term:skip-covered
coverage: test  ## run the tests and print how much of the code they execute

check: $(READY)  ## lint, format, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

lessons: $(READY)  ## run the lessons and write their pages and figures to docs/lessons/
	OMP_NUM_THREADS=1 $(BIN)/python docs/render_lessons.py

docs: $(READY)  ## build the documentation into site/, warnings are errors
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

wheel: $(READY)  ## build the wheel into dist/
	rm -rf dist
	$(BIN)/pip wheel -q -c constraints.txt --no-deps --wheel-dir dist .

test-wheel: wheel  ## install the wheel into an empty environment and use it there
	.ci/test-wheel $(PYTHON)

# The lower bounds that pyproject.toml promises.
$(LOWEST)/ready: pyproject.toml constraints-lowest.txt
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/pip install -q -c constraints-lowest.txt torch
	$(LOWEST)/bin/pip install -q -c constraints-lowest.txt -e '.[play]' beartype hypothesis pytest pytest-xdist
	@touch $@

test-lowest: $(LOWEST)/ready  ## run a part of the tests with the lowest versions that are promised
	$(LOWEST)/bin/pytest -q -rs -n auto --dist loadfile $(LOWEST_TESTS)

bench: $(READY)  ## measure training and decoding speed on this machine
	$(BIN)/seq2seq bench

clean:  ## remove the environments, caches and builds, never a run
	rm -rf $(VENV) $(LOWEST) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage dist site
