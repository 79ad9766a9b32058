"""Opening the data set that a program names.

Takes its facts and a folder, gives a `Dataset`. Guarantees: the set that was named, or a `DiagnosticError` that says
what to put where, never another one; what is downloaded is announced first.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from swc.program.datasets import DATA, DataFacts

from swc_runtime.data.parts import counts_of, divided
from swc_runtime.data.place import DataPlace
from swc_runtime.data.splits import Dataset
from swc_runtime.data.targets import with_scale


def open_data(
    facts: DataFacts,
    folder: Path | None,
    offline: bool,
    announce: Callable[[str], None],
    workers: int | None = None,
) -> Dataset:
    """All parts of a data set, read as its row of `DATA` says and drawn as its facts say.

    `folder` holds data sets (None: see `data_folder`); `offline` forbids downloads; `announce` is told before one
    begins, and what was found in a folder of images or was drawn; `workers` as `DataPlace` has it.
    Numbers to predict are standardised by the training part that was drawn (`swc_runtime.data.targets`).
    `DiagnosticError` where the set cannot be had, ValueError for a name without a loader.
    """
    if facts.name not in DATA:
        raise ValueError(f"no data set is named `{facts.name}`")
    dataset: Dataset = DATA.load(facts.name)(facts.undivided, DataPlace(folder, offline, announce, workers))
    dataset = divided(dataset, facts)
    if facts.parts is not None and facts.parts.are_drawn:
        announce(counts_of(dataset))
    return with_scale(dataset if dataset.finish is None else dataset.finish(dataset))
