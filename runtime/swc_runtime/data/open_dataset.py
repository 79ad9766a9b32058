"""Opening the data set that a program names.

Takes its facts and a folder, gives a `Dataset`. Guarantees: the set that was named, or a `DiagnosticError` that says
what to put where, never another one; what is downloaded is announced first.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from swc.program.class_names import CLASS_NAMES
from swc.program.datasets import DataFacts

from swc_runtime.data.cifar import ARCHIVES, read_cifar
from swc_runtime.data.digits import read_digits
from swc_runtime.data.folder import read_folder
from swc_runtime.data.splits import Dataset, MemorySplit


def open_data(facts: DataFacts, folder: Path | None, offline: bool, announce: Callable[[str], None]) -> Dataset:
    """Both splits of a data set.

    `folder` holds data sets (None: see `data_folder`); `offline` forbids downloads; `announce` is told before one
    begins, and what was found in a folder of images.
    `DiagnosticError` where the set cannot be had, ValueError for a name without a loader.
    """
    place = folder if folder is not None else data_folder()
    if facts.name == "digits":
        return _in_memory(facts, read_digits(), None)
    if facts.name in ARCHIVES:
        return _in_memory(facts, read_cifar(ARCHIVES[facts.name], place, offline, announce), place)
    if facts.folder is not None or facts.name == "imagenet":
        tree = _tree(facts, folder, place)
        return read_folder(facts, tree, announce)
    raise ValueError(f"no data set is named `{facts.name}`")


def data_folder() -> Path:
    """Where data sets lie by default: `$SWC_DATA`, else `swc/data` in `$XDG_CACHE_HOME` or `~/.cache`."""
    own = os.environ.get("SWC_DATA")
    if own:
        return Path(own)
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "swc" / "data"


def _tree(facts: DataFacts, named: Path | None, place: Path) -> Path:
    """A spec's own folder counts from the current one, or from the one named on the command line."""
    if facts.folder is not None:
        return named / facts.folder if named is not None else Path(facts.folder)
    return place if (place / "train").is_dir() else place / facts.name


def _in_memory(facts: DataFacts, parts: tuple[tuple, tuple], place: Path | None) -> Dataset:  # type: ignore[type-arg]
    train, test = (MemorySplit(facts, images, labels) for images, labels in parts)
    return Dataset(facts, train, test, place, CLASS_NAMES[facts.name])
