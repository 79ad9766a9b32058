"""A run: its folder, its training, and the machine it computes on.

Takes a build and what the command line says; gives `Run`. Guarantees: a run folder belongs to one spec with one
scaling of its epochs, for good; a run of another one is refused, never overwritten.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from swc.compiler.driver import compile_spec
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.training import (
    NotARun,
    NothingToTrain,
    RunOfAnotherSpec,
    ScaledAlready,
    SurroundingsChanged,
)
from swc.files.checksums import CHECKSUMS, write_kept
from swc.folders.classes import check_classes, write_classes
from swc.folders.store import (
    MACHINE,
    ORIGIN,
    RUN,
    Build,
    checkpoint_path,
    held,
    is_same,
    read_machine,
    read_origin,
    read_spec,
    spec_hash_of,
    write_origin,
    write_spec,
)
from swc.program.layer_table import LayerTable
from swc.program.spec import Spec
from swc.program.stages import scale_epochs
from swc.program.training import Recipe, Training
from swc.running.machine import Machine, settle_machine
from swc.running.options import Options

if TYPE_CHECKING:
    from swc.diagnostics import Sink
    from swc_runtime.data import Dataset
    from swc_runtime.records.progress import Progress

UNBEGUN = frozenset({"lock", "tables.json", ORIGIN, CHECKSUMS})  # what a run leaves that had not begun


@frozen(eq=False)
class Run:
    """Everything about a run that stays as it is while it goes on."""

    folder: Path
    spec: Spec
    spec_hash: str
    training: Training
    dataset: Dataset
    machine: Machine
    progress: Progress
    options: Options

    @property
    def recipe(self) -> Recipe:
        """The recipe of all phases."""
        return self.training.recipe

    @property
    def checkpoint(self) -> Path:
        """Where the run can be taken up."""
        return checkpoint_path(self.folder)

    @property
    def members(self) -> tuple[str, ...]:
        """The names of the members, in order."""
        return tuple(member.name for member in self.spec.members)


def scaled(spec: Spec, factor: float) -> Spec:
    """The spec with its epochs scaled; DiagnosticError where it has nothing to train."""
    if spec.training is None:
        raise DiagnosticError(NothingToTrain(ensemble=spec.name, span=spec.span))
    return spec if factor == 1.0 else evolve(spec, training=scale_epochs(spec.training, factor))


def _wanted(build: Build, scale: float | None) -> Spec:
    """The spec that is to be trained; that of a run which was named itself is scaled already."""
    if not build.is_run or build.spec.training is None:
        return scaled(build.spec, 1.0 if scale is None else scale)
    was = build.spec.training.epochs_scale
    if scale not in (None, was):
        assert scale is not None
        raise DiagnosticError(ScaledAlready(folder=str(build.folder), was=was, now=scale))
    return build.spec


def open_run(build: Build, options: Options, sink: Sink, announce: Callable[[str], None]) -> Run:
    """Open the run of a build, or begin one, without progress for anybody.

    `announce` is told what people should know at once, such as a download. DiagnosticError where the folder holds the
    run of another spec, or data or device are missing.
    """
    from swc_runtime.data import look_at, open_data
    from swc_runtime.data.shares import check_last
    from swc_runtime.records.progress import Silent

    spec = _wanted(build, options.epochs_scale)
    assert spec.training is not None
    folder = run_folder(build, options)
    if not options.fresh:
        _begun(folder, spec, build.tables)
    before = None if options.fresh else read_machine(folder)
    machine = settle_machine(spec, options, lambda: compile_spec(spec, build.tables).program, before)
    announce(f"training on {machine}")
    with machine.ranks.first_ahead():
        found = open_data(spec.data, options.data, options.offline, announce)
        if machine.ranks.is_first:
            look_at(found)
        dataset = found.to(machine.device)
        check_last(machine.deal, spec.training.recipe, len(dataset.train))
        if not options.fresh:
            check_classes(folder, dataset)
        if machine.ranks.is_first:
            dataset.report(sink)
            _prepare(folder, spec, build, options, machine.facts() | {"data": dataset.digest()}, sink, announce)
            write_classes(folder, dataset)
    return Run(folder, spec, spec_hash_of(folder), spec.training, dataset, machine, Silent(), options)


def _prepare(
    folder: Path,
    spec: Spec,
    build: Build,
    options: Options,
    facts: dict[str, str],
    sink: Sink,
    announce: Callable[[str], None],
) -> None:
    """Make the folder of the run; only now, so that what cannot begin changes nothing."""
    if options.fresh and (aside := set_aside(folder)):
        announce(f"the run before was set aside as {aside}")
    with held(folder):
        if not _begun(folder, spec, build.tables):
            write_origin(folder, read_origin(build.folder))
            write_spec(folder, compile_spec(spec, build.tables))
        _compare_surroundings(folder, facts, sink)


def run_folder(build: Build, options: Options) -> Path:
    """Where the run of a build lies; a run that was named itself is its own place."""
    return options.run or (build.folder if build.is_run else build.folder / RUN)


def _begun(folder: Path, spec: Spec, tables: tuple[LayerTable, ...]) -> bool:
    """Whether the folder holds a run of this spec; DiagnosticError where it holds anything else."""
    _require_run(folder)
    if not (folder / "spec.json").is_file():
        return False
    found, layers = read_spec(folder)
    if not is_same(found, spec):
        raise DiagnosticError(_another_spec(folder, found, spec))
    if layers != tables:
        raise DiagnosticError(RunOfAnotherSpec(folder=str(folder), differs=("the layers of the members",)))
    return True


def _require_run(folder: Path) -> None:
    """DiagnosticError for a folder with files in it that is no run's."""
    if not folder.exists():
        return
    files = {path.name for path in folder.iterdir()} if folder.is_dir() else {folder.name}
    is_run = "spec.json" in files and "program.json" not in files
    is_new = all(name in UNBEGUN or name.endswith(".partial") for name in files)
    if not (is_run or is_new):
        raise DiagnosticError(NotARun(folder=str(folder)))


