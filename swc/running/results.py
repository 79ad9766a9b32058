"""What a run came to: scores on held-out images beside the budget.

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
from swc.files.run import MemberScores, RunResults, StoredCounts
from swc.folders.store import read_compiled, read_spec
from swc.program.spec import Spec
from swc.program.stages import stages
from swc.show.plain import table
from swc.show.wording import budget_text, decimal, exact, per_cent, scale_text, several

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from swc.running.run import Run
    from swc_runtime.evaluate.metrics import EnsembleScores

RESULTS = "results.json"


def results_of(run: Run, found: EnsembleScores) -> RunResults:
    """Put the scores beside the counts of the last revision."""
    last = read_compiled(run.folder, len(stages(run.training)) - 1)
    stated = budget_text(run.spec.budget)
    named = tuple(MemberScores(name=name, **asdict(s)) for name, s in zip(run.members, found.members, strict=True))
    counts = StoredCounts(**asdict(count(last.graph)))
    scale = run.training.epochs_scale
    return RunResults(run.spec.name, run.spec.data.title, scale, named, found.ensemble, counts, stated)


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
    if [one.name for one in found.members] != [member.name for member in spec.members]:
        return "members"
    if (found.ensemble, found.data) != (spec.name, spec.data.title):
        return "ensemble or data"
    return "epochs" if spec.training and found.epochs_scale != spec.training.epochs_scale else None


def results_shown(results: RunResults) -> RenderableType:
    """One row for each member and one for the ensemble; the budget below."""
    from rich.console import Group
    from rich.text import Text

    images = several(results.together.num_images, "held-out image")
    title = f"{results.ensemble} on {results.data}, {images}{scale_text(results.epochs_scale)}"
    counts = results.counts
    budget = (
        f"budget {results.budget}: {exact(counts.template_scalars)} scalars in templates, "
        f"{exact(counts.stored)} parameters in all"
    )
    unshared = f"the shared layers alone would own {exact(counts.native_scalars or 0)} unshared"
    return Group(Text(title, style="bold"), Text(), _scores_table(results), Text(), Text(budget), Text(unshared))


def _scores_table(results: RunResults) -> Table:
    made = table("", ">top-1", ">NLL", ">ECE")
    for name, scores in (*((one.name, one) for one in results.members), ("ensemble", results.together)):
        style = "bold" if scores is results.together else ""
        made.add_row(name, per_cent(scores.top1), decimal(scores.nll), per_cent(scores.ece), style=style)
    return made
