"""What stands beside exported members: a model card, and the code that loads them.

Takes a build and what was exported; gives text. Guarantees: the code needs torch, and torchvision or timm where a
member comes from there, alone; a number on the card was measured, or is not there.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from swc.compiler.ir.counts import count
from swc.diagnostics.printable import on_one_line
from swc.export.column_files import IMPORT, features_code
from swc.export.predicting import outputs_of, predict_text, score_lines, unit_facts, unit_text
from swc.folders.target_scale import scale_of_run
from swc.program.datasets import DATA, are_resized, has_class_folders
from swc.program.model_source import ModelSource
from swc.registry.families import FAMILIES
from swc.registry.model_libraries import LIBRARIES
from swc.running.results import read_results
from swc.show.wording import budget_text, exact, images_of, scale_text

if TYPE_CHECKING:
    from swc.files.run import TargetScale
    from swc.folders.store import Build
    from swc.program.datasets import DataFacts
    from swc.program.program import MemberPlan, Program
    from swc_runtime.data.preparation import Preparation

PREDICTED = {"class": "probabilities", "labels": "probabilities", "numbers": "mean, deviation"}  # what `predict` gives
LOADER = """\"\"\"The members of {ensemble} as plain torch modules.

    from members import load, {names}

    {predicted} = predict({example}
\"\"\"

from functools import lru_cache
from pathlib import Path

import torch
{imports}{constants}CLASSES = {classes}  # what the outputs stand for, in their order
MEMBERS = {{
{members}}}

{normalised}
def load(name):
    \"\"\"A member with its weights, in eval mode.\"\"\"
    member = MEMBERS[name]()
    for buffer in member.buffers():
        buffer.data = buffer.clone()  # one made by `expand` has no memory of its own to load into
    member.load_state_dict(torch.load(Path(__file__).with_name(f"{{name}}.pt"), weights_only=True))
    member.eval()
    return member


@lru_cache(maxsize=None)
def _kept(name, device):
    return load(name).to(device)


"""

CONSTANTS = """
MEAN = torch.tensor({mean}).view(1, -1, 1, 1)
DEVIATION = torch.tensor({deviation}).view(1, -1, 1, 1)
"""

EXAMPLE_OF_COLUMNS = "numbers, codes)  # the arrays that `columns.raw_inputs` makes of columns"
NORMALISED = """
def normalised(images):
    \"\"\"Images as the members were trained on.\"\"\"
    return (images - MEAN.to(images.device)) / DEVIATION.to(images.device)

"""


def loader(
    program: Program,
    members: Sequence[MemberPlan],
    classes: Sequence[str] | None,
    scale: TargetScale | None = None,
    preparation: Preparation | None = None,
) -> str:
    """A Python file that builds the members and loads their state."""
    facts, of_columns = program.data, preparation is not None
    imports = {"from {} import {}\n".format(*import_of(member.source)) for member in members}
    imports |= {IMPORT} if of_columns else set()
    text = LOADER.format(
        ensemble=inside_docstring(program.ensemble),
        names="normalised, predict" if facts.are_images else "predict",
        predicted=PREDICTED[facts.task.row.targets],
        example=EXAMPLE_OF_COLUMNS if of_columns else _example(facts),
        imports="".join(sorted(imports)),
        constants=_constants(facts) + unit_text(scale),
        classes=None if classes is None else ascii(list(classes)),
        members="".join(
            f"    {quoted(member.name)}: lambda: {call_of(member.source, program)},\n" for member in members
        ),
        normalised=NORMALISED if facts.are_images else "",
    )
    return text + (features_code(preparation) if preparation is not None else "") + predict_text(facts, of_columns)


def _example(facts: DataFacts) -> str:
    if facts.are_images:
        channels, height, width = facts.image_shape
        return f"normalised(images))  # images [B, {channels}, {height}, {width}] in [0, 1]"
    given = ", ".join(f"input_{number}" for number in range(len(facts.inputs))) if len(facts.inputs) > 1 else "inputs"
    return f"{given})  # {facts.inputs_text}, each with the batch first"


def _constants(facts: DataFacts) -> str:
    return CONSTANTS.format(mean=list(facts.mean), deviation=list(facts.deviation)) if facts.are_images else "\n"


def quoted(text: str) -> str:
    """A text as a literal of Python, in double quotes: whatever it holds, it ends where the literal does."""
    return json.dumps(text)


def inside_docstring(text: str) -> str:
    """A text for the inside of a docstring or a comment, which it can't end."""
    return on_one_line(text).replace("\\", "/").replace('"', "'")


def import_of(source: ModelSource) -> tuple[str, str, str]:
    """What must be imported to build a member: module, name, and no alias."""
    match source.kind:
        case "family" if source.name in FAMILIES.names:
            return (source.name, source.name, "")
        case "family":
            module, _, path = FAMILIES[source.name].implementation.partition(":")
            return (module, path.partition(".")[0], "")
        case "python":
            module, _, path = source.name.partition(":")
            return (module, path.partition(".")[0], "")
        case library:
            return (LIBRARIES[library].module, LIBRARIES[library].function, "")


def call_of(source: ModelSource, program: Program) -> str:
    """The call that builds a member."""
    given = "".join(f", {name}={_literal(value)}" for name, value in source.given().items())
    classes = program.data.num_classes
    match source.kind:
        case "family":
            called = FAMILIES[source.name].implementation.partition(":")[2]
            return f"{called}({classes}, {program.data.shape}{given})"
        case "python":
            return f"{source.name.partition(':')[2]}({', '.join(_offered(source, program.data))})"
        case library:
            return LIBRARIES[library].call(quoted(source.name), classes, given)


def _literal(value: object) -> str:
    return quoted(value) if isinstance(value, str) else repr(value)


def _offered(source: ModelSource, data: DataFacts) -> list[str]:
    """The arguments that a factory of one's own is called with, the number of classes where it takes that."""
    from swc_runtime.models import find_factory, offered_arguments

    shape = None if data.are_images else data.shape
    offered = offered_arguments(find_factory(source.name), source.given(), data.num_classes, shape)
    return [f"{name}={value!r}" for name, value in offered.items()]


def card(
    build: Build,
    stage: str,
    members: Sequence[str],
    files: Sequence[str],
    what: str,
    classes: Sequence[str] | None,
    *,
    average: bool = False,
) -> str:
    """The model card: what it is, what it was trained on, budget, scores, and the files.

    `members` are the networks that are written; with `average` the scores are those of the average of the weights.
    """
    spec, counts = build.spec, count(build.revisions[-1].graph)
    data = spec.data
    scale = scale_text(spec.training.epochs_scale) if spec.training else ""
    shared = (
        f"{budget_text(spec.budget)}; all members together store {exact(counts.parameter_scalars)} parameters, "
        f"{exact(counts.template_scalars)} of them in templates; the shared layers would own "
        f"{exact(counts.native_scalars)} unshared"
    )
    facts = {
        **_data(data, classes),
        **unit_facts(scale_of_run(build.folder, data)),
        "Trained": f"to {stage}{scale}",
        "Budget": shared,
        "Files": ", ".join(f"`{name}`" for name in files),
    }
    head = [f"# {spec.name}", "", f"{what}: {', '.join(members)}.", ""]
    lines = [*head, *(f"- {name}: {said}" for name, said in facts.items()), "", *_scores(build, members, average)]
    return "\n".join(lines) + "\n"


def _data(data: DataFacts, classes: Sequence[str] | None) -> dict[str, str]:
    """What the members were trained on, and what they are given."""
    if not data.are_images:
        said = {"Data": f"{data.title}, {outputs_of(data)}", "Inputs": _inputs(data)}
        return {**said, **_named(classes, data)}
    return {
        "Data": f"{data.title}, {outputs_of(data)}, images {data.image_shape}",
        "Images": _reading(data),
        **_named(classes, data),
        "Normalised": f"mean {list(data.mean)}, deviation {list(data.deviation)}, for pixels in [0, 1]",
    }


def _named(names: Sequence[str] | None, data: DataFacts) -> dict[str, str]:
    """What the outputs stand for, where they are classes."""
    return {"Classes": _classes(names, data)} if data.task.is_classification else {}


def _inputs(data: DataFacts) -> str:
    """What members are given; of a table what is made of its columns."""
    if data.name != "table":
        return f"{data.inputs_text}, as they are"
    raw = "`columns.py` makes `numbers` and `codes` of the raw columns, with the values in `preparation.json`"
    return f"{data.inputs_text}, scaled and coded as `preparation.json` says; {raw}"


def _classes(names: Sequence[str] | None, data: DataFacts) -> str:
    """What the outputs stand for, in their order; as JSON, since the names are those of somebody's folders."""
    if names is None and has_class_folders(data):
        return "names are not known; outputs are numbered in the order of the class folders' names"
    if names is None:
        return "the data give them no names; outputs are numbered as the labels are"
    return f"`{json.dumps(list(names), ensure_ascii=False)}`, in the order of the outputs"


def _reading(data: DataFacts) -> str:
    """How an image must be brought to the members' size."""
    channels, height, width = data.image_shape
    kind = "grey" if channels == 1 else "RGB"
    row = DATA.find(data.name)
    if row is None or not are_resized(data):
        return f"{kind}, as they are"
    turned = "turned upright by their EXIF orientation, " if row.is_upright else ""
    return f"{kind}, {turned}the shorter side resized to 8/7 of {height} x {width} pixels, the middle cut out"


def _scores(build: Build, networks: Sequence[str], average: bool) -> list[str]:
    """The scores that the run came to, where it is finished: of the members of these networks, and of all together."""
    results, data = read_results(build.folder), build.spec.data
    found = results.average if results is not None and average else results
    if results is None or found is None:
        return ["Scores: the run has not come to its end."]
    written = {one.name for one in build.spec.members if (one.host or one.name) in networks}
    own = [one for one in found.members if one.name in written]
    together = found.together if len(own) == len(found.members) else None
    head = f"On {images_of(found.together.num_images, results.part, data.example)}:"
    return [head, "", *score_lines(own, together, data)]
