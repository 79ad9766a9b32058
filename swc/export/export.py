"""From a run to files of its members.

Takes a build, the members and a format; writes a folder. Guarantees: every file was read back and gave the members'
outputs; where one did not, or anything else went wrong, nothing is written.
"""

from __future__ import annotations

from collections.abc import Collection
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.exporting import NoSuchMember, PackagesMissing
from swc.diagnostics.catalogue.files import OutputUnwritable
from swc.diagnostics.suggest import closest
from swc.export.card import card
from swc.export.column_files import write_columns
from swc.export.job import Job
from swc.export.staged import staged
from swc.folders.classes import names_of
from swc.folders.preparation import ARRAYS, copy_preparation, read_preparation
from swc.folders.store import write_whole
from swc.folders.target_scale import scale_of_run
from swc.registry.exporters import EXPORTERS
from swc.running.checkpoints import open_trained
from swc.trust.foreign import foreign_code

if TYPE_CHECKING:
    from swc.diagnostics import Sink
    from swc.folders.store import Build
    from swc.registry.exporters import ExporterRow


@frozen
class Exported:
    """The folder, its files in order, the largest relative difference that was seen; whether classes have names."""

    folder: Path
    files: tuple[str, ...]
    difference: float
    has_classes: bool


def export_build(
    build: Build, form: str, wanted: tuple[str, ...], folder: Path, sink: Sink, *, average: bool = False
) -> Exported:
    """Write members of a run (none named: all) and what loads them; DiagnosticError where that cannot be done.

    Their weights are the last ones, or (`average`) the average that the run has kept.
    """
    spec = build.spec
    chosen = _chosen(build, wanted)
    saved = open_trained(build, sink)
    saved = saved.averaged(str(build.folder)) if average else saved
    assert spec.training is not None, "what was trained has a training"
    row = EXPORTERS[form]
    _check_packages(row)
    with staged(folder) as stage:
        scale, preparation = scale_of_run(build.folder, spec.data), read_preparation(build.folder)
        job = Job(saved, chosen, stage, folder, row, names_of(build.folder, spec.data), scale, preparation)
        with foreign_code(spec):
            files = EXPORTERS.call_method(form, "export", job)
        names = [member.name for member in job.members]
        trained = saved.where(spec.training)
        beside = _beside(build, stage, files) if preparation is not None else ()
        listed = (*files, *beside)
        told = card(build, trained, names, listed, row.title, job.classes, average=average)
        write_whole(stage / "README.md", told)
    has_classes = job.classes is not None or not spec.task.is_classification
    return Exported(folder, (*listed, "README.md"), max(files.values()), has_classes)


def _beside(build: Build, stage: Path, files: Collection[str]) -> tuple[str, ...]:
    """What members of a table need beside their files; gives the names, none of which may be that of a member's."""
    if ARRAYS in files:
        reason = "a member's file and what was fitted to the table have one name: call the member otherwise"
        raise DiagnosticError(OutputUnwritable(path=ARRAYS, reason=reason))
    return *copy_preparation(build.folder, stage), write_columns(stage)


def _chosen(build: Build, wanted: tuple[str, ...]) -> tuple[int, ...]:
    """The numbers of the members that are named, in the order of the spec."""
    known = tuple(member.name for member in build.spec.members if not member.host)
    for name in wanted:
        if name not in known:
            missing = NoSuchMember(name=name, ensemble=build.spec.name, known=known, suggestion=closest(name, known))
            raise DiagnosticError(missing)
    return tuple(
        number
        for number, member in enumerate(build.spec.members)
        if member.name in known and (not wanted or member.name in wanted)
    )


def _check_packages(form: ExporterRow) -> None:
    missing = tuple(name for name in form.packages if find_spec(name) is None)
    if missing:
        raise DiagnosticError(PackagesMissing(form=form.name, packages=missing, extra=form.extra))
