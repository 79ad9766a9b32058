"""What a run wrote down while it trained, by epoch and by recompile, ready to draw.

Takes a run's folder and spec; gives `Curves` and `Recompile`s. Guarantees: epochs are counted over all phases.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from math import isnan

from attrs import evolve, field, frozen

from swc.compiler.ir.graph import Graph
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.formats import DamagedFile
from swc.diagnostics.catalogue.show import NothingMeasured
from swc.files.metrics import EpochRow, MetricRow, ScoresRow
from swc.files.scores import ScoredPart
from swc.folders.store import Build
from swc.program.feedback import ClusterCut, ClusterFeedback, GroupFeedback, SimilarityFeedback
from swc.program.stages import Stage, stages
from swc.program.training import Action, GroupLayers, Phase, PhaseAction, SplitClusters, Training, UntieCoefficients
from swc.show.wording import decimal, several

ENSEMBLE = "ensemble"
Points = tuple[tuple[int, float | None], ...]  # epoch over all phases, from 1; value


@frozen
class Curves:
    """By member (and `ensemble`): the training loss after each epoch, and the score that the task's row calls the best.

    The score is top-1 of classes, and there wherever held-out images were scored; `averages` are those with the average
    of the weights, where the recipe asks for one. A number that is not finite is None. `part` says which images the
    scores are of.

    `cuts` are the epochs after which the graph or the phase changed, with what was done there.
    """

    losses: Mapping[str, Points]
    scores: Mapping[str, Points]
    cuts: tuple[tuple[int, str], ...]
    part: ScoredPart = ""
    averages: Mapping[str, Points] = field(factory=dict)


@frozen
class Recompile:
    """The similarities that a recompile went by and the threshold it held them against.

    After a split by number the threshold is the middle of the `cut`, and the similarities are those of its share block.
    """

    title: str
    feedback: SimilarityFeedback
    threshold: float
    cut: ClusterCut | None = None

    @property
    def limit(self) -> str:
        """The threshold in words."""
        if self.cut is None:
            return f"the threshold {self.threshold:g}"
        return f"the cut into {several(self.cut.number, 'cluster')} at {decimal(self.threshold, 3)}"


def curves_of(build: Build) -> Curves:
    """The curves of a run; DiagnosticError where it has not trained an epoch."""
    from swc_runtime.records.records import METRICS, read_rows

    rows = read_rows(build.folder) if build.is_run else []
    if not any(isinstance(row, EpochRow) for row in rows):
        raise DiagnosticError(NothingMeasured(place=str(build.folder), wanted="curves"))
    try:
        _check_rows(build, rows)
        return _drawn(build, rows)
    except (LookupError, ValueError) as error:
        path = str(build.folder / METRICS)
        raise DiagnosticError(DamagedFile(origin=path, detail="a line is not of this run")) from error


def _check_rows(build: Build, rows: list[MetricRow]) -> None:
    """ValueError, or LookupError, where a row is not of this run: each epoch and each score of it is there once."""
    training = _training(build)
    ends = {phase.name: phase.epochs for phase in training.phases}
    of_phase = {stage.revision: stage.phase.name for stage in stages(training)}
    names = {*(member.name for member in build.spec.members), ENSEMBLE}
    seen: set[tuple[object, ...]] = set()
    if len({row.part for row in rows if isinstance(row, ScoresRow)}) > 1:
        raise ValueError("scores are of several parts")
    for row in rows:
        of = row.of if isinstance(row, ScoresRow) else None
        place = (row.kind, row.phase, row.epoch, of, isinstance(row, ScoresRow) and row.is_average)
        if place in seen or (of is not None and of not in names) or not 1 <= row.epoch <= ends[row.phase]:
            raise ValueError(place)
        if of_phase[row.revision] != row.phase:
            raise ValueError(place)
        seen.add(place)


def _drawn(build: Build, rows: list[MetricRow]) -> Curves:
    """The curves; ValueError where an epoch has not one loss for each member."""
    training = _training(build)
    before = _epochs_before(training, rows)
    members = [member.name for member in build.spec.members]
    best = build.spec.task.row.best
    scored, averaged = (
        [
            (row.of, before[row.phase] + row.epoch, _number(row.value(best)))
            for row in rows
            if isinstance(row, ScoresRow) and row.is_average is is_average
        ]
        for is_average in (False, True)
    )
    lost = [
        (name, before[row.phase] + row.epoch, _number(loss))
        for row in rows
        if isinstance(row, EpochRow)
        for name, loss in zip(members, row.losses, strict=True)
    ]
    part: ScoredPart = next((row.part for row in rows if isinstance(row, ScoresRow)), "")
    names = [*members, ENSEMBLE]
    averages = _by_name(averaged, names) if averaged else {}
    return Curves(_by_name(lost, members), _by_name(scored, names), _cuts(training, rows), part, averages)


def _number(value: float) -> float | None:
    """A number, or None for one that is not defined."""
    return None if isnan(value) else value


def recompiles_of(build: Build) -> tuple[Recompile, ...]:
    """What was measured so far; DiagnosticError where nothing was."""
    known = stages(_training(build)) if build.spec.training else ()
    found = tuple(
        recompile
        for revision in build.revisions
        if revision.feedback is not None and not isinstance(revision.feedback, GroupFeedback)
        for recompile in _recompiles(known[revision.number], revision.feedback, revision.graph)
    )
    if not found:
        raise DiagnosticError(NothingMeasured(place=str(build.folder), wanted="similarities"))
    return found


def _recompiles(stage: Stage, feedback: SimilarityFeedback, graph: Graph) -> Iterator[Recompile]:
    """One recompile; after a split by number one for each share block that has pairs."""
    action = stage.action
    if isinstance(action, SplitClusters | UntieCoefficients) and action.threshold is not None:
        yield Recompile(_title(stage), feedback, action.threshold)
        return
    if not isinstance(feedback, ClusterFeedback):
        return
    for cut in feedback.cuts:
        if cut.level is not None:
            block = f", share block {cut.share + 1}" if len(feedback.cuts) > 1 else ""
            yield Recompile(_title(stage) + block, _inside(feedback, graph, cut.share), cut.level, cut)


def _inside(feedback: ClusterFeedback, graph: Graph, share: int) -> ClusterFeedback:
    """The same of the layers of one share block."""
    layers = {name for cluster in graph.clusters if cluster.share == share for name in cluster.layers}
    pairs = tuple(pair for pair in feedback.similarities if pair.first in layers)
    silent = tuple(name for name in feedback.silent if name in layers)
    return evolve(feedback, similarities=pairs, silent=silent)


def _training(build: Build) -> Training:
    assert build.spec.training is not None, "what was trained has something to train"
    return build.spec.training


def _lengths(training: Training, rows: list[MetricRow]) -> dict[str, int]:
    """The epochs of each phase; of one that patience may end those that it was trained for."""

    def trained(phase: Phase) -> int:
        return max((row.epoch for row in rows if row.phase == phase.name), default=phase.epochs)

    return {p.name: p.epochs if p.patience is None else trained(p) for p in training.phases}


def _epochs_before(training: Training, rows: list[MetricRow]) -> dict[str, int]:
    ends = accumulate(_lengths(training, rows).values(), initial=0)
    return {phase.name: end for phase, end in zip(training.phases, ends, strict=False)}


def _by_name(entries: Iterable[tuple[str, int, float | None]], names: list[str]) -> dict[str, Points]:
    known = list(entries)
    return {name: tuple((epoch, value) for of, epoch, value in known if of == name) for name in names}


def _cuts(training: Training, rows: list[MetricRow]) -> tuple[tuple[int, str], ...]:
    before, lengths = _epochs_before(training, rows), _lengths(training, rows)
    ends = ((stage, stage.phase.name) for stage in stages(training)[:-1])
    return tuple((before[name] + min(stage.stop, lengths[name]), _done(stage.action)) for stage, name in ends)


def _done(action: Action | None) -> str:
    match action:
        case SplitClusters():
            return "split"
        case GroupLayers():
            return "group"
        case UntieCoefficients():
            return "untie"
        case PhaseAction(name):
            return name.partition("_")[0]
        case None:
            return "next phase"


def _title(stage: Stage) -> str:
    what = "Cluster" if isinstance(stage.action, SplitClusters) else "Coefficient"
    return f"{what} similarity after {several(stage.stop, 'epoch')} of {stage.phase.name}"
