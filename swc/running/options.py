"""What the command line says about a run, as plain data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from swc_runtime.ranks.ranks import WorkDivision


@frozen
class Options:
    """What the command line says about a run.

    `epochs_scale` None leaves a run its scale, and begins one with the epochs of its spec. `checkpoint_every` is in
    seconds, within an epoch (there is always one after an epoch); `score_every` in epochs, 0 for the ends of stages
    only; `fresh` sets a run aside, `new_metrics` its metrics where they are damaged; `threads` 0 leaves torch's choice;
    `kernels` is `auto`, `torch` or `cupy`. Several processes share the images of each batch, or the members
    (`placement`); with `sync_norms` BatchNorm sees the images of all processes. So many `workers` read what lies on
    disk; with any number of them, 0 too, the user's own data sets are read item by item.
    """

    run: Path | None = None
    data: Path | None = None
    offline: bool = False
    epochs_scale: float | None = None
    device: str = "auto"
    kernels: str = "auto"
    threads: int = 0
    checkpoint_every: float = 300.0
    score_every: int = 0
    fresh: bool = False
    new_metrics: bool = False
    sync_norms: bool = False
    placement: WorkDivision = "images"
    workers: int | None = None
