"""The spec that a cell of a sweep trains, and the hash that a row of it is known by.

Takes a `Sweep` and a setting; gives a checked spec. Guarantees: no network is built; what changes after training (how
weights are stored) changes no hash.
"""

from __future__ import annotations

from attrs import evolve

from swc.diagnostics import Diagnostic, DiagnosticError
from swc.diagnostics.catalogue.tasks import ForAnotherTask
from swc.diagnostics.catalogue.training import NothingToTrain
from swc.files.fingerprint import fingerprint_of
from swc.language.semantics.check import check_file
from swc.program.spec import Spec
from swc.program.stages import scale_epochs
from swc.registry.tasks import TASKS
from swc.sweep.plan import Cell, Setting, Sweep

Specs = dict[Setting, Spec]  # of what is trained, by setting without storage


def checked_spec(sweep: Sweep, setting: Setting) -> Spec | tuple[Diagnostic, ...]:
    """The spec of a setting, or what is wrong with it."""
    path, params, ensemble = sweep.spec_of(setting)
    try:
        found = check_file(path, ensemble, params)
    except DiagnosticError as error:
        return error.diagnostics
    if found.training is None:
        return (NothingToTrain(ensemble=found.name, span=found.span),)
    return found if found.task.name in TASKS.names else (_of_plug_in(found),)


def _of_plug_in(spec: Spec) -> Diagnostic:
    """Tables of sweeps have columns for the scores of our own tasks, so that every version reads every table."""
    way = "train each seed by itself, and put the runs beside each other with `swc compare`"
    return ForAnotherTask(what="`swc sweep`", of=" or ".join(TASKS.names), task=spec.task.name, way=way, span=spec.span)


def checked_specs(sweep: Sweep) -> Specs:
    """The specs of all settings that can be run."""
    checked = {setting: checked_spec(sweep, setting) for setting in sweep.trained.settings}
    return {setting: found for setting, found in checked.items() if isinstance(found, Spec)}


def example_of_sweep(sweep: Sweep) -> str:
    """What one of the images is called that runs are scored on, of specs of several kinds `example`.

    One setting of each ensemble is looked at; one whose spec has errors says nothing.
    """
    each = {sweep.spec_of(setting)[::2]: setting for setting in sweep.trained.settings}
    specs = [found for found in (checked_spec(sweep, one) for one in each.values()) if isinstance(found, Spec)]
    return next((spec.data.example for spec in specs if not spec.data.are_images), "image")


def scaled(spec: Spec, scale: float) -> Spec:
    """The spec as a run with scaled epochs keeps it."""
    if spec.training is None or scale == 1.0:
        return spec
    return evolve(spec, training=scale_epochs(spec.training, scale))


def cell_hash(spec: Spec, seed: int, scale: float) -> str:
    """The fingerprint of what a cell trains, by which rows of a table are known."""
    return fingerprint_of(scaled(spec.seeded(seed), scale))


def hashes_of(sweep: Sweep, specs: Specs) -> dict[Cell, str]:
    """The hash of every cell whose setting can be run; cells that differ in storage have the same."""
    runs = sweep.runs
    known = {run: cell_hash(specs[run.setting], run.seed, sweep.epochs_scale) for run in runs if run.setting in specs}
    return {cell: known[run] for run, cells in runs.items() if run in known for cell in cells}
