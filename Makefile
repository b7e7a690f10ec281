# Everything here works as the first command on a fresh clone: what is needed is made.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/ready

# make demo DATA=folder MINUTES=5
DATA    ?=
MINUTES ?= 4
DEMO    := runs/demo
VARIANTS := rnn bahdanau transformer

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
	$(BIN)/pip install -q -c constraints.txt -e '.[dev,tensorboard]'
	@touch $@

demo: $(READY)  ## train the three variants on Multi30k (DATA=folder for a local copy), compare, draw
	@echo "Multi30k en-de, $(MINUTES) minutes a variant (MINUTES=...), into $(DEMO)/"
	@for model in $(VARIANTS); do \
	  $(BIN)/seq2seq train experiment=multi30k-first model=$$model name=$$model runs_dir=$(DEMO) \
	    fresh=true train.max_minutes=$(MINUTES) $(if $(DATA),data.root='$(DATA)') && \
	  $(BIN)/seq2seq evaluate $(DEMO)/$$model --test test_2016_flickr || exit 1; \
	done
	@for model in $(filter-out rnn,$(VARIANTS)); do \
	  $(BIN)/seq2seq align $(DEMO)/$$model --test test_2016_flickr --lines 1,7 || exit 1; \
	done
	@$(BIN)/seq2seq compare $(addprefix $(DEMO)/,$(VARIANTS)) --out $(DEMO)/comparison

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
