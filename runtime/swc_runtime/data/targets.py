"""Targets that are no classes: numbers of a regression, labels of which each holds or does not.

Takes what a data set gives; gives tensors [N, C]. Guarantees: numbers are standardised by the training part alone, in
float64, and a target that is the same in all of it is refused; labels are 0 or 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import torch
from attrs import evolve
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.tasks import ConstantTarget, UnfitTargets
from swc.files.run import TargetScale
from swc.program.datasets import DataFacts
from torch import Tensor

from swc_runtime.data.given import tensor_of
from swc_runtime.data.splits import Dataset, Split

WORDS = {"numbers": "finite numbers", "labels": "numbers that are 0 or 1"}


def checked_targets(facts: DataFacts, targets: Any, count: int, part: str) -> Tensor:
    """Targets of `count` examples as the task of `facts` has them, float64 [N, C]; DiagnosticError for anything else.

    Of a task with one output each example may have a plain number.
    """
    wanted = f"{count} x {facts.num_classes} {WORDS[facts.task.row.targets]}"

    def refuse(found: str) -> NoReturn:
        raise DiagnosticError(UnfitTargets(name=facts.title, part=part, wanted=wanted, found=found))

    found = _as_tensor(targets, refuse)
    if found.ndim == 1 and facts.num_classes == 1:
        found = found[:, None]
    if found.shape != (count, facts.num_classes):
        refuse(f"of shape {list(found.shape)}")
    if not bool(found.isfinite().all()):
        refuse(f"not finite in {int((~found.isfinite()).any(-1).sum())} examples")
    if facts.task.row.targets == "labels" and not bool(((found == 0) | (found == 1)).all()):
        refuse(f"from {float(found.min()):g} to {float(found.max()):g}")
    return found


def stacked_targets(facts: DataFacts, targets: Sequence[Any], part: str) -> Tensor:
    """The targets of single examples as one tensor; DiagnosticError where they have several shapes, or are texts."""

    def refuse(found: str) -> NoReturn:
        wanted = f"{facts.num_classes} {WORDS[facts.task.row.targets]} each"
        raise DiagnosticError(UnfitTargets(name=facts.title, part=part, wanted=wanted, found=found))

    found = [_as_tensor(target, refuse) for target in targets]
    shapes = sorted({tuple(one.shape) for one in found})
    if len(shapes) > 1:
        refuse(f"of shapes {', '.join(str(list(shape)) for shape in shapes)}")
    return torch.stack(found)


def _as_tensor(targets: Any, refuse: Callable[[str], NoReturn]) -> Tensor:
    try:
        found = tensor_of(targets)
    except (TypeError, ValueError, RuntimeError):
        refuse(f"of type `{getattr(targets, 'dtype', type(targets).__name__)}`")
    if found.is_complex():
        refuse("complex")
    return found.to(torch.float64)


def with_scale(dataset: Dataset) -> Dataset:
    """The data set with numbers standardised by the training part, float32; any other as it is."""
    kind = dataset.facts.task.row.targets
    if kind == "class":
        return dataset
    scale = scale_of(dataset) if kind == "numbers" else None
    train, test, *others = (_scaled(split, scale) for _, split in dataset.parts)
    return evolve(dataset, train=train, test=test, validation=others[0] if others else None, scale=scale)


def scale_of(dataset: Dataset) -> TargetScale:
    """The mean and the deviation of each target over the training part; DiagnosticError for one that is constant."""
    targets_NT = dataset.train.labels.double()
    mean_T, deviation_T = targets_NT.mean(0), targets_NT.std(0, unbiased=False)
    ends = zip(targets_NT.amin(0).tolist(), targets_NT.amax(0).tolist(), strict=True)
    for target, (lowest, highest) in enumerate(ends):
        if lowest == highest:
            raise DiagnosticError(ConstantTarget(name=dataset.facts.title, target=target, value=lowest))
    return TargetScale(tuple(mean_T.tolist()), tuple(deviation_T.tolist()))


def _scaled(split: Split, scale: TargetScale | None) -> Split:
    targets = split.labels
    if scale is not None:
        mean, deviation = (torch.tensor(values, dtype=torch.float64) for values in (scale.mean, scale.deviation))
        targets = (targets - mean) / deviation
    scaled: Split = evolve(split, labels=targets.to(torch.float32))  # type: ignore[misc]  # splits are attrs classes
    return scaled
