"""By what the targets of a run's regression were standardised, beside the run.

Takes a run's folder and its data set; gives `TargetScale`. Guarantees: a run goes on, and is evaluated and exported,
with the numbers that it began with; other training examples are refused.
"""

from __future__ import annotations

from math import isclose
from pathlib import Path
from typing import TYPE_CHECKING

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.formats import DamagedFile
from swc.diagnostics.catalogue.tasks import OtherScale
from swc.files.checksums import is_there
from swc.files.disk import load, save
from swc.files.kinds import FILE_KINDS

if TYPE_CHECKING:
    from swc.files.run import TargetScale
    from swc.program.datasets import DataFacts
    from swc_runtime.data import Dataset

FILE = "targets.json"
CLOSE = 1e-9


def scale_of_run(folder: Path, data: DataFacts) -> TargetScale | None:
    """How the targets of a run were standardised; None where they were not, or it has not begun."""
    path = folder / FILE
    if data.task.row.targets != "numbers" or not is_there(path):
        return None
    found: TargetScale = load(FILE_KINDS["targets"], path)
    if len(found.mean) != data.num_classes or len(found.deviation) != data.num_classes:
        detail = f"it is of {len(found.mean)} targets where the spec says {data.num_classes}"
        raise DiagnosticError(DamagedFile(origin=str(path), detail=detail))
    if not all(deviation > 0 for deviation in found.deviation):
        raise DiagnosticError(DamagedFile(origin=str(path), detail="a deviation is not above 0"))
    return found


def check_scale(folder: Path, dataset: Dataset) -> None:
    """DiagnosticError where the training part gives another scale than the run in `folder` was begun with."""
    known = scale_of_run(folder, dataset.facts)
    if known is not None and dataset.scale is not None and not _is_close(known, dataset.scale):
        raise DiagnosticError(OtherScale(name=dataset.facts.title, folder=str(folder)))


def _is_close(known: TargetScale, found: TargetScale) -> bool:
    """Whether two scales are the same, up to the rounding of another processor; means are close in deviations."""
    pairs = zip(known.mean, known.deviation, found.mean, found.deviation, strict=True)
    return all(
        isclose(deviation, other, rel_tol=CLOSE) and abs(mean - other_mean) <= CLOSE * (deviation + abs(mean))
        for mean, deviation, other_mean, other in pairs
    )


def write_scale(folder: Path, dataset: Dataset) -> None:
    """Record the scale in the run's folder, where there is one and that is not done."""
    if dataset.scale is not None and not (folder / FILE).is_file():
        save(FILE_KINDS["targets"], folder / FILE, dataset.scale)
