"""Sketches of summed gradients: m numbers in place of a layer's millions, from which cosines can still be told.

Takes gradients on the blocks that a layer has in common with others; gives their sign folds: a block is cut into runs
of m numbers, each run is put in a random order of its own, every number gets a random sign, and the runs are added up.
Guarantees: order and signs are hashes of a number's place in its block and of the seed, so that two layers are folded
alike on the block they have in common, on every machine; sketches of sums are sums of sketches; a block of no more
than m numbers is kept as it is, without an error.

What is estimated: dot products, without bias, each with a variance of at most (|x|^2 |y|^2 + <x, y>^2) / m over the
hashes, less where there are few runs, as numbers of one run never meet; norms too, as the dot product of a sketch with
itself. A cosine is the ratio of these, and so is between -1 and 1; its standard error is at most about
(1 - psi^2) / sqrt(m), less than with exact norms, because dot product and norms err together. Source of the idea:
M. Charikar, K. Chen, M. Farach-Colton, Finding Frequent Items in Data Streams, 2002.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from math import hypot, prod

import numpy as np
import torch
from attrs import evolve, frozen
from torch import Tensor

from swc_runtime.data import keys
from swc_runtime.measure.similarity import UNKNOWN, Cosine, _Shape, common_block

BUCKETS = 4096
Sketches = dict[tuple[str, _Shape], Tensor]  # of a layer (id) on a block: [M] buckets, or [n] numbers as they are


@frozen
class Sketch:
    """How statistics are sketched: `buckets` numbers for each block and group; `seed` fixes the signs.

    `num_batches` is how many batches will come: each group of them is a run of one length, so that one running sum is
    all that is kept beside the sketches. They come in random order, so runs are as good as turns.
    """

    num_batches: int
    buckets: int = BUCKETS
    seed: int = 0

    def group_of(self, batch: int, groups: int) -> int:
        """The group of a batch (from 0); batches beyond `num_batches` go to the last one."""
        return min(batch * groups // self.num_batches, groups - 1)


@frozen(eq=False)
class ClusterFolding:
    """Folds the layers of some clusters.

    `blocks` [layer id] are the blocks to keep. `tables` [block] holds for each number of a block that is folded, in the
    order outputs, kernel, inputs, its bucket, plus `buckets` where its sign is negative.
    """

    buckets: int
    blocks: Mapping[str, tuple[_Shape, ...]]
    tables: Mapping[_Shape, Tensor]

    @classmethod
    def of(
        cls, clusters: Iterable[Sequence[str]], shapes: Mapping[str, _Shape], sketch: Sketch, device: torch.device
    ) -> ClusterFolding:
        """Settle what is folded where."""
        blocks = {layer: found for cluster in clusters for layer, found in cluster_blocks(cluster, shapes).items()}
        folded = _folded_blocks(blocks.values(), sketch.buckets)
        tables = {block: fold_table(prod(block), sketch).to(device) for block in folded}
        return cls(sketch.buckets, blocks, tables)

    def fold(self, layer: str, gradient: Tensor) -> Sketches:
        """What is kept of a layer's gradient, in its dtype."""
        values = gradient.movedim(1, -1)  # the order in which composed weights mostly lie in memory
        blocks = self.blocks.get(layer, ())
        return {(layer, block): self._kept(block, values[: block[0], ..., : block[1]].flatten()) for block in blocks}

    def places(self) -> list[tuple[str, _Shape]]:
        """Every layer with every block that is kept of it."""
        return [(layer, block) for layer, blocks in self.blocks.items() for block in blocks]

    def width(self, block: _Shape) -> int:
        """How many numbers are kept of a block."""
        return self.buckets if block in self.tables else prod(block)

    def _kept(self, block: _Shape, values: Tensor) -> Tensor:
        if block not in self.tables:
            return values.clone()  # which may be a view of the whole gradient
        signed = values.new_zeros(2 * self.buckets).index_add_(0, self.tables[block], values)
        return signed[: self.buckets] - signed[self.buckets :]


def fold_table(size: int, sketch: Sketch) -> Tensor:
    """The bucket of each of `size` numbers, plus `buckets` where its sign is negative; int32 [size]."""
    base = keys.base_of(sketch.seed, 0, 0, keys.SKETCH)
    table = np.empty(size, dtype=np.int32)
    for start in range(0, size, sketch.buckets):
        run = keys.hashes(base, np.arange(start, start + sketch.buckets, dtype=np.int64))
        places = np.argsort(run, kind="stable") + sketch.buckets * (run & np.uint64(1)).astype(np.int64)
        table[start : start + sketch.buckets] = places[: size - start]
    return torch.from_numpy(table)


def cluster_blocks(cluster: Sequence[str], shapes: Mapping[str, _Shape]) -> dict[str, tuple[_Shape, ...]]:
    """Per layer of a cluster the distinct blocks it has in common with another one, smaller ones first."""
    found: dict[str, set[_Shape]] = {layer: set() for layer in cluster}
    for first, second in product(cluster, repeat=2):
        if first != second:
            found[first].add(common_block(shapes[first], shapes[second]))
    return {layer: tuple(sorted(blocks, key=lambda block: (prod(block), block))) for layer, blocks in found.items()}


def is_folded(block: _Shape, buckets: int) -> bool:
    """Whether a block has more numbers than a sketch."""
    return prod(block) > buckets


def _folded_blocks(layers: Iterable[tuple[_Shape, ...]], buckets: int) -> list[_Shape]:
    return sorted({block for blocks in layers for block in blocks if is_folded(block, buckets)})


def with_sketch_error(cosine: Cosine, buckets: int) -> Cosine:
    """Add the sketch's own standard error, of which groups that share their signs say nothing."""
    own = (1 - cosine.value**2) / buckets**0.5
    return evolve(cosine, error=min(UNKNOWN, hypot(cosine.error, own)))


def statistics_bytes(
    clusters: Iterable[Sequence[str]], shapes: Mapping[str, _Shape], groups: int, buckets: int | None, width: int = 4
) -> int:
    """The memory that cluster similarity keeps over its pass, for scalars of `width` bytes.

    Exact (`buckets` None): every group's sums. Sketched: one running sum, every group's sketches, and the tables.
    """
    scalars = sum(prod(shape) for shape in shapes.values())
    if buckets is None:
        return groups * scalars * width
    blocks = [own for cluster in clusters for own in cluster_blocks(cluster, shapes).values()]
    kept = sum(min(prod(block), buckets) for own in blocks for block in own)
    tables = sum(prod(block) for block in _folded_blocks(blocks, buckets))
    return (scalars + groups * kept) * width + tables * 4
