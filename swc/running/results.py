"""What a run came to: scores on held-out images beside the budget.

Takes a run and its evaluation; gives plain data, a file and a table. Guarantees: a run with scaled epochs says so
everywhere.
"""

from __future__ import annotations

import json
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import asdict, frozen

from swc.compiler.ir.counts import Counts, count
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.formats import DamagedFile, ForeignFile
from swc.files.checksums import is_there, json_of, write_kept
from swc.folders.store import read_compiled, read_spec
from swc.program.spec import Spec
from swc.program.stages import stages
from swc.show.plain import table
from swc.show.wording import budget_text, decimal, exact, per_cent, scale_text, several

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from swc.running.run import Run
    from swc_runtime.evaluate.metrics import Evaluation, Scores

RESULTS = "results.json"
SCORES = ("top1", "nll", "ece", "num_images")
COUNTS = ("template_scalars", "coefficient_scalars", "tensor_scalars", "private_scalars")


@frozen
class Results:
    """Scores of each member and the ensemble, and what the last revision stores."""

    ensemble: str
    data: str
    budget: str
    epochs_scale: float
    members: tuple[tuple[str, Scores], ...]
    together: Scores
    counts: Counts


def results_of(run: Run, found: Evaluation) -> Results:
    """Put the scores beside the counts of the last revision."""
    last = read_compiled(run.folder, len(stages(run.training)) - 1)
    stated = budget_text(run.spec.budget)
    named = tuple(zip(run.members, found.members, strict=True))
    scale = run.training.epochs_scale
    return Results(run.spec.name, run.spec.data.name, stated, scale, named, found.ensemble, count(last.graph))


def write_results(folder: Path, results: Results) -> None:
    """Write `results.json` into the run's folder."""
    plain: dict[str, Any] = asdict(results) | {"schema": 1}
    plain["members"] = [{"name": name, **asdict(scores)} for name, scores in results.members]
    write_kept(folder / RESULTS, json.dumps(plain, indent=1, sort_keys=True) + "\n")


def read_results(folder: Path) -> dict[str, Any] | None:
    """What `results.json` of a run holds; None where the run has not come to its end.

    DiagnosticError where the file is damaged, or is not of the spec beside it.
    """
    path = folder / RESULTS
    if not is_there(path):
        return None
    found = json_of(path)
    if not _is_whole(found):
        raise DiagnosticError(DamagedFile(origin=str(path), detail="it holds no results of a run"))
    misfit = _misfit(found, read_spec(folder)[0])
    if misfit is not None:
        raise DiagnosticError(ForeignFile(path=str(path), detail=f"its {misfit} are not those of the spec"))
    return dict(found)


def _is_whole(found: Any) -> bool:
    """Whether everything is there that is read of it: scores by name, and counts."""
    try:
        scored = [*found["members"], found["together"]]
        numbers = [found["epochs_scale"], *(one[name] for one in scored for name in SCORES)]
        counts = [found["counts"][name] for name in COUNTS]
        names = [found["ensemble"], found["data"], *(one["name"] for one in found["members"])]
    except (LookupError, TypeError):
        return False
    are_numbers = all(isinstance(number, int | float) and isfinite(number) for number in numbers if number is not None)
    return are_numbers and all(type(n) is int and n >= 0 for n in counts) and all(isinstance(n, str) for n in names)


def _misfit(found: dict[str, Any], spec: Spec) -> str | None:
    """What of results is not of a spec."""
    if [one["name"] for one in found["members"]] != [member.name for member in spec.members]:
        return "members"
    if (found["ensemble"], found["data"]) != (spec.name, spec.data.name):
        return "ensemble or data"
    return "epochs" if spec.training and found["epochs_scale"] != spec.training.epochs_scale else None


def results_shown(results: Results) -> RenderableType:
    """One row for each member and one for the ensemble; the budget below."""
    from rich.console import Group
    from rich.text import Text

    images = several(results.together.num_images, "held-out image")
    title = f"{results.ensemble} on {results.data}, {images}{scale_text(results.epochs_scale)}"
    counts = results.counts
    budget = (
        f"budget {results.budget}: {exact(counts.template_scalars)} scalars in templates, "
        f"{exact(counts.parameter_scalars)} parameters in all"
    )
    unshared = f"the shared layers alone would own {exact(counts.native_scalars)} unshared"
    return Group(Text(title, style="bold"), Text(), _scores_table(results), Text(), Text(budget), Text(unshared))


def _scores_table(results: Results) -> Table:
    made = table("", ">top-1", ">NLL", ">ECE")
    for name, scores in (*results.members, ("ensemble", results.together)):
        style = "bold" if scores is results.together else ""
        made.add_row(name, per_cent(scores.top1), decimal(scores.nll), per_cent(scores.ece), style=style)
    return made
