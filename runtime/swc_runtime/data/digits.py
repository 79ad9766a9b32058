"""The handwritten digits that scikit-learn ships: 1797 grey images of 8x8 pixels, no download.

Gives arrays, and the data set of them. Guarantees: a fixed split into 1437 training and 360 test images, each digit in
proportion, independent of scikit-learn's own random numbers.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from swc.program.datasets import DataFacts, class_names_of
from torch import Tensor

from swc_runtime.data.keys import hashes
from swc_runtime.data.place import DataPlace
from swc_runtime.data.splits import Dataset, in_memory

NUM_TEST = 360
SIDE = 8  # pixels
FILE = "datasets/data/digits.csv.gz"
BRIGHTEST = 16  # of a pixel, as scikit-learn keeps it


def read(facts: DataFacts, place: DataPlace) -> Dataset:
    """The data set."""
    return in_memory(facts, read_digits(), classes=class_names_of(facts))


def read_digits() -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Training and test images uint8 [N, 1, 8, 8] with labels int64 [N]."""
    values_NP = _values()
    # the channel last, as a new axis: of one channel torch reads the layout off its stride, by which convolutions round
    pixels = np.rint(values_NP[:, :-1].reshape(-1, SIDE, SIDE) * (255 / BRIGHTEST)).astype(np.uint8)[:, None]
    labels = values_NP[:, -1].astype(np.int64)
    test = _is_test(labels)
    return _part(pixels, labels, ~test), _part(pixels, labels, test)


def _values() -> NDArray[np.float64]:
    """The rows of scikit-learn's file, 64 pixels and the digit, without the seconds that importing it takes."""
    package = find_spec("sklearn")
    folders = () if package is None else package.submodule_search_locations or ()
    found = next((path for path in (Path(one, FILE) for one in folders) if path.is_file()), None)
    if found is not None:
        return np.loadtxt(found, delimiter=",")
    from sklearn.datasets import load_digits  # the same rows, wherever a later version keeps them

    bunch = load_digits()
    return np.column_stack([bunch.data, bunch.target])


def _is_test(labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Every fifth or so of the images, sorted by digit and within a digit by a hash of their number."""
    count = len(labels)
    by_digit = np.lexsort((hashes(0, np.arange(count)), labels))
    steps = np.arange(count + 1) * NUM_TEST // count
    chosen = np.zeros(count, dtype=np.bool_)
    chosen[by_digit[steps[1:] > steps[:-1]]] = True
    return chosen


def _part(pixels: NDArray[np.uint8], labels: NDArray[np.int64], which: NDArray[np.bool_]) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(pixels[which]), torch.from_numpy(labels[which])
