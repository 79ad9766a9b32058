"""From a trained slimmable run to slimmed networks.

Takes a build and what the command line asks; gives `Slimming`. Guarantees: the run is only read; losses are those of
training images, in a settled order, and never of held-out ones; they are those that the row of the task names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

from swc.diagnostics import DiagnosticError, Sink
from swc.diagnostics.catalogue.disturbing import NonFinitePredictions
from swc.diagnostics.catalogue.slimming import NotSlimmable, SeveralWidest, SlicesMissing, TargetOutOfReach
from swc.folders.classes import check_classes
from swc.folders.dataset import open_dataset, tell_changed
from swc.folders.target_scale import check_scale
from swc.program.training import Loss
from swc.program.vocabulary import ROLE_SELECTORS
from swc.running.checkpoints import open_trained
from swc.running.machine import chosen_device
from swc.slim.targets import Target, read_targets
from swc_runtime.carry.plain import plain_member
from swc_runtime.data import EpochPlan, epoch_batches
from swc_runtime.precision import choose_arithmetic
from swc_runtime.training.channel_search import OutOfReachError, SlimmedChannels, Slimmer, search
from swc_runtime.training.losses import loss_of

if TYPE_CHECKING:
    import torch

    from swc.folders.store import Build
    from swc.program.spec import Member, Spec
    from swc_runtime.inputs import Inputs

Batches = list[tuple["Inputs", "torch.Tensor"]]


@frozen
class SlimRequest:
    """What the command line says: targets as they were written, and on how many training images losses are taken."""

    flops: tuple[str, ...]
    images: int = 1024
    data: Path | None = None
    offline: bool = False
    device: str = "auto"


@frozen
class Slimming:
    """What was found for the widest member: it, uncut, and a slimmed network for each target, the largest first."""

    spec: Spec
    member: Member
    uncut: SlimmedChannels
    found: tuple[tuple[Target, SlimmedChannels], ...]
    num_images: int


def slim_build(build: Build, asked: SlimRequest, sink: Sink, announce: Callable[[str], None]) -> Slimming:
    """Search the channels of a run's widest member; DiagnosticError where that cannot be done."""
    spec, targets = build.spec, read_targets(asked.flops)
    _check(spec)
    saved = open_trained(build, sink)
    assert spec.training is not None, "what was trained has a training"
    device = chosen_device(asked.device)
    batches = _batches(build, asked, device, sink, announce)
    arithmetic = choose_arithmetic(spec.training.recipe.precision, device)
    criterion = loss_of(Loss.of(spec.task.row.loss))  # not the recipe's: what smooths labels in training says less here
    ensemble = saved.ensemble("cpu")
    slimmers = [
        Slimmer(plain_member(ensemble, number).to(device), _depth(member), batches, arithmetic, criterion)
        for number, member in enumerate(spec.members)
    ]
    number = widest([member.name for member in spec.members], [one.cost(one.numbers) for one in slimmers])
    return _searched(spec, number, slimmers[number], targets)


def _check(spec: Spec) -> None:
    """DiagnosticError where the members are not widths of a slimmable WRN."""
    is_sliced = any(share.policy == "slices" and share.selector.kind not in ROLE_SELECTORS for share in spec.shares)
    if not is_sliced:
        raise DiagnosticError(SlicesMissing(ensemble=spec.name))
    for member in spec.members:
        if (member.source.kind, member.source.name) != ("family", "wrn"):
            raise DiagnosticError(NotSlimmable(member=member.name, family=member.source.name))


def _depth(member: Member) -> int:
    return int(member.source.given()["depth"])


def _batches(build: Build, asked: SlimRequest, device: str, sink: Sink, announce: Callable[[str], None]) -> Batches:
    """Training images as they are, the first of a settled shuffle, in batches as in training."""
    spec = build.spec
    assert spec.training is not None
    dataset = open_dataset(spec, asked.data, asked.offline, announce)
    check_classes(build.folder, dataset)
    check_scale(build.folder, dataset)
    tell_changed(build.folder, dataset, sink)
    dataset.report(sink)
    train = dataset.train
    wanted = min(asked.images, len(train))
    size = min(spec.training.recipe.batch, wanted)
    found = []
    for inputs, labels in epoch_batches(train, EpochPlan((), size, 0, 0, 0, device=device)):
        found.append((inputs, labels))
        if sum(len(own) for _, own in found) >= wanted:
            break
    return found


def widest(names: Sequence[str], costs: Sequence[int]) -> int:
    """The number of the member that takes the most multiply-adds; DiagnosticError where several do."""
    found = [number for number, cost in enumerate(costs) if cost == max(costs)]
    if len(found) > 1:
        raise DiagnosticError(SeveralWidest(members=tuple(names[number] for number in found)))
    return found[0]


def _searched(spec: Spec, number: int, slimmer: Slimmer, targets: tuple[Target, ...]) -> Slimming:
    start = slimmer.numbers
    whole = slimmer.cost(start)
    num_images = sum(len(labels) for _, labels in slimmer.batches)
    uncut = SlimmedChannels(start, whole, slimmer.loss(start))
    if not isfinite(uncut.loss):
        name = spec.members[number].name
        raise DiagnosticError(NonFinitePredictions(members=(name,), num_images=(num_images,), total=num_images))
    ordered = sorted(targets, key=lambda target: -target.limit(whole))
    try:
        found = search(start, slimmer.measures(), [target.limit(whole) for target in ordered])
    except OutOfReachError as error:
        smallest = TargetOutOfReach(limit=error.limit, least=error.least, whole=whole)
        raise DiagnosticError(smallest) from error
    return Slimming(spec, spec.members[number], uncut, tuple(zip(ordered, found, strict=True)), num_images)
