"""Opening the data set of a spec, where the user's own code, or a plug-in's, may be asked for images.

Takes a spec and where data lie; gives a `Dataset`. Guarantees: the code of a `data python(...)` item runs as a caller
consented to it, and only inside of this; none of it runs for any other data.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from swc.diagnostics.catalogue.training import DataChanged
from swc.folders.store import read_machine
from swc.program.spec import Spec
from swc.trust.foreign import foreign_code

if TYPE_CHECKING:
    from swc.diagnostics import Sink
    from swc_runtime.data import Dataset


def tell_changed(folder: Path, dataset: Dataset, sink: Sink) -> None:
    """Warn where a run was trained on other data than these."""
    before, now = (read_machine(folder) or {}).get("data"), dataset.digest()
    if before not in (None, now):
        sink.report(DataChanged(name=dataset.facts.title, was=str(before), now=now))


def open_dataset(
    spec: Spec, folder: Path | None, offline: bool, announce: Callable[[str], None], workers: int | None = None
) -> Dataset:
    """Both splits; DiagnosticError as `swc_runtime.data.open_data` has it."""
    from swc_runtime.data import open_data

    if spec.data.code is None and not spec.plug_ins:
        return open_data(spec.data, folder, offline, announce, workers)
    with foreign_code(spec):
        return open_data(spec.data, folder, offline, announce, workers)
