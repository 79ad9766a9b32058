"""The best coefficients and templates of a bank for given targets.

Takes the rows a bank should make and which of their entries are seen; gives factors whose product comes closest on
the seen entries. Guarantees: optimal where every entry is seen (truncated singular value decomposition), never worse
there than that of the targets filled with zeros; all in float64.

Tensor names: S slots, N coefficient vectors, K templates, T scalars of a template, P patterns of seen entries.
"""

from __future__ import annotations

import torch
from attrs import frozen
from torch import Tensor

MAX_ROUNDS = 100
LEAST_GAIN = 1e-7  # of the error, per round: below it another round changes nothing worth its time
FLAT = 1e-12  # directions with less than this share of a Gram matrix are rounding, not signal
FLAT_MOMENTUM = 1e-6  # a velocity along almost unused templates would throw their coefficients far away


@frozen(eq=False)
class Targets:
    """What is wanted of each coefficient vector's SuperWeight.

    Slots that share a vector want its product to be several rows at once; that costs, up to a constant, the weighted
    distance to their mean. `mean` [N, T] is taken over the slots that see an entry, `weight` [N, T] says how many do;
    `total_weight` [N] is what an entry has that all slots of the vector see. A slot of gain g counts g squared times.
    `fully_seen`: no slot discards anything.
    """

    mean: Tensor
    weight: Tensor
    total_weight: Tensor
    fully_seen: bool


@frozen(eq=False)
class Patterns:
    """The columns of a bank grouped by who sees them: `columns[p]` are seen with the weights `weight[:, p]`."""

    columns: tuple[Tensor, ...]
    weight: Tensor


@frozen(eq=False)
class Factors:
    """Coefficients `table` [N, K] and `templates` [K, T]; what a bank's slots make is their product."""

    table: Tensor
    templates: Tensor


def targets_of(
    rows_ST: Tensor, seen_ST: Tensor, index_S: Tensor, num_coefficients: int, gains_S: Tensor | None = None
) -> Targets:
    """Gather the slots' rows, zero where not seen, by the coefficient vector (`index_S`) they use.

    A slot of gain g makes g times the product of its vector and the templates (None: all gains are 1).
    """
    rows, seen, weight_S = rows_ST.double(), seen_ST.double(), None
    if gains_S is not None:
        # |g x - r|^2 = g^2 |x - r / g|^2: the vector is wanted to make r / g, and that counts g^2 times
        weight_S = gains_S.double().square()
        rows, seen = rows / gains_S[:, None], seen * weight_S[:, None]
    empty = rows.new_zeros(num_coefficients, rows.shape[1])
    weight = empty.index_add(0, index_S, seen)
    # Two slots on one vector want 1 and 3: |x - 1|^2 + |x - 3|^2 = 2 |x - 2|^2 + 2, so the mean 2 with weight 2 has the
    # same optimum, and the 2 that remains is what no vector could keep.
    total = empty.index_add(0, index_S, rows * seen)
    total_weight = torch.bincount(index_S, weight_S, minlength=num_coefficients).double()
    mean = torch.where(weight > 0, total / weight, 0)
    return Targets(mean, weight, total_weight, fully_seen=_is_whole(seen_ST, index_S, num_coefficients))


def _is_whole(seen_ST: Tensor, index_S: Tensor, num_coefficients: int) -> bool:
    """Whether every vector's slots see, together, every entry once each."""
    count = torch.bincount(index_S, minlength=num_coefficients)
    empty = seen_ST.new_zeros(num_coefficients, seen_ST.shape[1], dtype=torch.float64)
    return bool((empty.index_add(0, index_S, seen_ST.double()) == count[:, None]).all())


def fit(targets: Targets, num_templates: int) -> Factors:
    """Factors with the least weighted squared error on the seen entries.

    At most `num_templates` templates; fewer where the targets' rank is smaller. Exact where the targets' rank
    is no larger. With discarded entries, least squares alternates between both factors and keeps the best it saw.
    """
    start = _decomposed(targets, num_templates)
    return start if targets.fully_seen else _alternated(targets, start)


def _decomposed(targets: Targets, num_templates: int) -> Factors:
    scale = targets.total_weight.sqrt()[:, None]
    filled = targets.mean * targets.weight / targets.total_weight[:, None]
    left, values, right = torch.linalg.svd(filled * scale, full_matrices=False)
    rank = max(1, int((values > FLAT * values[0]).sum()))
    kept = min(num_templates, rank)  # a template that adds only rounding is better left to `padded`
    return Factors(left[:, :kept] / scale, values[:kept, None] * right[:kept])


