"""A spec of the networks that a channel search found.

Takes `Slimming`; gives the text of a `.sw` file. Guarantees: it is in the canonical form, compiles, needs no other
file, and trains the members as the slimmable network was trained, with every value spelled out.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from swc.language.syntax.printer import format_text
from swc.program.training import Augmentation, Phase, Recipe, Schedule, Training
from swc.show.wording import decimal, exact, scale_text, several, share_of

if TYPE_CHECKING:
    from swc.program.datasets import DataFacts
    from swc.slim.slim import Slimming


def written(slimming: Slimming, policy: str) -> str:
    """The text; the members share as `policy`, `none` or `slices`."""
    spec, training = slimming.spec, slimming.spec.training
    assert training is not None, "what has been trained has a train block"
    lines = [
        *_found_by(slimming),
        f"ensemble {spec.name}_slim {{",
        f"data {_data(spec.data)}",
        "",
        *_members(slimming),
        "",
        *([f"step {spec.step}"] if policy == "slices" else []),
        "budget unlimited",
        "",
        *_shares(slimming, policy),
        "",
        *_training(training),
        "}",
    ]
    return format_text("\n".join(lines) + "\n", f"{spec.name}_slim")


def _found_by(slimming: Slimming) -> Iterator[str]:
    uncut = slimming.uncut
    images = several(slimming.num_images, "training image")
    yield f"# Found by `swc slim` for `{slimming.member.name}` of {slimming.spec.name}, which takes"
    cost, loss = exact(uncut.multiply_adds), decimal(uncut.loss)
    yield f"# {cost} multiply-adds for an image, with a loss of {loss} on {images}."
    yield "# Losses below are those that the cut left, before the members are trained anew."


def _members(slimming: Slimming) -> Iterator[str]:
    given = dict(slimming.member.source.arguments)
    for target, found in slimming.found:
        part = share_of(found.multiply_adds, slimming.uncut.multiply_adds)
        numbers = " ".join(map(str, found.numbers))
        yield f"# {exact(found.multiply_adds)} multiply-adds, {part} of the uncut; loss {decimal(found.loss)}"
        yield f'member {target.member} = wrn(depth: {given["depth"]}, width: {given["width"]}, channels: "{numbers}")'


def _shares(slimming: Slimming, policy: str) -> Iterator[str]:
    if policy == "none":
        yield "share conv as none"
        return
    for share in slimming.spec.shares:
        if share.policy == policy:
            selector = share.selector
            yield f"share {selector.kind if selector.kind != 'glob' else _quoted(selector.pattern)} as {policy}"


def _data(data: DataFacts) -> str:
    if data.folder is None:
        return data.name
    return f"folder({_quoted(os.fspath(data.folder))}, classes: {data.num_classes}, size: {data.image_shape[1]})"


def _quoted(text: str) -> str:
    return f'"{text}"'


def _training(training: Training) -> Iterator[str]:
    """The train block; phases whose weights were thrown away are left out, and with them what they measured."""
    scaled = scale_text(training.epochs_scale).removeprefix(", ")
    yield f"train {{{f'  # {scaled}' if scaled else ''}"
    yield from _recipe(training.recipe)
    yield ""
    for phase in training.phases:
        if phase.split is None or phase.carry == "continue":
            yield _phase(phase)
    yield "}"


def _recipe(recipe: Recipe) -> Iterator[str]:
    sgd = recipe.optimiser
    yield f"batch {recipe.batch}"
    yield (
        f"optimiser sgd(lr: {sgd.lr!r}, momentum: {sgd.momentum!r}, nesterov: {_yes(sgd.nesterov)}, "
        f"weight_decay: {sgd.weight_decay!r})"
    )
    yield f"no_decay {', '.join(sgd.no_decay) or 'none'}"
    yield f"schedule {_schedule(recipe.schedule)}"
    yield f"augment {_augmentation(recipe.augmentation)}"
    yield f"label_smoothing {recipe.label_smoothing!r}"
    yield f"norm_batch {'none' if recipe.norm_batch is None else recipe.norm_batch}"
    yield f"precision {recipe.precision}"
    yield f"seed {recipe.seed}"


def _schedule(schedule: Schedule) -> str:
    at = ", ".join(map(repr, schedule.milestones))
    steps = f"(at: [{at}], factor: {schedule.factor!r})" if schedule.kind == "steps" else ""
    return f"{schedule.kind}{steps}" + (f", warmup {schedule.warmup!r} epochs" if schedule.warmup else "")


def _augmentation(augmentation: Augmentation) -> str:
    steps = [
        *(["resized_crop"] if augmentation.resized_crop else []),
        *([f"crop(pad: {augmentation.pad})"] if augmentation.pad else []),
        *(["flip"] if augmentation.flip else []),
        *([f"cutout(size: {augmentation.cutout})"] if augmentation.cutout else []),
    ]
    return ", ".join(steps) or "none"


def _phase(phase: Phase) -> str:
    rate = "" if phase.lr is None else f" at lr {phase.lr!r}"
    return f"phase {phase.name}: {phase.epochs} epochs{rate}"


def _yes(value: bool) -> str:
    return "yes" if value else "no"
