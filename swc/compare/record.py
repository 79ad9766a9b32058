"""A comparison as JSON and CSV.

Takes a `Comparison`, gives text. Guarantees: numbers are exact; what was not measured is null or empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from attrs import asdict

from swc.compare.scores import SystemScores, metrics_of
from swc.files.csv_text import csv_text
from swc.files.kind_codec import text_of_kind
from swc.files.kinds import FILE_KINDS
from swc.files.tables import ComparisonTable, MemoryRow, RunsRow, SystemRow
from swc.show.wording import held_out
from swc.sweep.summary import difference_row

if TYPE_CHECKING:
    from swc.compare.comparison import ComparedSystem, Comparison

COUNTS = (
    "parameter_scalars",
    "template_scalars",
    "coefficient_scalars",
    "tensor_scalars",
    "private_scalars",
    "native_scalars",
    "stored_scalars",
)
MEMORY = ("parameters", "gradients", "momentum", "composed", "composed_gradients", "total")
KIND = ("epochs_scale", "stage", "num_images", "num_calibration")


def as_json(found: Comparison) -> str:
    """One JSON object with a list of systems, each with its results."""
    table = ComparisonTable(tuple(map(_system, found.systems)), tuple(map(difference_row, found.differences)))
    return text_of_kind(FILE_KINDS["comparison"], table)


def _system(one: ComparedSystem) -> SystemRow:
    planned = one.planned
    return SystemRow(
        name=one.system.name,
        ensemble=one.system.build.spec.name,
        data=one.data,
        members=planned.members,
        budget=planned.budget,
        sharing=planned.sharing,
        **_counts(one),
        multiply_adds=planned.multiply_adds,
        memory_bytes=MemoryRow(**asdict(planned.memory), total=planned.memory.total) if planned.memory else None,
        results=tuple(map(_runs, one.scores)),
    )


def _counts(one: ComparedSystem) -> dict[str, int]:
    counted = asdict(one.planned.counts)
    derived = {"parameter_scalars": one.planned.counts.parameter_scalars, "stored_scalars": one.planned.stored_scalars}
    return {name: (counted | derived)[name] for name in COUNTS}


def _runs(scores: SystemScores) -> RunsRow:
    return RunsRow(
        name=scores.name,
        **asdict(scores.kind),
        seeds=scores.seeds,
        num_evaluated=scores.num_evaluated,
        values=scores.values,
    )


def as_csv(found: Comparison) -> str:
    """One line for each system and kind of its runs; one for a system without any, its last columns empty.

    The scores are those of the task, of several tasks those of all.
    """
    rows: list[Iterable[object]] = []
    metrics = tuple(dict.fromkeys(metric for task in found.tasks for metric in metrics_of(task)))
    measured = (column for metric in metrics for column in (metric, f"{metric}_error"))
    plan = ("name", "ensemble", "data", "members", "sharing", *COUNTS, "multiply_adds")
    memory = (f"memory_{name}" for name in MEMORY)
    rows.append((*plan, *memory, *KIND, "part", "num_runs", *measured))
    for one in found.systems:
        for scores in one.scores or (None,):
            rows.append((*_before(one), *_after(scores, metrics)))
    return csv_text(rows)


def _before(one: ComparedSystem) -> tuple[object, ...]:
    planned = one.planned
    memory = ["" if planned.memory is None else getattr(planned.memory, name) for name in MEMORY]
    names = (one.system.name, one.system.build.spec.name, one.data, planned.members, "; ".join(planned.sharing))
    costs = "" if planned.multiply_adds is None else planned.multiply_adds
    return (*names, *_counts(one).values(), costs, *memory)


def _after(scores: SystemScores | None, metrics: Sequence[str]) -> Iterator[object]:
    if scores is None:
        yield from [""] * (len(KIND) + 2 + 2 * len(metrics))
        return
    yield from (getattr(scores.kind, name) for name in KIND)
    yield held_out(scores.kind.part)
    yield len(scores.seeds)
    for metric in metrics:
        value = scores.values.get(metric)
        yield from ("", "") if value is None else (value.mean, "" if value.error is None else value.error)
