"""From a run to files of its members.

Takes a build, the members and a format; writes a folder. Guarantees: every file was read back and gave the members'
outputs; where one did not, or anything else went wrong, nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from attrs import frozen
from safetensors.torch import load_file
from torch import Tensor, nn

from swc.compiler.frontend.own_code import told_to_its_author
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.evaluation import NothingTrained
from swc.diagnostics.catalogue.exporting import NoSuchMember, NotExportable, PackagesMissing
from swc.diagnostics.suggest import closest
from swc.export.card import card, loader
from swc.export.families import family_files
from swc.export.job import BATCHES, Job, reason_of, traits_of
from swc.export.python_file import PYTHON, python_file
from swc.export.staged import staged
from swc.folders.classes import names_of
from swc.folders.store import write_whole
from swc.running.trained import kept_of
from swc.trust.code import folders_of
from swc.trust.importing import own_code
from swc_runtime.carry.plain import plain_member
from swc_runtime.export.formats import (
    reread_exported,
    reread_safetensors,
    reread_torch,
    torch_state,
    write_exported,
    write_safetensors,
    write_torch,
)
from swc_runtime.export.onnx_files import missing_packages, reread_onnx, write_onnx

if TYPE_CHECKING:
    from swc.folders.store import Build
    from swc.program.program import MemberPlan


@frozen
class Format:
    """How a member is written to a file with this ending, and how the file is asked.

    `state` reads the state of a file that holds nothing else; `missing` are packages that are needed and not there.
    """

    ending: str
    write: Callable[[nn.Module, Path, Mapping[str, str], Tensor], None]
    reread: Callable[[nn.Module, Path, Tensor], Tensor]
    missing: Callable[[], tuple[str, ...]] = tuple
    state: Callable[[Path], Mapping[str, Tensor]] | None = None


FORMATS: dict[str, Format] = {
    "torch": Format(".pt", write_torch, reread_torch, state=torch_state),
    "safetensors": Format(".safetensors", write_safetensors, reread_safetensors, state=load_file),
    "torch-export": Format(".pt2", write_exported, reread_exported),
    "onnx": Format(".onnx", write_onnx, reread_onnx, missing_packages),
}


@frozen
class Exported:
    """The folder, its files in order, the largest relative difference that was seen; whether classes have names."""

    folder: Path
    files: tuple[str, ...]
    difference: float
    has_classes: bool


def export_build(build: Build, form: str, wanted: tuple[str, ...], folder: Path) -> Exported:
    """Write members of a run (none named: all) and what loads them; DiagnosticError where that cannot be done."""
    spec = build.spec
    chosen = _chosen(build, wanted)
    kept = kept_of(build.folder) if build.is_run else None
    if kept is None or spec.training is None:
        raise DiagnosticError(NothingTrained(place=str(build.folder)))
    _check_packages(form)
    with staged(folder) as stage:
        job = Job(kept, chosen, stage, folder, names_of(build.folder, spec.data))
        with own_code(spec), told_to_its_author(folders_of(spec)):
            found = python_file(job) if form == PYTHON else _members(job, form)
        files = [*found, *_beside(job, form)]
        names = [member.name for member in job.members]
        what = "Members over the templates they share" if form == PYTHON else "Members with their weights written out"
        trained = kept.where(spec.training)
        write_whole(stage / "README.md", card(build, trained, names, files, what, job.classes))
    return Exported(folder, (*files, "README.md"), max(found.values()), job.classes is not None)


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


def _check_packages(form: str) -> None:
    missing = FORMATS[form].missing() if form in FORMATS else ()
    if missing:
        raise DiagnosticError(PackagesMissing(form=form, packages=missing, extra=form))


def _members(job: Job, form: str) -> dict[str, float]:
    """Write each member and ask its file; the difference by file."""
    chosen = FORMATS[form]
    found: dict[str, float] = {}
    for number, member in zip(job.chosen, job.members, strict=True):
        module = plain_member(job.ensemble, number)
        path = job.stage / f"{member.name}{chosen.ending}"
        _write(job, member, module, form, path)
        keeps = partial(_has_state, module, chosen.state, path) if chosen.state else None
        another = plain_member(job.ensemble, number)  # its state is overwritten by the file's
        found[path.name] = job.check(path.name, number, form, partial(chosen.reread, another, path), keeps)
    return found


def _has_state(module: nn.Module, read: Callable[[Path], Mapping[str, Tensor]], path: Path) -> bool:
    state, kept = module.state_dict(), read(path)
    return state.keys() == kept.keys() and all(torch.equal(state[name], tensor) for name, tensor in kept.items())


def _write(job: Job, member: MemberPlan, module: nn.Module, form: str, path: Path) -> None:
    try:
        FORMATS[form].write(module, path, job.notes(member), job.images[: BATCHES[0]].clone())
    except (RuntimeError, TypeError, ValueError) as error:  # what torch raises of code it cannot follow
        because = traits_of(job.dependence(job.program.members.index(member)))
        told = NotExportable(member=member.name, form=form, reason=reason_of(error), because=because)
        raise DiagnosticError(told) from error


def _beside(job: Job, form: str) -> list[str]:
    """For `torch` the code that builds the members and loads their state: a loader, and the families' own files."""
    if form != "torch":
        return []
    write_whole(job.stage / "members.py", loader(job.program, job.members, job.classes))
    families = sorted({member.source.name for member in job.members if member.source.kind == "family"})
    files = {file: text for name in families for file, text in family_files(name).items()}
    for file, text in files.items():
        write_whole(job.stage / file, text)
    return ["members.py", *sorted(files)]
