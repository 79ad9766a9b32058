"""Cosines between summed gradients, each with its error bar.

Takes sums kept apart by groups of batches; gives cosines and delete-one-group jackknife errors. Guarantees: dot
products are accumulated in float64; every pair is compared on its own common top-left block (paper, supplementary
section 2, leaves the crop open; the whole cluster's could be as small as its first layer).

Tensor names: G groups of batches, I and J layers of one shape each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations

import torch
from attrs import frozen
from swc.program.feedback import UNKNOWN_ERROR, Similarity
from torch import Tensor

_Shape = tuple[int, ...]
_Block = Callable[[int, _Shape], Tensor]  # a layer's number and a common block's shape -> its groups there [G, n...]

CHUNK = 1 << 22  # scalars held in float64 at a time
UNKNOWN = UNKNOWN_ERROR
NOTHING = 1e-20  # the share of a squared norm that is rounding left by a subtraction


@frozen
class Cosine:
    """The cosine of entries `first` < `second` of a list, and its standard error."""

    first: int
    second: int
    value: float
    error: float


@frozen(eq=False)
class Dots:
    """Dot products between sums (`all`) and single groups, the G groups always last.

    `all_all` [I, J], `all_one` and `one_all` [I, J, G], `one_one` [I, J, G]: both with the same group.
    """

    all_one: Tensor
    one_all: Tensor
    one_one: Tensor

    @property
    def all_all(self) -> Tensor:
        """The whole sums with each other."""
        return self.all_one.sum(-1)

    @property
    def without_one(self) -> Tensor:
        """The sums over all groups but one with each other [I, J, G]."""
        return self.all_all[..., None] - self.all_one - self.one_all + self.one_one


def cosines(sums: Sequence[Tensor]) -> list[Cosine]:
    """The cosine of every pair of `sums` (each [G, outputs, inputs, kernel...] or [G, n]).

    A pair that is zero on its common block has no cosine and is left out. Layers of equal shape are compared at once
    by matrix products.
    """
    return cosines_on([tuple(one.shape[1:]) for one in sums], lambda n, common: _cut(sums[n], common))


def cosines_on(shapes: Sequence[_Shape], block: _Block) -> list[Cosine]:
    """`cosines` of layers of these shapes, of which `block` gives what stands for them on a common block."""
    distinct = sorted(set(shapes))
    places = {shape: [n for n, own in enumerate(shapes) if own == shape] for shape in distinct}
    found: list[Cosine] = []
    for n, first in enumerate(distinct):
        for second in distinct[n:]:
            found += _between(common_block(first, second), block, places[first], places[second])
    return sorted(found, key=lambda c: (c.first, c.second))


def named(ids: Sequence[str], found: Iterable[Cosine]) -> list[Similarity]:
    """The cosines as feedback, of things that are called so."""
    return [Similarity(ids[c.first], ids[c.second], c.value, c.error) for c in found]


def common_block(first: _Shape, second: _Shape) -> _Shape:
    """The shape of the top-left block that two layers have in common; ValueError unless they have as many axes."""
    return tuple(min(pair) for pair in zip(first, second, strict=True))


def _cut(layer: Tensor, common: _Shape) -> Tensor:
    return layer[(slice(None), *(slice(size) for size in common))]


def _between(common: _Shape, block: _Block, first: list[int], second: list[int]) -> list[Cosine]:
    if first is second and len(first) < 2:
        return []
    left = [block(n, common) for n in first]
    right = left if first is second else [block(n, common) for n in second]
    value, error, known = _cosines_of(*_dots_of(left, right))
    pairs = combinations(range(len(first)), 2) if first is second else _product(len(first), len(second))
    numbers = [(i, j) for i, j in pairs if known[i, j]]
    return [_ordered(first[i], second[j], value[i, j].item(), error[i, j].item()) for i, j in numbers]


def _product(rows: int, columns: int) -> Iterator[tuple[int, int]]:
    return ((i, j) for i in range(rows) for j in range(columns))


def _ordered(one: int, other: int, value: float, error: float) -> Cosine:
    return Cosine(min(one, other), max(one, other), value, error)


def _dots_of(left: list[Tensor], right: list[Tensor]) -> tuple[Dots, Dots, Dots]:
    """The products left with right, and each side's own norms, as [I, J, G], [I, 1, G] and [1, J, G]."""
    cross, rows, columns = [], [], []
    for start, stop in _runs(left[0].shape[1:], (len(left) + len(right)) * left[0].shape[0]):
        i, j = _stacked(left, start, stop), _stacked(right, start, stop)
        cross.append(_dots(i, j))
        rows.append(_norms(i))
        columns.append(_norms(j))
    both, own, other = _total(cross), _total(rows), _total(columns)
    return both, _at(own, 1), _at(other, 0)


