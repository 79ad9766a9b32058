"""The folder of a run: whose it is, and how it is made, or set aside.

Takes a folder and the spec that is to be trained in it; gives nothing, or raises. Guarantees: what cannot begin changes
nothing; no file of anything else is overwritten.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve

from swc.compiler.driver import compile_spec
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.training import (
    DataChanged,
    NotARun,
    RunCodeChanged,
    RunOfAnotherSpec,
    SurroundingsChanged,
)
from swc.diagnostics.numbers import in_full
from swc.files.checksums import CHECKSUMS
from swc.files.run import MODULE
from swc.folders.lock import held
from swc.folders.store import (
    ORIGIN,
    Build,
    checkpoint_path,
    is_same,
    read_machine,
    read_origin,
    read_spec,
    write_machine,
    write_origin,
    write_spec,
)
from swc.program.layer_table import LayerTable, are_same_members
from swc.program.plug_ins import report_other_plug_ins
from swc.program.spec import Spec
from swc.running.options import Options
from swc.running.own_code import changed_code
from swc_runtime.records.checkpoint import newest_checkpoint

if TYPE_CHECKING:
    from swc.diagnostics import Sink

UNBEGUN = frozenset({"lock", "tables.json", ORIGIN, CHECKSUMS})  # what a run leaves that had not begun


def prepare(
    folder: Path,
    spec: Spec,
    build: Build,
    options: Options,
    facts: dict[str, str],
    sink: Sink,
    announce: Callable[[str], None],
) -> None:
    """Make the folder of the run; only now, so that what cannot begin changes nothing."""
    origin = read_origin(build.folder)  # of the run itself, where its own folder was named
    if options.fresh and (aside := set_aside(folder)):
        announce(f"the run before was set aside as {aside}")
    with held(folder):
        if not has_begun(folder, spec, build.tables):
            write_origin(folder, origin)
            write_spec(folder, compile_spec(spec, build.tables))
        report_other_plug_ins(read_spec(folder)[0].plug_ins, sink)
        _compare_surroundings(folder, spec.data.title, facts, sink)


def has_begun(folder: Path, spec: Spec, tables: tuple[LayerTable, ...]) -> bool:
    """Whether the folder holds a run of this spec; DiagnosticError where it holds anything else."""
    _require_run(folder)
    if not (folder / "spec.json").is_file():
        return False
    found, layers = read_spec(folder)
    if not is_same(found, spec):
        raise DiagnosticError(_another_spec(folder, found, spec))
    if not are_same_members(layers, tables):
        raise DiagnosticError(RunOfAnotherSpec(folder=str(folder), differs=("the layers of the members",)))
    return True


def _require_run(folder: Path) -> None:
    """DiagnosticError for a folder with files in it that is not a run's."""
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
        told = tuple(words for name in differs for words in (_starts(old, new) if name == "shares" else (name,)))
        return RunOfAnotherSpec(folder=str(folder), differs=told)
    scales = (f"epochs scaled by {in_full(was)}, now by {in_full(now)}",)
    return RunOfAnotherSpec(folder=str(folder), differs=scales, scale=was)


def _starts(old: Spec, new: Spec) -> tuple[str, ...]:
    """How the share blocks differ: by their start values, whose default has changed once, or in something else."""
    if len(old.shares) != len(new.shares):
        return ("shares",)
    pairs = tuple(zip(old.shares, new.shares, strict=True))
    if any(evolve(was, initialisation=now.initialisation) != now for was, now in pairs):
        return ("shares",)
    starts = ((was.initialisation, now.initialisation) for was, now in pairs)
    return tuple(f"`initialisation {was}`, now `{now}`" for was, now in dict.fromkeys(starts) if was != now)


def _compare_surroundings(folder: Path, data: str, facts: dict[str, str], sink: Sink) -> None:
    before = read_machine(folder)
    has_trained = newest_checkpoint(checkpoint_path(folder)) is not None
    if before is not None and has_trained:  # what failed before its first batch has nothing that could be mixed
        _tell_changes(data, before, facts, sink)
    if before != facts:
        write_machine(folder, facts)


def _tell_changes(data: str, before: dict[str, str], facts: dict[str, str], sink: Sink) -> None:
    differ = [name for name in sorted(facts) if before.get(name, facts[name]) != facts[name]]
    around = (name for name in differ if name != "data" and not name.startswith(MODULE))
    changed = tuple(f"{name}: {before[name]} -> {facts[name]}" for name in around)
    if "data" in differ:
        sink.report(DataChanged(name=data, was=before["data"], now=facts["data"]))
    if changed:
        sink.report(SurroundingsChanged(changes=changed))
    if code := changed_code(before, facts):
        sink.report(RunCodeChanged(changes=code))


def set_aside(folder: Path) -> Path | None:
    """Move a run folder out of the way, to the first free `NAME.1`, `NAME.2`, ...; None where there is none.

    DiagnosticError where another process trains it.
    """
    folder = folder.resolve()
    if not folder.exists():
        return None
    _require_run(folder)
    aside = _free_name(folder)
    with held(folder):  # never from under another process
        folder.rename(aside)
    return aside


def set_file_aside(path: Path) -> Path:
    """Give a file of a run, where it is there, the first free name of `NAME.1`, `NAME.2`, ...; gives that name."""
    aside = _free_name(path)
    if path.exists():
        path.rename(aside)
    return aside


def _free_name(path: Path) -> Path:
    names = (path.with_name(f"{path.name}.{number}") for number in count(1))
    return next(name for name in names if not name.exists())
