"""What a run came to: scores on the test images, and on those settings are chosen with, beside the budget.

Takes a run and its evaluation; gives plain data, a file and a table. Guarantees: a run with scaled epochs says so
everywhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from attrs import asdict

from swc.compiler.ir.counts import count
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.formats import ForeignFile
from swc.files.checksums import is_there
from swc.files.disk import load, save
from swc.files.kinds import FILE_KINDS
from swc.files.run import AverageScores, MemberScores, RunResults, StoredCounts, ValidationScores
from swc.folders.store import read_compiled, read_spec
from swc.program.spec import Spec
from swc.program.stages import stages
from swc.registry.tasks import TASKS
from swc.show.plain import table
from swc.show.wording import budget_text, exact, images_of, scale_text, score_text

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from swc.running.run import Run
    from swc_runtime.evaluate.metrics import EnsembleScores, FinalScores

RESULTS = "results.json"


def results_of(run: Run, found: FinalScores) -> RunResults:
    """Put the scores beside the counts of the last revision."""
    last = read_compiled(run.folder, len(stages(run.training)) - 1)
    stated = budget_text(run.spec.budget)
    counts = StoredCounts(**asdict(count(last.graph)))
    scale = run.training.epochs_scale
    named, together = _by_member(run, found.test), found.test.ensemble
    title, best, average, task = run.spec.data.title, found.best, _average_of(run, found.average), run.spec.task.name
    return RunResults(
        run.spec.name, title, scale, named, together, counts, stated, _validation_of(run, found), best, average, task
    )


def _validation_of(run: Run, found: FinalScores) -> ValidationScores | None:
    if found.validation is None:
        return None
    return ValidationScores(_by_member(run, found.validation), found.validation.ensemble)


def _average_of(run: Run, found: FinalScores | None) -> AverageScores | None:
    if found is None:
        return None
    return AverageScores(_by_member(run, found.test), found.test.ensemble, _validation_of(run, found))


def _by_member(run: Run, found: EnsembleScores) -> tuple[MemberScores, ...]:
    return tuple(MemberScores(name=name, **asdict(s)) for name, s in zip(run.members, found.members, strict=True))


def write_results(folder: Path, results: RunResults) -> None:
    """Write `results.json` into the run's folder."""
    save(FILE_KINDS["results"], folder / RESULTS, results)


def read_results(folder: Path) -> RunResults | None:
    """What `results.json` of a run holds; None where the run has not come to its end.

    DiagnosticError where the file is damaged, or is not of the spec beside it.
    """
    path = folder / RESULTS
    if not is_there(path):
        return None
    found: RunResults = load(FILE_KINDS["results"], path)
    misfit = _misfit(found, read_spec(folder)[0])
    if misfit is not None:
        raise DiagnosticError(ForeignFile(path=str(path), detail=f"its {misfit} are not those of the spec"))
    return found


def _misfit(found: RunResults, spec: Spec) -> str | None:
    """What of results is not of a spec."""
    names = [member.name for member in spec.members]
    average = found.average
    parts = [found.members] + [part.members for part in (found.validation, average) if part is not None]
    parts += [average.validation.members] if average is not None and average.validation is not None else []
    if any([one.name for one in part] != names for part in parts):
        return "members"
    if (found.ensemble, found.data) != (spec.name, spec.data.title):
        return "ensemble or data"
    return "epochs" if spec.training and found.epochs_scale != spec.training.epochs_scale else None


def results_shown(results: RunResults, example: str = "image") -> RenderableType:
    """One row for each member and one for the ensemble, on the test images; what was chosen with; the budget below.

    `example` is what one of the images is called (`DataFacts.example`).
    """
    from rich.console import Group
    from rich.text import Text

    images = images_of(results.together.num_images, results.part, example)
    if results.validation is not None:
        images += f" (last row: {images_of(results.validation.together.num_images, 'validation', example)})"
    title = f"{results.ensemble} on {results.data}, {images}{scale_text(results.epochs_scale)}"
    counts = results.counts
    budget = (
        f"budget {results.budget}: {exact(counts.template_scalars)} scalars in templates, "
        f"{exact(counts.stored)} parameters in all"
    )
    unshared = f"the shared layers alone would own {exact(counts.native_scalars or 0)} unshared"
    lines = [Text(budget), Text(unshared)]
    if results.best is not None:
        lines.append(
            Text(f"the state after epoch {results.best.epoch} of {results.best.trained}, the best on validation")
        )
    return Group(Text(title, style="bold"), Text(), _scores_table(results), Text(), *lines)


def _scores_table(results: RunResults) -> Table:
    columns = TASKS[results.task].tabled
    made = table("", *(f">{one.title}" for one in columns))
    validation = (("ensemble, validation", results.validation.together),) if results.validation is not None else ()
    average = (("ensemble, average", results.average.together),) if results.average is not None else ()
    rows = (*((one.name, one) for one in results.members), ("ensemble", results.together), *average, *validation)
    for name, scores in rows:
        style = "bold" if scores is results.together else ""
        made.add_row(name, *(score_text(one, scores.value(one.name)) for one in columns), style=style)
    return made
