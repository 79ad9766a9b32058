"""Measuring gradients for the compiler: the similarity of clusters and of coefficients.

Takes an ensemble and batches of (images, labels); gives `Feedback` by the ids of the program that the ensemble was
built from. Guarantees: evaluation mode, no update, no `.grad` touched; each member is measured with its own
loss, summed over images, so that how they were cut into batches does not matter. Cost: backward itself adds a
batch's gradients onto the sums, and no parameter is updated, so that a batch costs no more than one of training.
Memory: cluster similarity keeps each composed weight's gradient once per group of batches, or once in all beside its
sketches (`swc_runtime.measure.sketch.statistics_bytes`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from attrs import frozen
from swc.program.expressions import slots_of
from swc.program.feedback import ClusterFeedback, CoefficientFeedback, Similarity
from swc.program.program import Program
from swc.program.training import Loss
from torch import Tensor

from swc_runtime.ensemble import Ensemble
from swc_runtime.finite import check_gradients
from swc_runtime.inputs import Inputs, device_of, moved
from swc_runtime.measure.similarity import _Shape, common_block, cosines, cosines_on, named
from swc_runtime.measure.sketch import ClusterFolding, Sketch, Sketches, is_folded, with_sketch_error
from swc_runtime.members.seeds import derived_seed, seed_of
from swc_runtime.ranks.ranks import ALONE, Ranks
from swc_runtime.training.losses import loss_of

Batches = Iterable[tuple[Inputs, Tensor]]
_Progress = Callable[[int], None]
_Context = Callable[[], AbstractContextManager[object]]
Leaves = tuple[Tensor, ...]  # composed weights, as leaves of the members' graphs

NUM_GROUPS = 8


@frozen(eq=False)
class GradientSums:
    """Summed gradients of each composed weight by layer id (`member.path`).

    `groups[layer]` is [groups, weight shape]: batches go to the groups in turn; groups that got none are left
    out. `num_images` counts what was summed over.
    """

    groups: dict[str, Tensor]
    num_images: int

    @property
    def num_groups(self) -> int:
        """How many groups hold batches."""
        return max((len(groups) for groups in self.groups.values()), default=0)


def measure_clusters(
    ensemble: Ensemble,
    batches: Batches,
    *,
    groups: int = NUM_GROUPS,
    progress: _Progress | None = None,
    context: _Context = nullcontext,
    ranks: Ranks = ALONE,
) -> tuple[ClusterFeedback, GradientSums]:
    """Cluster similarity over one pass: the cosine of every two layers' summed dL/dW inside one cluster.

    Each pair is compared on its own common block; its error is the delete-one-group jackknife's over `groups` groups
    of batches. `progress` is called with the number of images after each batch, `context` gives the autocast to run
    the members in. Each of several `ranks` gives its shares and has the sums over all. The sums are given too, for
    `spectra.measure_spectra`. Paper, supplementary section 2.
    """
    sums = sum_gradients(ensemble, batches, groups=groups, progress=progress, context=context, ranks=ranks)
    return cluster_feedback(sums, ensemble.program), sums


def sum_gradients(
    ensemble: Ensemble,
    batches: Batches,
    *,
    groups: int = NUM_GROUPS,
    progress: _Progress | None = None,
    context: _Context = nullcontext,
    ranks: Ranks = ALONE,
) -> GradientSums:
    """Sum dL/dW of each composed weight over the batches, apart by group.

    ValueError without batches, DiagnosticError where a sum is not finite.
    """
    kept: list[list[Tensor]] = []
    num_images = 0
    for number, (leaves, size) in enumerate(_passes(ensemble, batches, progress, context)):
        kept[number % groups : number % groups + 1] = [_taken(leaves)]
        if number + 1 >= groups:
            _give(leaves, kept[(number + 1) % groups])
        num_images += size
    num_images = _over_ranks(num_images, ranks)
    num_groups = len(kept)
    own = {w.layer: s for w, s in zip(ensemble.weights, _stacked(kept), strict=True)}
    sums = _of_all(own, num_groups, ensemble, ranks)
    check_gradients(sums)
    return GradientSums(sums, num_images)


def _of_all(own: dict[str, Tensor], num_groups: int, ensemble: Ensemble, ranks: Ranks) -> dict[str, Tensor]:
    """The sums over all ranks, of all layers; a rank that does not run a layer's member gives zeros."""
    if not ranks.are_many:
        return own
    like = next(ensemble.parameters()).detach()  # a program of stored tensors alone has no banks
    summed: dict[str, Tensor] = {}
    for weight in ensemble.program.weights:
        layer = weight.layer
        summed[layer] = own[layer] if layer in own else like.new_zeros(num_groups, *weight.shape)
        ranks.add_up(summed[layer])
    return summed


