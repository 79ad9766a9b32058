"""k-means of the compiler: scikit-learn's groups, from sums that no BLAS, thread or order of adding up changes."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from swc.compiler.solvers import kmeans as module
from swc.compiler.solvers.kmeans import kmeans

HERE = Path(__file__)


def points(seed: int, num_points: int = 60, sharpness: float = 0.5) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(4, sharpness), size=num_points)


def partition(labels: Sequence[int]) -> tuple[int, ...]:
    """The same groups, numbered in the order of their first points."""
    numbers: dict[int, int] = {}
    return tuple(numbers.setdefault(int(label), len(numbers)) for label in labels)


@pytest.mark.parametrize("seed", range(20))
def test_groups_are_those_of_scikit_learn(seed: int) -> None:
    from sklearn.cluster import KMeans

    found = points(seed, 10 + 5 * seed)
    number = 1 + seed % 8
    reference = KMeans(number, n_init=module.SEEDINGS, random_state=0).fit(found)
    assert partition(kmeans(found, number)) == partition(reference.labels_)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_as_many_groups_as_there_are_different_points(number: int) -> None:
    found = points(0, number)[[n % number for n in range(9)]]
    assert partition(kmeans(found, number)) == tuple(n % number for n in range(9))


def test_a_centre_without_points_takes_the_farthest() -> None:
    line = np.array([[0.0], [1.0], [2.0], [9.0]])
    assert module._nearest(line, np.array([[1.0], [50.0]])).tolist() == [0, 0, 0, 1]
    assert module._nearest(line, np.array([[1.0], [50.0], [60.0]])).tolist() == [2, 0, 0, 1]


@pytest.mark.parametrize("seed", range(5))
def test_sums_do_not_depend_on_the_order_of_points(seed: int) -> None:
    """Lloyd's iterations from the same centres, points permuted: the same bits of the spread, the same groups."""
    found = points(seed, 200)
    centres = found[:6]
    order = np.random.default_rng(seed).permutation(len(found))
    spread, labels = module._lloyd(found, centres)
    permuted_spread, permuted = module._lloyd(found[order], centres)
    assert permuted_spread == spread
    assert [labels[place] for place in order] == list(permuted)


def printed(environment: dict[str, str]) -> str:
    command = [sys.executable, str(HERE)]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=True)
    return done.stdout


def test_thread_and_processor_settings_change_nothing() -> None:
    settings = [
        {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
        {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"},
        {"OPENBLAS_CORETYPE": "Nehalem", "MKL_CBWR": "COMPATIBLE"},
        {"NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3"},
    ]
    assert len({printed(setting) for setting in settings}) == 1


def test_nothing_that_a_blas_computes_is_called() -> None:
    tree = ast.parse(Path(module.__file__).read_text("utf-8"))
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not used & {"dot", "matmul", "einsum", "inner", "tensordot", "linalg", "sum", "mean"}
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.MatMult)]


if __name__ == "__main__":
    for number in range(1, 9):
        print(kmeans(points(number), number), module._lloyd(points(number), points(number)[:number])[0].hex())
