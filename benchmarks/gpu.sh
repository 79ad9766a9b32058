#!/usr/bin/env bash
# The first minutes on a GPU, ten at most: tests marked `cuda`, kernels against the reference, step ratios and peak memory
# of the shipped ensembles, and a training that is killed and resumed.
#
#     benchmarks/gpu.sh                     # writes build/gpu
#     DEVICE=cpu benchmarks/gpu.sh          # the same in small on the CPU: tries the script, measures nothing of a GPU
#     python -m benchmarks.gpu_page build/gpu -o docs/results/gpu/README.md     # makes a page of what was found
#
# Takes the Python of .venv, or the one that PYTHON names, or `python` on the PATH. OUT is the folder that is written.
set -u
cd "$(dirname "$0")/.." || exit 1

python=${PYTHON:-}
if [ -z "$python" ]; then
    if [ -x .venv/bin/python ]; then python=.venv/bin/python; else python=$(command -v python || command -v python3); fi
fi
if [ -z "$python" ]; then
    echo "gpu.sh: there is no python on the PATH and none in .venv: set PYTHON, or run make setup" >&2
    exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "gpu.sh: $python is older than Python 3.11: set PYTHON to a newer one" >&2
    exit 1
fi
export PYTHONPATH="$PWD:$PWD/runtime${PYTHONPATH:+:$PYTHONPATH}"
exec "$python" -m benchmarks.gpu --device "${DEVICE:-cuda}" -o "${OUT:-build/gpu}"