def _stacked(kept: list[list[Tensor]]) -> list[Tensor]:
    """Per weight its groups as one tensor; `kept` is used up weight by weight, so that nothing is held twice."""
    waiting = [list(groups) for groups in zip(*kept, strict=True)][::-1]
    kept.clear()
    made: list[Tensor] = []
    while waiting:
        made.append(torch.stack(waiting.pop()))
    return made


def _over_ranks(num_images: int, ranks: Ranks) -> int:
    """The images that the ranks have seen; ValueError where there are none."""
    count = torch.tensor(num_images, device=ranks.device)
    if not ranks.deals_members:
        ranks.add_up(count)
    if count == 0:
        raise ValueError("gradients cannot be measured without images")
    return int(count)


def _passes(
    ensemble: Ensemble, batches: Batches, progress: _Progress | None, context: _Context
) -> Iterator[tuple[Leaves, int]]:
    """Run each batch forward and backward; give the composed weights and the number of images.

    A batch's dL/dW is added to what the weights hold as `.grad`, which is the caller's to take and to give.
    """
    with _measuring(ensemble) as leaves:
        for number, (inputs, labels) in enumerate(batches):
            device = leaves[0].device if leaves else device_of(inputs)
            seed = derived_seed(seed_of(ensemble.program), f"gradients/{number}")
            if len(labels):  # a rank may have no share of the last batch
                with ensemble.noise.seeded(seed, device):
                    _run_members(ensemble, leaves, moved(inputs, device), labels.to(device), context)
            yield leaves, len(labels)
            if progress is not None:
                progress(len(labels))


def _taken(leaves: Leaves) -> list[Tensor]:
    """The gradients that the weights hold, zero where a member does not use one; the weights hold none any more."""
    taken = [torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for leaf in leaves]
    _give(leaves, [None] * len(leaves))
    return [gradient.detach() for gradient in taken]


def _give(leaves: Leaves, gradients: Sequence[Tensor | None]) -> None:
    for leaf, gradient in zip(leaves, gradients, strict=True):
        leaf.grad = gradient


@contextmanager
def _measuring(ensemble: Ensemble) -> Iterator[Leaves]:
    modes = {module: module.training for module in ensemble.modules()}
    ensemble.eval()
    with torch.no_grad():
        leaves = tuple(weight.detach().requires_grad_() for weight in ensemble.compose())
    ensemble.install(leaves)
    try:
        yield leaves
    finally:
        ensemble.uninstall()
        for module, training in modes.items():
            module.training = training


def _run_members(ensemble: Ensemble, leaves: Leaves, inputs: Inputs, labels: Tensor, context: _Context) -> None:
    program = ensemble.program
    loss_of_member = loss_of(program.training.recipe.loss if program.training else Loss())
    for network in ensemble.networks:
        plan = program.members[network.host]
        own = [leaf for leaf, weight in zip(leaves, ensemble.weights, strict=True) if weight.member == plan.name]
        if not own:
            continue
        with torch.enable_grad(), context():
            logits = ensemble.run(network, inputs)
        losses = [loss_of_member(one.to(own[0].dtype), labels) for one in logits]
        loss = torch.stack(losses).sum()
        torch.autograd.backward(loss, inputs=own)


def cluster_feedback(sums: GradientSums, program: Program) -> ClusterFeedback:
    """Cluster similarity from summed gradients; layers that compare with nothing are listed as silent."""
    silent = tuple(layer for layer, groups in sums.groups.items() if not groups.sum(0).any())
    order = {layer: n for n, layer in enumerate(sums.groups)}
    found: list[Similarity] = []
    for layers in clusters_of(program):
        heard = [layer for layer in layers if layer not in silent]
        found += named(heard, cosines([sums.groups[layer] for layer in heard]))
    found.sort(key=lambda s: (order[s.first], order[s.second]))
    silent = _with_lonely(program, silent, found)
    return ClusterFeedback(
        program.revision, tuple(found), silent, num_images=sums.num_images, num_groups=sums.num_groups
    )


