"""How a mini-batch is cut: into the parts BatchNorm sees, and into the shares of several processes.

Takes numbers of images; gives sizes and slices. Guarantees: shares are consecutive, disjoint and cover the batch; with
`norm_batch` BatchNorm sees the same parts on any number of processes.
"""

from __future__ import annotations

from itertools import accumulate

from attrs import frozen
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.ranks import BatchNotDealt, LastBatchTooSmall, NormsTwice
from swc.program.training import Recipe

from swc_runtime.ranks.ranks import Ranks

SMALLEST = 2  # images: BatchNorm has no variance of a single one


def part_sizes(num_images: int, norm_batch: int | None) -> list[int]:
    """The parts of a batch that BatchNorm sees one by one; a last single image goes with the part before it."""
    size = min(norm_batch or num_images, num_images)
    whole, rest = divmod(num_images, size)
    if rest == 1:
        return [*[size] * (whole - 1), size + 1]
    return [size] * whole + ([rest] if rest else [])


@frozen
class Deal:
    """What `rank` of `size` processes takes of each batch.

    `part` given: up to `num_parts` consecutive parts of that many images; the last batch of an epoch may leave the
    last ranks without any. None: equal shares, which differ by one image at most.
    """

    rank: int = 0
    size: int = 1
    part: int | None = None
    num_parts: int = 1

    def share(self, num_images: int) -> slice:
        """The images of a batch of `num_images` that are this rank's."""
        if self.size == 1:
            return slice(0, num_images)
        if self.part is None:
            return slice(num_images * self.rank // self.size, num_images * (self.rank + 1) // self.size)
        ends = [0, *accumulate(part_sizes(num_images, self.part))]
        first, last = (min(n * self.num_parts, len(ends) - 1) for n in (self.rank, self.rank + 1))
        return slice(ends[first], ends[last])


WHOLE = Deal()


def deal_of(recipe: Recipe, ranks: Ranks, sync_norms: bool) -> Deal:
    """Settle how batches are divided among ranks; DiagnosticError where BatchNorm would not see what the recipe says.

    Without `norm_batch` and `sync_norms` BatchNorm sees a rank's share, as in the paper (supplementary section 1).
    """
    if not ranks.are_many or ranks.deals_members:
        return WHOLE
    if sync_norms:
        if recipe.norm_batch is not None:
            raise DiagnosticError(NormsTwice(norm_batch=recipe.norm_batch))
        return Deal(ranks.rank, ranks.size)
    part = recipe.norm_batch or recipe.batch // ranks.size
    num_parts = recipe.batch // max(part, 1)
    if part < SMALLEST or recipe.batch % part or num_parts % ranks.size:
        raise DiagnosticError(BatchNotDealt(batch=recipe.batch, norm_batch=recipe.norm_batch, size=ranks.size))
    return Deal(ranks.rank, ranks.size, part, num_parts // ranks.size)


def check_last(deal: Deal, recipe: Recipe, num_images: int) -> None:
    """DiagnosticError where equal shares of an epoch's last batch would leave a rank without images.

    Only synced norms deal equal shares, and they need every rank in every step.
    """
    rest = num_images % recipe.batch
    if deal.size > 1 and deal.part is None and SMALLEST <= rest < deal.size:
        raise DiagnosticError(LastBatchTooSmall(num_images=rest, size=deal.size))
