"""What the outputs of a run's members stand for: the names of the classes, in the order of their numbers.

Takes a run's folder and its data set; gives names. Guarantees: a folder of images whose classes are not those that the
run was trained on is refused before anything is made of it; a run that was begun without a record has none until it is
trained on.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.data import OtherClasses
from swc.diagnostics.catalogue.formats import DamagedFile
from swc.files.checksums import is_there
from swc.files.disk import load, save
from swc.files.kinds import FILE_KINDS
from swc.files.run import ClassNames
from swc.program.datasets import class_names_of

if TYPE_CHECKING:
    from swc.program.datasets import DataFacts
    from swc_runtime.data import Dataset

FILE = "classes.json"


def names_of(folder: Path, data: DataFacts) -> tuple[str, ...] | None:
    """The names of the classes of a run in `folder`; None where they were not recorded."""
    return class_names_of(data) or _recorded(folder, data.num_classes)


def check_classes(folder: Path, dataset: Dataset) -> None:
    """DiagnosticError where a data set's classes are not those that the run in `folder` was trained on."""
    from swc_runtime.data.listing import printable

    trained = _recorded(folder, dataset.facts.num_classes)
    if trained is None or not dataset.classes:
        return
    for number, (found, before) in enumerate(zip(dataset.classes, trained, strict=True)):
        if found != before:
            raise DiagnosticError(
                OtherClasses(
                    folder=printable(str(dataset.folder or dataset.facts.title)),
                    number=number,
                    found=printable(found),
                    trained=printable(before),
                )
            )


def write_classes(folder: Path, dataset: Dataset) -> None:
    """Record the classes of a folder of images in the run's folder, where that is not done."""
    path = folder / FILE
    if class_names_of(dataset.facts) or not dataset.classes or path.is_file():
        return
    save(FILE_KINDS["classes"], path, ClassNames(tuple(dataset.classes)))


def _recorded(folder: Path, num_classes: int) -> tuple[str, ...] | None:
    path = folder / FILE
    if not is_there(path):
        return None
    names: tuple[str, ...] = load(FILE_KINDS["classes"], path).classes
    if len(names) != num_classes:
        detail = f"it names {len(names)} classes where the spec says {num_classes}"
        raise DiagnosticError(DamagedFile(origin=str(path), detail=detail))
    return names