def _with_lonely(program: Program, silent: Sequence[str], found: Sequence[Similarity]) -> tuple[str, ...]:
    """The silent layers, and those whose gradient is zero on all that they have in common with their cluster."""
    paired = {name for pair in found for name in (pair.first, pair.second)}
    heard = ([layer for layer in layers if layer not in silent] for layers in clusters_of(program))
    lonely = {layer for layers in heard if len(layers) > 1 for layer in layers if layer not in paired}
    return tuple(weight.layer for weight in program.weights if weight.layer in {*silent, *lonely})


def sketch_clusters(
    ensemble: Ensemble,
    batches: Batches,
    sketch: Sketch,
    *,
    groups: int = NUM_GROUPS,
    progress: _Progress | None = None,
    context: _Context = nullcontext,
    ranks: Ranks = ALONE,
) -> ClusterFeedback:
    """`measure_clusters` in little memory: sketches of the groups' sums in place of the sums.

    The errors are the jackknife's and the sketch's own together. There are no sums for `measure_spectra`. Sketches are
    linear, so that those of several `ranks` add up.
    """
    program = ensemble.program
    shapes = shapes_of(program)
    layers = [weight.layer for weight in ensemble.weights]
    folder = ClusterFolding.of(clusters_of(program), shapes, sketch, next(ensemble.parameters()).device)
    kept: list[Sketches] = []
    loud = torch.zeros(len(shapes), device=ranks.device)
    num_images = 0
    for sums, size in _runs(ensemble, batches, sketch, groups, progress, context):
        kept.append(_merged(folder.fold(layer, total) for layer, total in zip(layers, sums, strict=True)))
        loud += _loud(shapes, layers, sums).to(loud)
        num_images += size
    num_images = _over_ranks(num_images, ranks)
    ranks.add_up(loud)
    silent = tuple(layer for layer, times in zip(shapes, loud.tolist(), strict=True) if not times)
    sketches = _added_up(folder, kept, ensemble, ranks)
    check_gradients({layer: made for (layer, _), made in sketches.items()})
    found = _sketched(program, sketch.buckets, sketches, silent)
    silent = _with_lonely(program, silent, found)
    return ClusterFeedback(program.revision, found, silent, num_images=num_images, num_groups=len(kept))


def _loud(shapes: Iterable[str], layers: Sequence[str], sums: Sequence[Tensor]) -> Tensor:
    """Which layers have a gradient, of all; those that do not run here have none."""
    heard = dict(zip(layers, sums, strict=True))
    missing = torch.zeros((), dtype=torch.bool, device=sums[0].device if sums else None)
    return torch.stack([heard[layer].any() if layer in heard else missing for layer in shapes])


def _added_up(folder: ClusterFolding, kept: Sequence[Sketches], ensemble: Ensemble, ranks: Ranks) -> Sketches:
    """Per layer and block the groups' sketches [G, M] over all ranks."""
    like = next(ensemble.parameters()).detach()
    sketches: Sketches = {}
    for place in folder.places():
        own = [group[place] for group in kept if place in group]
        sketches[place] = torch.stack(own) if own else like.new_zeros(len(kept), folder.width(place[1]))
        ranks.add_up(sketches[place])
    return sketches


def _merged(parts: Iterable[Sketches]) -> Sketches:
    return {place: tensor for part in parts for place, tensor in part.items()}


def _sketched(program: Program, buckets: int, sketches: Sketches, silent: Sequence[str]) -> tuple[Similarity, ...]:
    """The cosines of sketches [G, M] with their errors."""
    shapes = shapes_of(program)
    order = {layer: n for n, layer in enumerate(shapes)}
    found: list[Similarity] = []
    for layers in clusters_of(program):
        heard = [layer for layer in layers if layer not in silent]

        def block(n: int, common: _Shape, heard: list[str] = heard) -> Tensor:
            return sketches[heard[n], common]

        own = [shapes[layer] for layer in heard]
        pairs = cosines_on(own, block)
        folded = [is_folded(common_block(own[p.first], own[p.second]), buckets) for p in pairs]
        found += named(heard, (with_sketch_error(p, buckets) if f else p for p, f in zip(pairs, folded, strict=True)))
    return tuple(sorted(found, key=lambda s: (order[s.first], order[s.second])))


def _runs(
    ensemble: Ensemble, batches: Batches, sketch: Sketch, groups: int, progress: _Progress | None, context: _Context
) -> Iterator[tuple[list[Tensor], int]]:
    """Per group of batches the sums of its dL/dW, in program order, and the number of its images."""
    leaves: Leaves | None = None
    size = 0
    for number, (running, images) in enumerate(_passes(ensemble, batches, progress, context)):
        leaves, size = running, size + images
        if sketch.group_of(number, groups) != sketch.group_of(number + 1, groups):
            yield _taken(leaves), size
            leaves, size = None, 0
    if leaves is not None:
        yield _taken(leaves), size