def _runs(common: _Shape, width: int) -> Iterator[tuple[int, int]]:
    """Cut the first axis so that a run of all stacked layers stays within a chunk."""
    per_row = max(1, torch.Size(common[1:]).numel() * width)
    step = max(1, CHUNK // per_row)
    return ((start, min(start + step, common[0])) for start in range(0, common[0], step))


def _stacked(layers: list[Tensor], start: int, stop: int) -> Tensor:
    """The chosen outputs of every layer's block, as [I, G, n] in float64."""
    return torch.stack([layer[:, start:stop].flatten(1).double() for layer in layers])


def _dots(i_IGn: Tensor, j_JGn: Tensor) -> Dots:
    num_i, num_j, groups = len(i_IGn), len(j_JGn), i_IGn.shape[1]
    all_i, all_j = i_IGn.sum(1), j_JGn.sum(1)
    all_one = (all_i @ j_JGn.flatten(0, 1).t()).view(num_i, num_j, groups)
    one_all = (i_IGn.flatten(0, 1) @ all_j.t()).view(num_i, groups, num_j).transpose(1, 2)
    one_one = torch.bmm(i_IGn.transpose(0, 1), j_JGn.permute(1, 2, 0)).permute(1, 2, 0)
    return Dots(all_one, one_all, one_one)


def _norms(i_IGn: Tensor) -> Dots:
    cross = (i_IGn.sum(1)[:, None] * i_IGn).sum(-1)
    return Dots(cross, cross, i_IGn.square().sum(-1))


def _total(parts: list[Dots]) -> Dots:
    return Dots(
        torch.stack([p.all_one for p in parts]).sum(0),
        torch.stack([p.one_all for p in parts]).sum(0),
        torch.stack([p.one_one for p in parts]).sum(0),
    )


def _at(dots: Dots, axis: int) -> Dots:
    return Dots(dots.all_one.unsqueeze(axis), dots.one_all.unsqueeze(axis), dots.one_one.unsqueeze(axis))


def _cosines_of(both: Dots, rows: Dots, columns: Dots) -> tuple[Tensor, Tensor, Tensor]:
    """Values, errors and where there is a cosine at all, each [I, J]."""
    known = (rows.all_all > 0) & (columns.all_all > 0)
    value = both.all_all / (rows.all_all * columns.all_all).clamp(min=torch.finfo(torch.float64).tiny).sqrt()
    groups = both.all_one.shape[-1]
    if groups < 2:
        return value.clamp(-1, 1), torch.full_like(value, UNKNOWN), known
    without = both.without_one / (_left(rows) * _left(columns)).sqrt()
    without = torch.where(without.isfinite(), without, 0)  # a sum that came from one group alone leaves nothing
    spread = (without - without.mean(-1, keepdim=True)).square().sum(-1)
    return value.clamp(-1, 1), ((groups - 1) / groups * spread).sqrt(), known


def _left(norms: Dots) -> Tensor:
    left = norms.without_one
    return torch.where(left > NOTHING * norms.all_all[..., None], left, 0)
