"""What is done to the columns of a run's table, kept with the run: JSON for what a person reads, arrays beside it.

Takes a run's folder and its data set; gives a `Preparation`. Guarantees: what is read back is to the bit what was
fitted when the run began; a table that gives another one is refused before anything is made of it. No pickle.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.formats import DamagedFile
from swc.diagnostics.catalogue.tables import TableChanged
from swc.files.checksums import is_there
from swc.files.disk import load, save
from swc.files.kinds import FILE_KINDS
from swc.files.preparation import CategoryValues, TableColumns
from swc.files.whole import fill, whole

if TYPE_CHECKING:
    from swc_runtime.data import Dataset
    from swc_runtime.data.preparation import Preparation

FILE, ARRAYS = "preparation.json", "preparation.safetensors"


def write_preparation(folder: Path, dataset: Dataset) -> None:
    """Keep what was fitted, in the folder of a run or beside exported members; nothing for data that are no table."""
    from safetensors.numpy import save as encoded

    found = dataset.preparation
    if found is None or (folder / FILE).is_file():
        return
    rows_first = {name: np.ascontiguousarray(array) for name, array in found.arrays.items()}
    with whole(folder / ARRAYS) as partial:
        fill(partial, encoded(rows_first))  # which writes the memory as it lies, whatever the order of the axes
    save(FILE_KINDS["preparation"], folder / FILE, columns_of(found, str(dataset.facts.given()["target"])))


def columns_of(found: Preparation, target: str) -> TableColumns:
    """What the JSON says."""
    categories = tuple(map(CategoryValues, found.categories, found.values))
    return TableColumns(target, found.scheme, found.encoding, found.numbers, categories, found.digest())


def copy_preparation(run: Path, folder: Path) -> tuple[str, ...]:
    """Bring what a run has kept beside its exported members; gives the names of the files, () where nothing is kept."""
    if read_preparation(run) is None:
        return ()
    for name in (FILE, ARRAYS):
        with whole(folder / name) as partial:
            partial.write_bytes((run / name).read_bytes())
    return FILE, ARRAYS


def check_preparation(folder: Path, dataset: Dataset) -> None:
    """DiagnosticError where a table gives other inputs than those that the run in `folder` was trained on."""
    kept = read_preparation(folder)
    if kept is None or dataset.preparation is None:
        return
    if dataset.preparation.digest() in (kept.digest(), kept.with_plain_numbers().digest()):
        return
    file = dataset.facts.folder or dataset.facts.title
    raise DiagnosticError(TableChanged(file=file, found="other fitted columns", compiled="those of this run"))


def read_preparation(folder: Path) -> Preparation | None:
    """What was kept in a folder; None where nothing was. DiagnosticError where the arrays are not those of the JSON."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    from swc_runtime.data.preparation import Preparation

    if not is_there(folder / FILE):
        return None
    said: TableColumns = load(FILE_KINDS["preparation"], folder / FILE)
    try:
        arrays = load_file(folder / ARRAYS)
    except (OSError, SafetensorError) as error:
        raise DiagnosticError(DamagedFile(origin=str(folder / ARRAYS), detail=str(error))) from error
    names, values = tuple(one.column for one in said.categories), tuple(one.values for one in said.categories)
    found = Preparation(said.numbers, names, values, said.scheme, said.encoding, arrays)
    if found.digest() != said.sha256:
        detail = "its arrays are not those that were fitted"
        raise DiagnosticError(DamagedFile(origin=str(folder / ARRAYS), detail=detail))
    return found