def _another_spec(folder: Path, old: Spec, new: Spec) -> RunOfAnotherSpec:
    assert old.training is not None, "a run has something to train"
    assert new.training is not None, "a run has something to train"
    names = ("data", "members", "budget", "shares", "training", "params", "step")
    differs = tuple(name for name in names if getattr(old, name) != getattr(new, name))
    was, now = old.training.epochs_scale, new.training.epochs_scale
    if was == now or differs != ("training",):
        return RunOfAnotherSpec(folder=str(folder), differs=differs)
    scales = (f"epochs scaled by {was:g}, now by {now:g}",)
    return RunOfAnotherSpec(folder=str(folder), differs=scales, scale=was)


def _compare_surroundings(folder: Path, facts: dict[str, str], sink: Sink) -> None:
    before = read_machine(folder)
    if before is not None:
        changed = tuple(f"{k}: {before[k]} -> {facts[k]}" for k in sorted(facts) if before.get(k, facts[k]) != facts[k])
        if changed:
            sink.report(SurroundingsChanged(changes=changed))
        if before == facts:
            return
    write_kept(folder / MACHINE, json.dumps(facts, indent=1, sort_keys=True) + "\n")


def set_aside(folder: Path) -> Path | None:
    """Move a run folder out of the way, to the first free `NAME.1`, `NAME.2`, ...; None where there is none.

    DiagnosticError where another process trains it.
    """
    folder = folder.resolve()
    if not folder.exists():
        return None
    _require_run(folder)
    number = 1
    while (aside := folder.with_name(f"{folder.name}.{number}")).exists():
        number += 1
    with held(folder):  # never from under another process
        folder.rename(aside)
    return aside