def shapes_of(program: Program) -> dict[str, _Shape]:
    """The shape of each composed weight by layer id, in program order."""
    return {weight.layer: weight.shape for weight in program.weights}


def clusters_of(program: Program) -> tuple[tuple[str, ...], ...]:
    """The layers (ids) of each cluster, as the banks' ids `CLUSTER.LEVEL` tell them."""
    banks = {slot.id: slot.bank for slot in program.slots}
    clusters: dict[str, list[str]] = {}
    for weight in program.weights:
        slots = slots_of(weight.expression)
        if slots:
            clusters.setdefault(banks[slots[0]].rpartition(".")[0], []).append(weight.layer)
    return tuple(tuple(layers) for layers in clusters.values())


def measure_coefficients(
    ensemble: Ensemble,
    batches: Batches,
    *,
    groups: int = NUM_GROUPS,
    progress: _Progress | None = None,
    context: _Context = nullcontext,
    ranks: Ranks = ALONE,
) -> CoefficientFeedback:
    """Coefficient similarity over one pass: the cosine of summed dL/dalpha of every two slots that share a vector.

    The gradients are collected per slot, before tied slots are summed. With one template every cosine is +1 or -1.
    Slots whose sum is zero are listed as silent. ValueError where an expression other than blocks reads templates.
    """
    sums_SGK, num_images = _sum_slots(ensemble, batches, groups, progress, context, ranks)
    program = ensemble.program
    silent = tuple(slot.id for slot in program.slots if not sums_SGK[slot.id].sum(0).any())
    found: list[Similarity] = []
    for slots in _tied(program):
        heard = [slot for slot in slots if slot not in silent]
        found += named(heard, cosines([sums_SGK[slot] for slot in heard]))
    order = {slot.id: n for n, slot in enumerate(program.slots)}
    found.sort(key=lambda s: (order[s.first], order[s.second]))
    num_groups = max((len(sums) for sums in sums_SGK.values()), default=0)
    return CoefficientFeedback(program.revision, tuple(found), silent, num_images, num_groups)


def _tied(program: Program) -> list[list[str]]:
    users: dict[str, list[str]] = {}
    for slot in program.slots:
        users.setdefault(slot.coefficient, []).append(slot.id)
    return [slots for slots in users.values() if len(slots) > 1]


def _slot_gradients(ensemble: Ensemble, gradients: list[Tensor]) -> list[Tensor]:
    """Per bank dL/dalpha of each slot [S, K]; zeros where no member of this process shares anything."""
    if gradients:
        return ensemble.kernels.slot_gradients(gradients, list(ensemble.banks))
    sizes = [(len(rows.slots), len(bank)) for rows, bank in zip(ensemble.plan.banks, ensemble.banks, strict=True)]
    return [ensemble.banks[0].detach().new_zeros(size, dtype=torch.float64) for size in sizes]


def _sum_slots(
    ensemble: Ensemble, batches: Batches, groups: int, progress: _Progress | None, context: _Context, ranks: Ranks
) -> tuple[dict[str, Tensor], int]:
    """Per slot its summed dL/dalpha [groups, templates] in float64, and the number of images."""
    plan = ensemble.plan
    if plan.rows:
        raise ValueError("coefficient similarity needs weights that are made of template blocks alone")
    if not plan.banks:
        return {}, 0
    kept: list[list[Tensor]] = []
    num_images = 0
    for number, (leaves, size) in enumerate(_passes(ensemble, batches, progress, context)):
        gradients = _taken(leaves)
        found = _slot_gradients(ensemble, [gradients[n] for n in plan.direct])
        if number < groups:
            kept.append(found)
        else:
            torch._foreach_add_(kept[number % groups], found)
        num_images += size
    num_images = _over_ranks(num_images, ranks)
    stacks = [torch.stack(list(group), dim=1) for group in zip(*kept, strict=True)]
    for stack in stacks:
        ranks.add_up(stack)
    by_slot: dict[str, Tensor] = {}
    for bank, stack in zip(plan.banks, stacks, strict=True):
        by_slot |= dict(zip(bank.slots, stack, strict=True))
    check_gradients(by_slot)
    return by_slot, num_images
