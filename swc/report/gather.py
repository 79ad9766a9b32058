"""Everything that the page shows, in one frozen structure and as JSON.

Takes builds; gives `Report`. Guarantees: the same folders give the same bytes; no folder's whole path is in them;
what was not measured yet is None, and never an error.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from attrs import asdict, frozen

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.show import NothingMeasured
from swc.files.codec import finite_json
from swc.folders.store import Build
from swc.program.spec import Spec
from swc.program.stages import stages
from swc.registry.tasks import ScoreRow
from swc.report.curves import loss_text
from swc.report.measurements import Curves, curves_of, recompiles_of
from swc.report.names import run_names
from swc.report.pairs import PairFacts, pairs_of
from swc.report.provenance import Provenance, repeat_of
from swc.report.scores import ScoredRun, scored_of
from swc.report.sharing import LayerFacts, RevisionFacts, layers_of, revisions_of
from swc.show.text import action_text
from swc.show.wording import budget_text, scale_text


@frozen
class StageFacts:
    """A stage of training: its revision, its epochs, and what ends it."""

    revision: int
    label: str
    epochs: int
    then: str


@frozen
class ScoreTitle:
    """A score as tables and axes have it; `label` has its unit, in which a value times `factor` is."""

    name: str
    title: str
    label: str
    factor: float
    rises: bool

    @staticmethod
    def of(row: ScoreRow) -> ScoreTitle:
        """That of a row."""
        return ScoreTitle(row.name, row.title, row.label, row.factor, row.rises)


@frozen
class TaskFacts:
    """What the ensemble says of an example, and how that is scored and drawn (`swc.registry.tasks`).

    `example` is what an input is called, `loss` what was trained with.
    """

    name: str
    has_classes: bool
    has_images: bool
    best: ScoreTitle
    tabled: tuple[ScoreTitle, ...]
    drawn: tuple[ScoreTitle, ...]
    diversity: str
    figure: str
    example: str
    loss: str


@frozen
class RunFacts:
    """One run: what was compiled, what was trained, what was measured."""

    name: str
    task: TaskFacts
    ensemble: str
    data: str
    budget: str
    scale: str
    members: tuple[tuple[str, str], ...]  # name, and how it is made
    stages: tuple[StageFacts, ...]
    layers: tuple[LayerFacts, ...]
    revisions: tuple[RevisionFacts, ...]
    curves: Curves | None
    pairs: tuple[PairFacts, ...]
    scored: ScoredRun | None
    repeat: Provenance


@frozen
class Report:
    """All runs of a page, in the order in which they were named."""

    runs: tuple[RunFacts, ...]


def report_of(builds: Sequence[Build]) -> Report:
    """Gather what the page shows; DiagnosticError where a file is damaged."""
    return Report(tuple(_run(build, name) for build, name in zip(builds, run_names(builds), strict=True)))


def as_json(report: Report) -> str:
    """The report in one line; what is not finite is null."""
    return json.dumps(finite_json(asdict(report)), separators=(",", ":"), allow_nan=False)


def _run(build: Build, name: str) -> RunFacts:
    spec = build.spec
    names = tuple(member.name for member in spec.members)
    layers = layers_of(build.revisions, names)
    scored = scored_of(build.folder)
    return RunFacts(
        name=name,
        task=_task(spec),
        ensemble=spec.name,
        data=spec.data.title,
        budget=budget_text(spec.budget),
        scale=scale_text(spec.training.epochs_scale) if spec.training else "",
        members=tuple((member.name, str(member.source)) for member in spec.members),
        stages=_stages(build),
        layers=layers,
        revisions=revisions_of(build.revisions, layers, spec),
        curves=_curves(build),
        pairs=_pairs(build),
        scored=scored,
        repeat=repeat_of(build, scored),
    )


def _task(spec: Spec) -> TaskFacts:
    row = spec.task.row
    return TaskFacts(
        name=row.name,
        has_classes=spec.task.is_classification,
        has_images=spec.data.are_images,
        best=ScoreTitle.of(row.chosen),
        tabled=tuple(map(ScoreTitle.of, row.tabled)),
        drawn=tuple(map(ScoreTitle.of, row.against_cost)),
        diversity=row.diversity,
        figure=row.figure,
        example=spec.data.example,
        loss=loss_text(spec.training.recipe.loss) if spec.training else "",
    )


def _stages(build: Build) -> tuple[StageFacts, ...]:
    if build.spec.training is None:
        return ()
    return tuple(
        StageFacts(
            stage.revision, stage.label, stage.stop - stage.start, action_text(stage.action) if stage.action else ""
        )
        for stage in stages(build.spec.training)
    )


def _curves(build: Build) -> Curves | None:
    try:
        return curves_of(build)
    except DiagnosticError as error:
        _check_none_yet(error)
        return None


def _pairs(build: Build) -> tuple[PairFacts, ...]:
    try:
        return tuple(pairs_of(recompile) for recompile in recompiles_of(build))
    except DiagnosticError as error:
        _check_none_yet(error)
        return ()


def _check_none_yet(error: DiagnosticError) -> None:
    """Raise the error again, unless all it says is that nothing was measured yet."""
    if not all(isinstance(diagnostic, NothingMeasured) for diagnostic in error.diagnostics):
        raise error
