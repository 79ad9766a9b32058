"""What a sweep runs: every combination of the varied params, with every seed.

Takes what a command line or a sweep file asks for; gives the cells of `Sweep`. Guarantees: cells come in a settled
order, settings first, seeds last, whatever the order of running; a cell's name is a folder's name and tells its values;
cells that differ in their storage alone are of one run.
"""

from __future__ import annotations

from itertools import product
from math import prod
from pathlib import Path
from typing import cast
from urllib.parse import quote

from attrs import evolve, field, frozen

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.limits import TooManyCells
from swc.files.evaluation import Storage
from swc.program.limits import CELLS
from swc.sweep.cost_figure import CostFigure
from swc.sweep.seeds import Seeds, num_seeds, seeds_of
from swc.sweep.values import NamedValues

Setting = NamedValues  # all that varies with its values, as written in a spec
SEED = "seed"  # what it is called in a cell's name
SPEC, ENSEMBLE = "spec", "ensemble"  # what specs and ensembles are called beside the params, where several are run
STORAGE = "storage"  # what the storages are called behind the params, where the sweep names any


@frozen
class Cell:
    """One row: the values of what varies, and the seed. Without storages that is one run."""

    setting: Setting
    seed: int

    @property
    def title(self) -> str:
        """What people are told it is, as in `beta=0.1,seed=0`."""
        return ",".join(f"{name}={value}" for name, value in (*self.setting, (SEED, str(self.seed))))

    @property
    def name(self) -> str:
        """Its title as the name of a folder."""
        return quote(self.title, safe="=,.")


@frozen
class SettingPair:
    """Which settings are compared: `of` and `against` say for the same columns a value each; all others are alike."""

    of: Setting
    against: Setting


@frozen
class Sweep:
    """Specs with values for some of their params; each combination runs with every seed.

    `seeds` may be given as a number N, for 0 to N - 1. Without `ensembles` a spec's only one is run. `by_seed` runs all
    settings of the first seed, then all of the second. `table` is the CSV file that keeps the rows of finished cells.
    Of `compare` the summary gives the differences by seed; `figure` is what the figure shows, unless a param. Each run
    is scored with its weights stored in every way that `storage` names. `rows_from` are tables of other sweeps, whose
    rows are taken where they are of the same runs. `spec_by_ensemble` says in which spec each of `ensembles` stands,
    where not every spec has all of them. `show` are the columns of printed tables, in their order; without any all are
    shown.
    """

    name: str
    specs: tuple[Path, ...]
    vary: tuple[tuple[str, tuple[str, ...]], ...]
    seeds: Seeds = field(default=1, converter=seeds_of)
    ensembles: tuple[str, ...] = ()
    epochs_scale: float = 1.0
    by_seed: bool = False
    table: Path | None = None
    compare: tuple[SettingPair, ...] = ()
    figure: CostFigure | None = None
    storage: tuple[Storage, ...] = ()
    rows_from: tuple[Path, ...] = ()
    spec_by_ensemble: tuple[tuple[str, Path], ...] = ()
    show: tuple[str, ...] = ()

    def __attrs_post_init__(self) -> None:
        cells = num_seeds(self.seeds) * prod(len(values) for _, values in self.columns)
        if cells > CELLS:
            raise DiagnosticError(TooManyCells(cells=min(cells, 10**300), most=CELLS))

    @property
    def settings(self) -> tuple[Setting, ...]:
        """Every combination of values."""
        names = [name for name, _ in self.columns]
        values = (values for _, values in self.columns)
        return tuple(tuple(zip(names, chosen, strict=True)) for chosen in product(*values))

    @property
    def columns(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """What varies: specs and ensembles, where there are several, the params, and storages where any is named."""
        specs = () if self.spec_by_ensemble else tuple(spec.stem for spec in self.specs)
        named = ((SPEC, specs), (ENSEMBLE, self.ensembles))
        stored = ((STORAGE, self.storage),) if self.storage else ()
        return (*((name, values) for name, values in named if len(values) > 1), *self.vary, *stored)

    @property
    def trained(self) -> Sweep:
        """The sweep whose cells are the runs: a run is trained once, in however many ways it is stored."""
        return evolve(self, storage=(), compare=(), figure=None)

    def run_of(self, cell: Cell) -> Cell:
        """The run that a cell is a score of, as a cell without storage."""
        return evolve(cell, setting=cell.setting[:-1]) if self.storage else cell

    def storage_of(self, cell: Cell) -> Storage:
        """How the weights of a cell's run are stored where it is scored."""
        return cast("Storage", cell.setting[-1][1]) if self.storage else "float32"

    @property
    def runs(self) -> dict[Cell, tuple[Cell, ...]]:
        """The cells of each run, in the order in which the runs begin."""
        found: dict[Cell, list[Cell]] = {}
        for cell in self.running_order:
            found.setdefault(self.run_of(cell), []).append(cell)
        return {run: tuple(cells) for run, cells in found.items()}

    def spec_of(self, setting: Setting) -> tuple[Path, dict[str, str], str | None]:
        """The spec of a setting, the values of its params, and which ensemble of it."""
        params = dict(setting)
        if self.storage:
            params.pop(STORAGE, None)
        only = self.ensembles[0] if self.ensembles else None
        ensemble = params.pop(ENSEMBLE, only) if len(self.ensembles) > 1 else only
        if self.spec_by_ensemble:
            return dict(self.spec_by_ensemble).get(ensemble or "", self.specs[0]), params, ensemble
        chosen = params.pop(SPEC) if len(self.specs) > 1 else self.specs[0].stem
        return next(spec for spec in self.specs if spec.stem == chosen), params, ensemble

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Every row, in the order of tables."""
        return tuple(Cell(setting, seed) for setting in self.settings for seed in self.seeds)

    @property
    def running_order(self) -> tuple[Cell, ...]:
        """Every row, in the order in which the runs begin."""
        if not self.by_seed:
            return self.cells
        return tuple(Cell(setting, seed) for seed in self.seeds for setting in self.settings)
