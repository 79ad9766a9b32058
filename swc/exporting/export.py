"""From a run to files of its members.

Takes a build, the members and a format; writes a folder. Guarantees: every file was read back and gave the member's
outputs; one that did not is gone.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from attrs import frozen
from torch import Tensor, nn

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.evaluation import NothingTrained
from swc.diagnostics.catalogue.exporting import ExportDiffers, NoSuchMember, NotExportable
from swc.diagnostics.catalogue.files import OutputUnwritable
from swc.diagnostics.suggest import closest
from swc.exporting.card import card, loader
from swc.frontend.own_code import told_to_its_author
from swc.frontend.read import folders_of
from swc.program.codec import hash_of
from swc.store import write_whole
from swc.trained import Kept, kept_of, restored
from swc_runtime.export.formats import (
    TOLERANCE,
    difference,
    reread_exported,
    reread_safetensors,
    reread_torch,
    write_exported,
    write_safetensors,
    write_torch,
)
from swc_runtime.export.plain import plain_member
from swc_runtime.models import factory_path

if TYPE_CHECKING:
    from swc.program.program import Program
    from swc.store import Build


@frozen
class Format:
    """How a member is written to a file with this ending, and how the file is asked."""

    ending: str
    write: Callable[[nn.Module, Path, Mapping[str, str], Tensor], None]
    reread: Callable[[nn.Module, Path, Tensor], Tensor]


FORMATS: dict[str, Format] = {
    "torch": Format(".pt", write_torch, reread_torch),
    "safetensors": Format(".safetensors", write_safetensors, reread_safetensors),
    "torch-export": Format(".pt2", write_exported, reread_exported),
}
NUM_IMAGES = 4  # that a file is asked for


@frozen
class Exported:
    """The folder, its files in order, and the largest relative difference that was seen."""

    folder: Path
    files: tuple[str, ...]
    difference: float


def export_build(build: Build, form: str, wanted: tuple[str, ...], folder: Path) -> Exported:
    """Write members of a run (none named: all) and what loads them; DiagnosticError where that cannot be done."""
    spec = build.spec
    chosen = _chosen(build, wanted)
    kept = kept_of(build.folder, hash_of(spec)) if build.is_run else None
    if kept is None or spec.training is None:
        raise DiagnosticError(NothingTrained(place=str(build.folder)))
    folders = folders_of(spec)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with factory_path(folders), told_to_its_author(folders):
            found = _members(kept, chosen, form, folder)
        files = [*found, *_beside(kept.compiled.program, chosen, form, folder)]
    except OSError as error:
        raise DiagnosticError(OutputUnwritable(path=str(folder), reason=error.strerror or str(error))) from error
    names = tuple(kept.compiled.program.members[number].name for number in chosen)
    write_whole(folder / "README.md", card(build, kept.where(spec.training), names, files))
    return Exported(folder, (*files, "README.md"), max(found.values()))


def _chosen(build: Build, wanted: tuple[str, ...]) -> tuple[int, ...]:
    """The numbers of the members that are named, in the order of the spec."""
    known = tuple(member.name for member in build.spec.members)
    for name in wanted:
        if name not in known:
            missing = NoSuchMember(name=name, ensemble=build.spec.name, known=known, suggestion=closest(name, known))
            raise DiagnosticError(missing)
    return tuple(number for number, name in enumerate(known) if not wanted or name in wanted)


def _members(kept: Kept, chosen: tuple[int, ...], form: str, folder: Path) -> dict[str, float]:
    """Write each member and ask its file; the difference by file."""
    program = kept.compiled.program
    ensemble = restored(kept, "cpu")
    images = torch.randn(NUM_IMAGES, *program.data.image_shape, generator=torch.Generator().manual_seed(0))
    expected = _outputs(ensemble, images)
    found: dict[str, float] = {}
    for number in chosen:
        name = program.members[number].name
        path = folder / f"{name}{FORMATS[form].ending}"
        found[path.name] = _written(plain_member(ensemble, number), name, form, path, images, expected[number])
    return found


def _outputs(ensemble: nn.Module, images: Tensor) -> Tensor:
    """What the members themselves give [M, B, C]."""
    ensemble.eval()
    with torch.no_grad():
        made: Tensor = ensemble(images)
    return made


def _written(module: nn.Module, name: str, form: str, path: Path, images: Tensor, expected: Tensor) -> float:
    chosen = FORMATS[form]
    try:
        chosen.write(module, path, {"member": name}, images)
    except (RuntimeError, TypeError, ValueError) as error:  # what torch.export raises of code it cannot follow
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise DiagnosticError(NotExportable(member=name, form=form, reason=reason)) from error
    gap = difference(chosen.reread(module, path, images), expected)
    if not gap <= TOLERANCE:
        path.unlink()
        raise DiagnosticError(ExportDiffers(path=str(path), member=name, difference=gap))
    return gap


def _beside(program: Program, chosen: tuple[int, ...], form: str, folder: Path) -> list[str]:
    """For `torch` the code that builds the members and loads their state: a loader, and the families' own files."""
    if form != "torch":
        return []
    members = [program.members[number] for number in chosen]
    write_whole(folder / "members.py", loader(program, members))
    families = sorted({member.source.name for member in members if member.source.kind == "family"})
    return ["members.py", *(_family(name, folder) for name in families)]


def _family(name: str, folder: Path) -> str:
    """Copy the file of a family of ours, which imports nothing of this project."""
    file = {"mobilenet_v2": "mobilenet"}.get(name, name)
    found = find_spec(f"swc_runtime.models.{file}")
    assert found is not None and found.origin is not None
    shutil.copyfile(found.origin, folder / f"{name}.py")
    return f"{name}.py"
