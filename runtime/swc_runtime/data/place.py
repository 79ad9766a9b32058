"""Where data sets lie, and what may be done to have them.

Guarantees: nothing is read or downloaded here.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from attrs import frozen


@frozen
class DataPlace:
    """Where a reader looks: in the folder `named` on the command line, else in the default one.

    `offline` forbids downloads; `announce` is told before one begins, and what was found in a folder of images. With
    `workers`, however many, items of the user's own data sets are read when they are asked for, one by one.
    """

    named: Path | None
    offline: bool
    announce: Callable[[str], None]
    workers: int | None = None

    @property
    def folder(self) -> Path:
        """The folder that holds data sets."""
        return data_folder() if self.named is None else self.named


def data_folder() -> Path:
    """Where data sets lie by default: `$SWC_DATA`, else `swc/data` in `$XDG_CACHE_HOME` or `~/.cache`."""
    own = os.environ.get("SWC_DATA")
    if own:
        return Path(own)
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "swc" / "data"
