"""A comparison as tables for a terminal or a file.

Takes a `Comparison`, gives a renderable. Guarantees: below each table stands how its numbers were counted; columns in
which every number would be nothing are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from swc.compare.scores import SystemScores, member_metric
from swc.files.tables import SeedMean
from swc.registry.tasks import TASKS, TaskRow
from swc.show.plain import table
from swc.show.wording import exact, held_out, several, share_of, short
from swc.sweep.markdown import differences_shown
from swc.sweep.summary import mean_text

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from swc.compare.comparison import Comparison
    from swc.compare.costs import PlannedSystem

PARTS = (
    ("templates", "template_scalars"),
    ("coefficients", "coefficient_scalars"),
    ("tensors", "tensor_scalars"),
    ("private", "private_scalars"),
)
COUNTED = """\
parameters: all that is stored, in templates, coefficients and stored tensors or private to members
of native: what templates and stored tensors hold of what the layers that share would own unshared
MAdds: multiply-adds for an {example}, all members, as papers count them
memory: of weights in a training step, float32: parameters, gradients, momentum, composed weights"""


def comparison_shown(found: Comparison) -> RenderableType:
    """Before training, and after it where there is something."""
    from rich.console import Group
    from rich.text import Text

    title = f"{several(len(found.systems), 'ensemble')} on {' and '.join(found.data)}, before training"
    counted = COUNTED.format(example=found.example)
    parts: list[RenderableType] = [Text(title, style="bold"), Text(), _before(found), Text(), Text(counted)]
    scores = [one for system in found.systems for one in system.scores]
    if scores:
        parts += [Text(), Text(_title(scores, found.example), style="bold"), Text(), _after(scores, found.example)]
    if found.differences:
        parts.append(differences_shown(found.differences, _images(scores, found.example)))
    return Group(*parts)


def _before(found: Comparison) -> Table:
    all_counts = [one.planned.counts for one in found.systems]
    parts = [(name, of) for name, of in PARTS if any(getattr(counts, of) for counts in all_counts)]
    made = table(
        "", ">members", ">parameters", *(f">{name}" for name, _ in parts), ">of native", ">MAdds", ">memory", "shared"
    )
    made.columns[0].no_wrap = True
    for one in found.systems:
        planned, counts = one.planned, one.planned.counts
        numbers = (short(getattr(counts, of)) for _, of in parts)
        made.add_row(one.system.name, str(planned.members), exact(counts.parameter_scalars), *numbers, *_costs(planned))
    return made


def _costs(planned: PlannedSystem) -> tuple[str, ...]:
    return (
        share_of(planned.stored_scalars, planned.counts.native_scalars),
        "-" if planned.multiply_adds is None else short(planned.multiply_adds),
        f"{short(planned.memory.total)}B" if planned.memory else "-",
        ", ".join(planned.sharing) or "nothing",
    )


def _title(scores: Sequence[SystemScores], example: str) -> str:
    images = " or ".join(exact(number) for number in dict.fromkeys(one.kind.num_images for one in scores))
    errors = ", mean ± standard error over runs" if any(len(one.seeds) > 1 for one in scores) else ""
    return f"after training, on {images} {_images(scores, example)}{errors}"


def _images(scores: Sequence[SystemScores], example: str) -> str:
    """Which images are scored."""
    parts = " or ".join(dict.fromkeys(held_out(one.kind.part) for one in scores))
    return f"{parts} {example}s"


def _columns(task: TaskRow, example: str) -> tuple[tuple[str, str], ...]:
    """The numbers that the table has, and what they are called; files have all scores of the task."""
    others = {"diversity": "diversity", member_metric(task): "mean member", "parameters": "parameters"}
    return (*((row.name, row.title) for row in task.against_cost), *others.items(), ("milliseconds", f"ms/{example}"))


def _after(scores: Sequence[SystemScores], example: str) -> Table:
    task = TASKS[scores[0].kind.task]
    columns = [(name, title) for name, title in _columns(task, example) if any(s.values[name] for s in scores)]
    made = table("", ">runs", *(f">{title}" for _, title in columns))
    made.columns[0].no_wrap = True
    for one in scores:
        made.add_row(one.name, str(len(one.seeds)), *(_cell(task, name, one.values[name]) for name, _ in columns))
    return made


def _cell(task: TaskRow, name: str, value: SeedMean | None) -> str:
    if value is None:
        return "-"
    if name == "parameters":
        return exact(round(value.mean)) + (f" ± {exact(round(value.error))}" if value.error else "")
    if name == "milliseconds":
        return f"{value.mean:.3g}" + ("" if value.error is None else f" ± {value.error:.1g}")
    row = task.chosen if name == member_metric(task) else next((one for one in task.scores if one.name == name), None)
    return mean_text(value, is_share=row is not None and row.form == "share")
