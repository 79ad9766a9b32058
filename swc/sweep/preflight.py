"""What is seen before a sweep writes anything: mistakes that concern all of it, and runs and rows of another sweep.

Takes a `Sweep` and its folder. Guarantees: nothing is written, no network is built; a value that one setting alone
cannot have is left to that setting's runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from attrs import evolve

from swc.diagnostics import Diagnostic, DiagnosticError
from swc.diagnostics.catalogue import (
    MalformedSetting,
    NoEnsemble,
    SeveralEnsembles,
    UnknownEnsemble,
    UnknownSetting,
    WrongSetting,
)
from swc.diagnostics.catalogue.comparing import DifferentTasks
from swc.diagnostics.catalogue.files import FileMissing, FileUnreadable
from swc.diagnostics.catalogue.sweeps import SweepOfAnotherScale, SweepOfAnotherSpec
from swc.diagnostics.catalogue.training import NothingToTrain
from swc.folders.store import RUN, is_same, read_spec
from swc.language.semantics.settings import SETTING
from swc.program.spec import Spec
from swc.sweep.cell_specs import Specs, checked_spec, scaled
from swc.sweep.known_rows import check_rows
from swc.sweep.plan import Sweep

# mistakes in what was asked for, which no run of it survives
FOR_ALL = (
    FileMissing,
    FileUnreadable,
    UnknownEnsemble,
    NoEnsemble,
    SeveralEnsembles,
    UnknownSetting,
    WrongSetting,
    MalformedSetting,
    NothingToTrain,
)


def check_beginning(sweep: Sweep, folder: Path, varied_by: str = "--vary") -> None:
    """DiagnosticError where the sweep must not begin in this folder; `varied_by` is how its values were given."""
    checked = {setting: checked_spec(sweep, setting) for setting in sweep.trained.settings}
    _check_names(list(checked.values()), varied_by)
    specs = {setting: found for setting, found in checked.items() if isinstance(found, Spec)}
    if len(tasks := tuple(dict.fromkeys(spec.task.name for spec in specs.values()))) > 1:
        raise DiagnosticError(DifferentTasks(tasks=tasks))
    check_rows(sweep, specs)
    _check_runs(sweep, folder, specs)


def _check_names(checked: Sequence[Spec | tuple[Diagnostic, ...]], varied_by: str) -> None:
    """DiagnosticError for mistakes in names and kinds, each once; where no setting can run, for those of the first."""
    wrong = [found for found in checked if not isinstance(found, Spec)]
    told: list[Diagnostic] = [one for found in wrong for one in found if isinstance(one, FOR_ALL)]
    if wrong and not told and len(wrong) == len(checked):
        told = list(wrong[0])
    if told:
        raise DiagnosticError(*dict.fromkeys(_placed(one, varied_by) for one in told))


def _placed(diagnostic: Diagnostic, varied_by: str) -> Diagnostic:
    """A mistake in a value, at the place where a sweep has it."""
    span = diagnostic.span
    if span is None or not span.file.startswith(SETTING):
        return diagnostic
    return evolve(diagnostic, span=evolve(span, file=f"{varied_by} {span.file.removeprefix(SETTING)}"))


def _check_runs(sweep: Sweep, folder: Path, specs: Specs) -> None:
    """DiagnosticError where a run in the folder was begun with another scale, or another spec."""
    for cell in sweep.trained.cells:
        begun = _begun(folder / cell.name / RUN)
        if begun is None or begun.training is None or cell.setting not in specs:
            continue
        wanted = scaled(specs[cell.setting].seeded(cell.seed), sweep.epochs_scale)
        was = begun.training.epochs_scale
        if wanted.training is not None and was != wanted.training.epochs_scale:
            raise DiagnosticError(SweepOfAnotherScale(folder=str(folder), was=was, now=sweep.epochs_scale))
        if not is_same(begun, evolve(wanted, data=wanted.data.told_by(begun.data))):
            raise DiagnosticError(SweepOfAnotherSpec(folder=str(folder), cell=cell.name))


def _begun(run: Path) -> Spec | None:
    """The spec a run was begun with; None where there is none that can be read."""
    if not (run / "spec.json").is_file():
        return None
    try:
        return read_spec(run)[0]
    except DiagnosticError:
        return None  # the cell tells it
