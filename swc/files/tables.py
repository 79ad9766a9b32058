"""What many runs came to: the summary of a sweep, and a comparison of ensembles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from attrs import frozen

from swc.files.scores import ScoredPart


@frozen
class SeedMean:
    """A mean over seeds and its standard error (None of a single one)."""

    mean: float
    error: float | None


@frozen
class SettingRow:
    """One setting of a sweep: its params by name, the seeds that ended, and their means by metric.

    `failed` and `elsewhere` are the seeds that failed or that another process trains, each with the reason.
    `templates_per_bank` is the smallest, the median and the largest number, as in `1-3-4`.
    """

    setting: Mapping[str, str]
    num_seeds: int
    values: Mapping[str, SeedMean]
    failed: tuple[tuple[int, str], ...]
    elsewhere: tuple[tuple[int, str], ...]
    templates_per_bank: str = ""


@frozen
class DifferenceRow:
    """The mean over `num_seeds` seeds of a metric of one setting less that of another, both by their params' names.

    `half_width` is that of the 95% t-interval, None of fewer than two seeds; the mean is None of none. `verdict` is
    `above`, `below`, `not told apart` (0 lies in the interval), `one seed` or `not measured`.
    """

    of: Mapping[str, str]
    against: Mapping[str, str]
    metric: str
    num_seeds: int
    mean: float | None
    half_width: float | None
    verdict: Literal["above", "below", "not told apart", "one seed", "not measured"]


@frozen
class SweepTable:
    """The summary of a sweep: a row for each setting, over `seeds` seeds.

    `seed_list` names them; that of earlier versions is empty, as their seeds were always 0 to `seeds` - 1. `best` is
    the number in `settings`, from 0, of the one with the lowest validation NLL (None: there is nothing to choose by).
    """

    sweep: str
    specs: tuple[str, ...]
    seeds: int
    epochs_scale: float
    settings: tuple[SettingRow, ...]
    seed_list: tuple[int, ...] = ()
    differences: tuple[DifferenceRow, ...] = ()
    best: int | None = None


@frozen
class MemoryRow:
    """Bytes that a step needs, by what they hold; `total` is their sum."""

    parameters: int
    gradients: int
    momentum: int
    composed: int
    composed_gradients: int
    total: int


@frozen
class RunsRow:
    """Runs of one system that were trained as long and scored alike: their seeds, and means by metric.

    A metric that one of them did not measure has none; `num_evaluated` are those that `swc eval` has scored; `part`
    says which images the scores are of, `task` which row they are declared in.
    """

    name: str
    epochs_scale: float
    stage: str
    num_images: int
    num_calibration: int
    seeds: tuple[int, ...]
    num_evaluated: int
    values: Mapping[str, SeedMean | None]
    part: ScoredPart = ""
    task: str = "classification"


@frozen
class SystemRow:
    """An ensemble as it is compiled, and what its runs came to; counts are in scalars.

    `multiply_adds` are those of one image, None where nobody counted; `memory_bytes` is None without a train block.
    """

    name: str
    ensemble: str
    data: str
    members: int
    budget: str
    sharing: tuple[str, ...]
    parameter_scalars: int
    template_scalars: int
    coefficient_scalars: int
    tensor_scalars: int
    private_scalars: int
    native_scalars: int
    stored_scalars: int
    multiply_adds: int | None
    memory_bytes: MemoryRow | None
    results: tuple[RunsRow, ...]


@frozen
class ComparisonTable:
    """All systems of a comparison, in the order in which they were named, and what others have over the first by seed.

    The ensembles of a difference are known by the names of their results, under `ensemble`.
    """

    systems: tuple[SystemRow, ...]
    differences: tuple[DifferenceRow, ...] = ()
