"""A spec of the networks that a channel search found.

Takes `Slimming`; gives the text of a `.sw` file. Guarantees: it is in the canonical form, compiles, needs no other
file, and trains the members as the slimmable network was trained, with every value spelled out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from swc.language.syntax import tree
from swc.language.syntax.nodes import NOWHERE, call_node, name_node, value_node
from swc.language.syntax.unparse import Remark, Remarks, print_tree
from swc.program.choice import Choice
from swc.program.datasets import DATA
from swc.program.training import Loss, Phase, Recipe, Schedule, Training
from swc.show.wording import decimal, exact, scale_text, several, share_of

if TYPE_CHECKING:
    from swc.program.datasets import DataFacts
    from swc.program.spec import Share
    from swc.slim.slim import Slimming


def spec_text(slimming: Slimming, policy: str) -> str:
    """The text; the members share as `policy`, `none` or `slices`."""
    spec, training = slimming.spec, slimming.spec.training
    assert training is not None, "what has been trained has a train block"
    members, train = _members(slimming), _train(training)
    step = tree.StepItem(call_node(spec.step.name, dict(spec.step.arguments)), NOWHERE)
    steps = (step,) if policy == "slices" else ()
    budget = tree.BudgetItem(tree.Amount("unlimited", None, NOWHERE), NOWHERE)
    shares = tuple(_shares(slimming, policy))
    items = (data_item(spec.data), *_task(spec.data), *members, *steps, budget, *shares, train)
    ensemble = tree.EnsembleDefinition(name_node(f"{spec.name}_slim"), None, items, NOWHERE)
    remarks: Remarks = {**dict(zip(members, _costs(slimming), strict=True)), **_phase_remarks(train)}
    remarks |= {ensemble: Remark(tuple(_origin(slimming))), train: Remark((), _scale(training), has_blank=True)}
    remarks |= {(*steps, budget)[0]: Remark(has_blank=True), shares[0]: Remark(has_blank=True)}
    return print_tree(tree.File((ensemble,), NOWHERE), remarks)


def _origin(slimming: Slimming) -> Iterator[str]:
    uncut = slimming.uncut
    images = several(slimming.num_images, "training image")
    yield f"Found by `swc slim` for `{slimming.member.name}` of {slimming.spec.name}, which takes"
    cost, loss = exact(uncut.multiply_adds), decimal(uncut.loss)
    yield f"{cost} multiply-adds for an image, with a loss of {loss} on {images}."
    yield "Losses below are those that the cut left, before the members are trained from scratch."


def _members(slimming: Slimming) -> tuple[tree.MemberItem, ...]:
    uncut = dict(slimming.member.source.arguments)
    return tuple(
        tree.MemberItem(
            name_node(target.member),
            None,
            call_node(
                "wrn", {**{k: uncut[k] for k in ("depth", "width")}, "channels": " ".join(map(str, cut.numbers))}
            ),
            None,
            NOWHERE,
        )
        for target, cut in slimming.found
    )


def _costs(slimming: Slimming) -> Iterator[Remark]:
    """What each member costs, above its line."""
    for number, (_, cut) in enumerate(slimming.found):
        part = share_of(cut.multiply_adds, slimming.uncut.multiply_adds)
        cost = f"{exact(cut.multiply_adds)} multiply-adds, {part} of the uncut; loss {decimal(cut.loss)}"
        yield Remark((cost,), has_blank=number == 0)


def _shares(slimming: Slimming, policy: str) -> Iterator[tree.ShareBlock]:
    if policy == "none":
        yield _share(name_node("conv"), "none")
        return
    for share in slimming.spec.shares:
        if share.policy == policy:
            yield _share(_selector(share), policy)


def _selector(share: Share) -> tree.Name | tree.Text:
    if share.selector.kind == "glob":
        return tree.Text(share.selector.pattern, NOWHERE)
    return name_node(share.selector.kind)


def _share(selector: tree.Name | tree.Text, policy: str) -> tree.ShareBlock:
    return tree.ShareBlock(selector, call_node(policy), (), NOWHERE)


def data_item(data: DataFacts) -> tree.DataItem:
    """The item that means these facts."""
    row = DATA[data.name]
    arguments = {**row.written(data), **dict(data.arguments), **_parts(data)}
    plain = [arguments.pop(one.name) for one in row.arguments[: row.num_plain]]
    return tree.DataItem(call_node(data.name, arguments, plain), NOWHERE)


def _task(data: DataFacts) -> tuple[tree.TaskItem, ...]:
    """The item that means the task of these facts; none where an example has one class, as without one."""
    if data.task == type(data.task)():
        return ()
    return (tree.TaskItem(call_node(data.task.name, dict(data.task.arguments)), NOWHERE),)


def _parts(data: DataFacts) -> dict[str, tree.Value]:
    """The portions of the images that are drawn, by the arguments that ask for them."""
    if data.parts is None:
        return {}
    portions = {"train": data.parts.train, "validation": data.parts.validation}
    return {
        name: tree.Number(str(portion), portion.count or portion.share, NOWHERE)
        if not portion.is_given
        else name_node(str(portion))
        for name, portion in portions.items()
        if portion is not None
    }


def _scale(training: Training) -> str:
    return scale_text(training.epochs_scale).removeprefix(", ")


def _train(training: Training) -> tree.TrainBlock:
    """The train block; phases whose weights were thrown away are left out, and with them what they measured."""
    phases = (phase for phase in training.phases if phase.split is None or phase.carry == "continue")
    return tree.TrainBlock(None, (*_recipe(training.recipe), *map(_phase, phases)), NOWHERE)


def _phase_remarks(train: tree.TrainBlock) -> Remarks:
    first = next(item for item in train.items if isinstance(item, tree.PhaseItem))
    return {first: Remark(has_blank=True)}


def _recipe(recipe: Recipe) -> Iterator[tree.RecipeItem]:
    yield tree.SettingItem("batch", value_node(recipe.batch), NOWHERE)
    yield tree.OptimiserItem(_choice(recipe.optimiser), NOWHERE)
    yield tree.NoDecayItem(tuple(map(name_node, recipe.optimiser.no_decay or ("none",))), NOWHERE)
    yield _schedule(recipe.schedule)
    yield tree.AugmentItem(tuple(map(_choice, recipe.augmentation)) or (call_node("none"),), NOWHERE)
    yield _loss(recipe.loss)
    norm_batch = name_node("none") if recipe.norm_batch is None else recipe.norm_batch
    yield tree.SettingItem("norm_batch", value_node(norm_batch), NOWHERE)
    if recipe.clip_gradients is not None:
        yield tree.SettingItem("clip_gradients", value_node(recipe.clip_gradients), NOWHERE)
    if recipe.weight_average is not None:
        yield tree.WeightAverageItem(_choice(recipe.weight_average), NOWHERE)
    yield tree.SettingItem("precision", name_node(recipe.precision), NOWHERE)
    yield tree.SettingItem("seed", value_node(recipe.seed), NOWHERE)


def _loss(loss: Loss) -> tree.RecipeItem:
    """In few words where there are such."""
    if loss.smoothing is not None:
        return tree.SettingItem("label_smoothing", value_node(loss.smoothing), NOWHERE)
    return tree.LossItem(_choice(loss), NOWHERE)


def _choice(choice: Choice) -> tree.Call:
    """A row of a registry with all its arguments, in the order in which the row declares them."""
    declared = (one.name for one in choice.registry[choice.name].arguments)
    return call_node(choice.name, {name: choice.values[name] for name in declared if name in choice.values})


def _schedule(schedule: Schedule) -> tree.ScheduleItem:
    warmup = value_node(schedule.warmup) if schedule.warmup else None
    return tree.ScheduleItem(_choice(schedule), warmup, NOWHERE)


def _phase(phase: Phase) -> tree.PhaseItem:
    rate = None if phase.lr is None else value_node(phase.lr)
    patience = None if phase.patience is None else value_node(phase.patience)
    return tree.PhaseItem(name_node(phase.name), value_node(phase.epochs), patience, rate, (), NOWHERE)
