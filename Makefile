# Two commands do everything on a fresh machine: `make demo` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SECONDS ?= 600
PEERS := .venv-peers

.PHONY: help demo test check setup paper-small slow test-peers fuzz bench bench-peers clean

help:  ## say what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

setup: $(READY)  ## make .venv with the pinned versions

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("swc needs Python 3.11 or newer: make PYTHON=python3.11 ...") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-deps imagecorruptions-imaug  # for its pictures
	touch $@

# One thread: networks this small gain little from two, and on a busy machine two wait for each other all the time.
demo: setup  ## compile, train and show the quickstart on real images (some minutes)
	$(BIN)/swc compile specs/quickstart.sw
	$(BIN)/swc train --threads 1
	$(BIN)/swc show
	$(BIN)/swc show --format png -o build/quickstart/sharing.png

check: setup  ## style, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/swc fmt --check specs/*.sw specs/recipes/*.sw specs/sweeps/*.sw specs/baselines/*.sw specs/small/*.sw

# One thread each: with several, two processes wait for each other. Files of long tests go first, so that no process is
# left with one of them when the other has ended.
test: check  ## the checks, then the tests (under ten minutes on two cores)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow" \
	    tests/end_to_end tests/cli tests/runtime tests

slow: setup  ## the tests that take minutes
	$(BIN)/python -m pytest -m slow

test-peers: $(PEERS)/.ready  ## our networks against those of other libraries, in an environment of its own (some minutes)
	$(PEERS)/bin/python -m pytest -m peers tests/runtime tests/unit  # the other folders need more than is installed there

fuzz: $(VENV)/.fuzz  ## try what nobody writes on all that reads text and files: make fuzz SECONDS=3600 SEED=1
	PYTHONPATH=tests $(BIN)/python -m fuzzing --seconds $(SECONDS) $(if $(SEED),--seed $(SEED)) -o build/fuzz

$(VENV)/.fuzz: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[fuzz]'
	touch $@

paper-small: setup  ## the paper's questions at a size that two cores bear (hours; goes on where it was): make paper-small DATA=FOLDER
	set -e; for sweep in start_values sharing_pays sharing_pays_epochs rivals; do \
	    $(BIN)/swc sweep specs/small/$$sweep.toml $(if $(DATA),--data $(DATA)) --estimate; \
	    $(BIN)/swc sweep specs/small/$$sweep.toml $(if $(DATA),--data $(DATA)) --threads 1 \
	        --table docs/results/paper_small/$$sweep.csv --markdown docs/results/paper_small/$$sweep.md; \
	done

bench: setup  ## what a step, statistics, data and the compiler cost, in one table (half an hour, on an idle machine)
	$(BIN)/python -m benchmarks -o build/bench

bench-peers: $(PEERS)/.ready  ## the same ensemble in other libraries, in an environment of its own (some minutes)
	$(PEERS)/bin/python -m benchmarks.peers -o build/bench --rounds 7

$(PEERS)/.ready: pyproject.toml constraints.txt benchmarks/peers.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable . --requirement benchmarks/peers.txt
	touch $@

clean:  ## remove the environments and everything compiled
	rm -rf $(VENV) $(PEERS) build