def _alternated(targets: Targets, start: Factors) -> Factors:
    patterns = patterns_of(targets)
    best, least = start, squared_error(targets, start)
    for _ in range(MAX_ROUNDS):
        templates = _best_templates(best.table, targets.mean, patterns, FLAT)
        table = _best_table(templates, targets.mean, patterns, FLAT)
        error = squared_error(targets, Factors(table, templates))
        if error >= least:
            break
        done = error > (1 - LEAST_GAIN) * least
        best, least = Factors(table, templates), error
        if done:
            break
    return best


def patterns_of(targets: Targets) -> Patterns:
    """Group the columns by their weights; there are few kinds, one for each way of cropping."""
    # A column's weights as one number: a fixed random projection tells different columns apart.
    generator = torch.Generator().manual_seed(0)
    direction = torch.rand(len(targets.weight), generator=generator, dtype=torch.float64).to(targets.weight.device)
    _, kind = torch.unique((direction[:, None] * targets.weight).sum(0), return_inverse=True)
    columns = tuple((kind == number).nonzero()[:, 0] for number in range(int(kind.max()) + 1))
    return Patterns(columns, torch.stack([targets.weight[:, column[0]] for column in columns], dim=1))


def squared_error(targets: Targets, factors: Factors) -> float:
    """The weighted squared error on the seen entries, up to what slots that share a vector must differ by."""
    gap = targets.mean - factors.table @ factors.templates
    return float((targets.weight * gap.square()).sum())


def _best_templates(table_NK: Tensor, wanted_NT: Tensor, patterns: Patterns, flat: float) -> Tensor:
    templates = wanted_NT.new_zeros(table_NK.shape[1], wanted_NT.shape[1])
    for number, columns in enumerate(patterns.columns):
        weighted = table_NK * patterns.weight[:, number, None]
        # Normal equations of weighted least squares, (A^T W A) T = A^T W R, one for each kind of column instead of each
        # column.
        inverse = torch.linalg.pinv(weighted.t() @ table_NK, rtol=flat, hermitian=True)
        templates[:, columns] = inverse @ (weighted.t() @ wanted_NT[:, columns])
    return templates


def _best_table(templates_KT: Tensor, wanted_NT: Tensor, patterns: Patterns, flat: float) -> Tensor:
    parts = [templates_KT[:, columns] for columns in patterns.columns]
    grams = torch.stack([part @ part.t() for part in parts])
    products = torch.stack([wanted_NT[:, c] @ p.t() for c, p in zip(patterns.columns, parts, strict=True)])
    inverses = torch.linalg.pinv(torch.einsum("np,pkl->nkl", patterns.weight, grams), rtol=flat, hermitian=True)
    return torch.einsum("nkl,nl->nk", inverses, torch.einsum("np,pnk->nk", patterns.weight, products))


def fit_momentum(targets: Targets, factors: Factors) -> Factors:
    """Velocities of both factors whose effect on the product, A m_T + m_A T, comes closest to the targets.

    The templates take what they can; the coefficients the rest. A convex problem, solved by turns.
    """
    patterns = patterns_of(targets)
    table, templates = torch.zeros_like(factors.table), torch.zeros_like(factors.templates)
    least = float("inf")
    for _ in range(MAX_ROUNDS):
        templates = _best_templates(factors.table, targets.mean - table @ factors.templates, patterns, FLAT)
        rest = targets.mean - factors.table @ templates
        table = _best_table(factors.templates, rest, patterns, FLAT_MOMENTUM)
        error = float((targets.weight * (rest - table @ factors.templates).square()).sum())
        if error >= (1 - LEAST_GAIN) * least:
            break
        least = error
    return Factors(table, templates)


def balanced(factors: Factors) -> Factors:
    """The same product with coefficient vectors of norm one in the quadratic mean, as they are at the start."""
    # A T = (A / c)(c T): the product stays, and weight decay and learning rate act on factors of the size they started
    # with.
    norm = factors.table.square().sum(1).mean().sqrt()
    if norm == 0:
        return factors
    return Factors(factors.table / norm, factors.templates * norm)


def padded(factors: Factors, fresh_KT: Tensor) -> Factors:
    """Fill up to as many templates as `fresh_KT` has, with fresh ones that no slot uses yet."""
    have, want = len(factors.templates), len(fresh_KT)
    unused = factors.table.new_zeros(len(factors.table), want - have)
    return Factors(torch.cat([factors.table, unused], 1), torch.cat([factors.templates, fresh_KT[have:]]))
