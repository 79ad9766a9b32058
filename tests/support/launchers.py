"""Launchers of the composition kernels that need no GPU.

`HostLauncher` compiles the kernels' own source for the CPU and runs it thread by thread; `PlainLauncher` walks the same
tables in numpy, a second reading of what they mean.
"""

from __future__ import annotations

import ctypes
import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor

from swc_runtime.weights.kernels.launched import SOURCE

HEADER = Path(__file__).parents[1] / "runtime" / "host_cuda.h"
THREADS, ITEMS, WARP = 8, 2, 4
SIZES = (f"-DTHREADS={THREADS}", f"-DITEMS={ITEMS}", f"-DWARP={WARP}", "-DMAX_TEMPLATES=8")
STRICT = (
    "-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas", "-Wno-unused-function", "-Wno-clobbered",
    "-ffp-contract=off",
)  # fmt: skip
REALS = {torch.float64: ("double", ctypes.c_double), torch.float32: ("float", ctypes.c_float)}


@cache
def _library(dtype: torch.dtype, narrow: bool, has_gains: bool) -> ctypes.CDLL:
    kernels = ("compose", "pull", "sum_parts")
    unit = f'#include "{HEADER}"\n#include "{SOURCE}"\n' + "\n".join(f"HOST({kernel})" for kernel in kernels)
    options = [
        f"-DREAL={REALS[dtype][0]}",
        *SIZES,
        *(["-DBFLOAT16"] if narrow else []),
        *(["-DGAINS"] if has_gains else []),
    ]
    command = ["g++", "-std=c++17", "-O1", "-shared", "-fPIC", *STRICT, *options, "host.cpp", "-o", "host.so"]
    with TemporaryDirectory() as folder:
        (Path(folder) / "host.cpp").write_text(unit + "\n", encoding="utf-8")
        subprocess.run(command, cwd=folder, check=True)
        return ctypes.CDLL(str(Path(folder) / "host.so"))


class HostLauncher:
    """The kernels' own source on the CPU; `falling` runs the threads of a block the other way round."""

    tile = THREADS * ITEMS

    def __init__(
        self,
        dtype: torch.dtype,
        weights: torch.dtype | None = None,
        falling: bool = False,
        has_gains: bool = False,
    ) -> None:
        self._library = _library(dtype, weights is torch.bfloat16, has_gains)
        self._falling = falling

    def launch(self, kernel: str, blocks: int, *arguments: Tensor) -> None:
        pointers = (ctypes.c_void_p * len(arguments))(*(tensor.data_ptr() for tensor in arguments))
        getattr(self._library, f"host_{kernel}")(blocks, int(self._falling), pointers)


class PlainLauncher:
    """The same tables walked in numpy, one thread after another."""

    tile = 7  # such that no size is a multiple

    def __init__(self, dtype: torch.dtype, weights: torch.dtype | None = None, has_gains: bool = False) -> None:
        assert weights is None
        self._real = REALS[dtype][1]

    def launch(self, kernel: str, blocks: int, *arguments: Tensor) -> None:
        getattr(self, f"_{kernel}")(*(tensor.numpy() for tensor in arguments))

    def _array(self, address: int, size: int) -> np.ndarray:
        return np.ctypeslib.as_array((self._real * size).from_address(int(address)))

    def _compose(self, tiles, banks, groups, copies, templates, tables, outputs, gains=None) -> None:
        for bank, (_, scalar), scalars, own in self._threads(tiles, banks, templates):
            for copy, place in _places(scalar, own, groups, copies):
                alpha = self._alpha(tables[bank], copy[0], len(scalars)) * _gain(gains, copy[-1])
                self._array(outputs[copy[1]], copy[6])[place] = alpha @ scalars

    def _pull(self, *arguments) -> None:
        tiles, banks, groups, copies, templates, tables, gradients, pulled, partials, *gains = arguments
        partials[:] = 0
        for bank, (tile, scalar), scalars, own in self._threads(tiles, banks, templates):
            total = np.zeros_like(scalars)
            for copy, place in _places(scalar, own, groups, copies):
                if not gradients[copy[1]]:
                    continue
                value = self._array(gradients[copy[1]], copy[6])[place]
                total += self._alpha(tables[bank], copy[0], len(scalars)) * value * _gain(*gains or [None], copy[-1])
                rows = (copy[-1] - own[4]) * own[1] + np.arange(own[1])
                partials[own[5] + rows * own[6] + tile - own[7]] += value * scalars
            if pulled[bank]:
                self._array(pulled[bank], own[0] * own[1])[scalar :: own[0]] = total

    def _sum_parts(self, sums, parts, banks, partials, rows, gains=None) -> None:
        for bank, row, first, end in sums:
            _, num, _, _, first_copy, offset, num_tiles, _ = (int(n) for n in banks[bank])
            found = np.zeros(num, partials.dtype)
            for copy in parts[first:end]:
                start = offset + (copy - first_copy) * num * num_tiles
                own = partials[start : start + num * num_tiles].reshape(num, num_tiles).sum(1)
                found += own * _gain(gains, copy)
            self._array(rows[bank] + row * num * found.itemsize, num)[:] = found

    def _alpha(self, address: int, row: int, num: int) -> np.ndarray:
        return self._array(address, (row + 1) * num)[row * num :] if address else np.zeros(num)

    def _threads(self, tiles, banks, templates):
        """Per scalar of a template: its bank, its tile and number, its value in each template, the bank's row."""
        for tile, (bank, start) in enumerate(tiles):
            own = [int(n) for n in banks[bank]]
            found = self._array(templates[bank], own[0] * own[1]).reshape(own[1], own[0])
            for scalar in range(start, min(start + self.tile, own[0])):
                yield bank, (tile, scalar), found[:, scalar], own


def _gain(gains, copy: int) -> float:
    return 1 if gains is None else gains[copy]


def _places(scalar: int, bank: list[int], groups, copies):
    """Where a scalar stands: (the copy with its number last, its address in the output)."""
    for offset, stride, size, first, end in groups[bank[2] : bank[3]]:
        if not offset <= scalar < offset + size:
            continue
        run, column = divmod(scalar - offset, stride)
        for number in range(first, end):
            _, _, start, step, runs, length, _ = copy = copies[number]
            if run < runs and column < length:
                yield [*copy, number], start + run * step + column
