# Two commands do everything on a fresh machine: `make demo` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SECONDS ?= 600
PEERS := .venv-peers

.PHONY: help demo test check setup paper-small slow figure test-peers fuzz bench bench-peers clean

help:  ## say what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

setup: $(READY)  ## make .venv with the pinned versions

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("swc needs Python 3.11 or newer: make PYTHON=python3.11 ...") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-deps imagecorruptions-imaug  # for its pictures
	touch $@

# One thread for each run: networks this small gain little from two, and two threads wait for each other on a busy machine.
RUN := build/sweeps/demo/ensemble=shared,seed=0/run
ifeq ($(shell uname -m),x86_64)
# Processors round sums differently, and after some steps gradients differ so much that other layers are parted
# (docs/explanation/method.md). With instructions that all of them have, the demo tells the same story on each.
demo: export ATEN_CPU_CAPABILITY := avx2
demo: export ONEDNN_MAX_CPU_ISA := AVX2
demo: export MKL_CBWR := AVX2
endif
demo: setup  ## a shared ensemble beside narrow and full-size ones, trained on real images (two minutes)
	$(BIN)/swc compile specs/demo.sw --ensemble shared
	$(BIN)/swc sweep specs/demo.toml --jobs 2 --threads 1
	$(BIN)/swc show $(RUN)
	$(BIN)/swc show $(RUN) --format png -o build/demo.png
	@printf '%s\n' 'One seed says little, and digits are easy: docs/results/demo has ten, with intervals. build/demo.png shows who shares,' \
	    'before and after the split. Next: docs/tutorial/first_ensemble.md, or write a spec and `swc compile` it.'

check: setup  ## style, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/swc fmt --check specs/*.sw specs/recipes/*.sw specs/sweeps/*.sw specs/baselines/*.sw specs/small/*.sw specs/tables/*.sw specs/transformers/*.sw specs/folding/*.sw

# One thread each: with several, two processes wait for each other. Files of long tests go first, so that no process is
# left with one of them when the other has ended. Tests start many processes, and each would compile this package anew
# where the environment says that nothing compiled is kept.
test: check  ## the checks, then the tests (under ten minutes on two cores)
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow" \
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

# `make paper-small DATA=FOLDER` runs what takes about seven hours on two cores with JOBS=2; ITEM names one other, or several.
# Rows are kept in a table beside the page as runs end, and any machine goes on from them. Items of LOOKED_AT need the
# runs themselves afterwards, so that their rows are those of the folders in build/sweeps alone.
ITEM ?= start_values sharing_pays budgets sharing_pays_epochs narrow_epochs rivals stored table_3 figure_4a figure_4b
LOOKED_AT := table_2 anytime figure_5 table_5
SMALL := docs/results/paper_small
FROM = $(if $(DATA),--data $(DATA))
ROWS = $(if $(filter $*,$(LOOKED_AT)),,--table $(SMALL)/$*.csv)

paper-small: $(addprefix small-,$(ITEM))  ## the paper's questions at a size that two cores bear (hours; goes on where it was): make paper-small DATA=FOLDER JOBS=2 ITEM=table_2

# `stored` scores runs of `sharing_pays` again, and looks for them where they were trained.
IN = build/sweeps/$(if $(filter stored,$*),sharing_pays,$*)

small-%: setup
	$(BIN)/swc sweep specs/small/$*.toml $(FROM) $(ROWS) --threads 1 -o $(IN) --estimate
	$(BIN)/swc sweep specs/small/$*.toml $(FROM) $(ROWS) --threads 1 -o $(IN) --jobs $(or $(JOBS),1) --markdown $(SMALL)/$*.md
	cp $(IN)/sweep.png $(SMALL)/$*.png
	$(if $(ROWS),,cp $(IN)/sweep.csv $(SMALL)/$*.csv)
	$(looked_at_$*)

figure: $(addprefix drawn-,overview training_length)  ## the figure of the first page and its table, from the rows beside the page; nothing is trained

# What puts together the rows of other sweeps.
drawn-%: setup
	$(BIN)/swc sweep specs/small/$*.toml --no-run --markdown $(SMALL)/$*.md
	cp build/sweeps/$*/sweep.png $(SMALL)/$*.png

# Table 2: how much members disagree. Figure 3: what lies between two of them; joint networks have no line.
SEPARATE := deep_ensemble shared_82 shared_25 shared_5
define looked_at_table_2
$(BIN)/swc eval $(FROM) --time-batch 0 --format csv -o build/sweeps/table_2/joint.csv $(foreach one,batch_ensemble mimo,build/sweeps/table_2/ensemble=$(one),seed=*/run)
$(BIN)/swc eval $(FROM) --time-batch 0 --interpolate --format csv -o build/sweeps/table_2/separate.csv $(foreach one,$(SEPARATE),build/sweeps/table_2/ensemble=$(one),seed=*/run)
$(BIN)/python $(SMALL)/evaluated.py deep_ensemble build/sweeps/table_2/*/run > $(SMALL)/table_2_diversity.md
set -e; for one in $(SEPARATE); do $(BIN)/swc plot interpolation build/sweeps/table_2/ensemble=$$one,seed=0/run -o $(SMALL)/figure_3_$$one.png; done
endef

# Figure 1: efficient ensembles at every cost. Figure 2: several widths.
define looked_at_anytime
$(BIN)/swc eval build/sweeps/anytime/*/run $(FROM) --time-batch 0 --format csv -o $(SMALL)/anytime_subsets.csv
$(BIN)/swc compare $(foreach one,shared homogeneous batch_ensemble mimo msdnet hne,build/sweeps/anytime/ensemble=$(one),seed=*/run) --plot $(SMALL)/figure_1.png
$(BIN)/swc compare $(foreach one,shared separate narrow slimmable universally_slimmable,build/sweeps/anytime/ensemble=$(one),seed=*/run) --plot $(SMALL)/figure_2.png
endef

# Figure 5: which layers end in one cluster, drawn, and how many neighbours are parted.
define looked_at_figure_5
set -e; for tau in 0.1 0.2 0.3; do $(BIN)/swc show build/sweeps/figure_5/tau=$$tau,seed=0/run --format png -o $(SMALL)/figure_5_clusters_$$tau.png; done
$(BIN)/python $(SMALL)/neighbours.py build/sweeps/figure_5/tau=0.*/run > $(SMALL)/figure_5_neighbours.txt
endef

# Table 5, corrupted: the 15 standard types in the middle severity.
STANDARD := gaussian_noise,shot_noise,impulse_noise,defocus_blur,glass_blur,motion_blur,zoom_blur,snow,frost,fog,brightness,contrast,elastic_transform,pixelate,jpeg_compression
define looked_at_table_5
$(BIN)/swc data corrupt build/sweeps/table_5/ensemble=one,seed=0/run $(FROM) --types $(STANDARD) --severities 3 -o build/cifar100-16-c
$(BIN)/swc eval build/sweeps/table_5/*/run $(FROM) --time-batch 0 --corruptions build/cifar100-16-c --format csv -o build/sweeps/table_5/corrupted.csv
$(BIN)/python $(SMALL)/evaluated.py homogeneous build/sweeps/table_5/*/run > $(SMALL)/table_5_corrupted.md
endef

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
