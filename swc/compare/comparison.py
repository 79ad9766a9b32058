"""Everything that `swc compare` says, in one frozen structure.

Takes builds; gives `Comparison`, and a figure of what was evaluated. Guarantees: what cannot be compared, or is left
out, is reported to the sink.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

from swc.compare.costs import PlannedSystem, planned_of
from swc.compare.differences import differences_from_first
from swc.compare.scores import SystemScores, scores_of
from swc.compare.systems import System, systems_of
from swc.diagnostics import DiagnosticError, Sink
from swc.diagnostics.catalogue.comparing import DifferentData, LeftOut, NothingToPlot
from swc.diagnostics.catalogue.trust import CostsUnknown
from swc.folders.store import Build
from swc.registry.tasks import TASKS, TaskRow
from swc.report.anytime import example_of, figure, one_task
from swc.show.wording import part_text
from swc.sweep.pairs import PairedDifference

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@frozen
class ComparedSystem:
    """A system before training, and what its runs came to (none: nothing was trained)."""

    system: System
    planned: PlannedSystem
    scores: tuple[SystemScores, ...]

    @property
    def data(self) -> str:
        """The data set's name."""
        return self.system.build.spec.data.title


@frozen
class Comparison:
    """All systems, in the order in which they were named, and what others have over the first by seed."""

    systems: tuple[ComparedSystem, ...]
    differences: tuple[PairedDifference, ...] = ()

    @property
    def data(self) -> tuple[str, ...]:
        """The data sets, each once."""
        return tuple(dict.fromkeys(one.data for one in self.systems))

    @property
    def example(self) -> str:
        """What one of the images is called."""
        return example_of([one.system.build.spec.data for one in self.systems])

    @property
    def tasks(self) -> tuple[TaskRow, ...]:
        """The tasks of all systems, each once."""
        return tuple({one.system.build.spec.task.name: one.system.build.spec.task.row for one in self.systems}.values())


def comparison_of(builds: Sequence[Build], start: Path, sink: Sink) -> Comparison:
    """Compare builds; runs of specs are looked for from `start` upwards.

    DiagnosticError where a file is damaged, or where what was trained has several tasks.
    """
    systems = systems_of(builds, start, sink)
    compared = tuple(ComparedSystem(system, planned_of(system), scores_of(system, sink)) for system in systems)
    scored = [one for one in compared if one.scores]
    if scored:
        one_task([one.system.build.spec.task for one in scored])
    are_alike = len({one.data for one in scored}) == 1
    differences = differences_from_first([one.scores for one in scored]) if are_alike else ()
    found = Comparison(compared, differences)
    for one in found.systems:
        if one.planned.multiply_adds is None:
            sink.report(CostsUnknown(ensemble=one.system.name))
    if len(found.data) > 1:
        sink.report(DifferentData(data=found.data))
    return found


def anytime_of(found: Comparison, against: str, sink: Sink) -> Figure:
    """Every subset of every ensemble that was evaluated, by its cost, over each other."""
    lines = [scores.line for one in found.systems for scores in one.scores if scores.line is not None]
    if not lines:
        raise DiagnosticError(NothingToPlot(names=tuple(one.system.name for one in found.systems)))
    for one in found.systems:
        if all(scores.line is None for scores in one.scores):
            sink.report(LeftOut(name=one.system.name))
    are_means = any(error is not None for line in lines for point in line.points for error in point.errors.values())
    whose = lines[0].name if len(lines) == 1 else f"{len(lines)} ensembles"
    errors = ", mean and standard error over runs" if are_means else ""
    parts = [scores.kind.part for one in found.systems for scores in one.scores]
    part = part_text(next((part for part in parts if part), parts[0]), found.example)
    (task,) = {one.system.build.spec.task.name for one in found.systems if one.scores}
    return figure(lines, against, f"{whose} on {' and '.join(found.data)}{part}{errors}", TASKS[task], found.example)
