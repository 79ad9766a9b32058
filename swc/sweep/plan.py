"""What a sweep runs: every combination of the varied params, with every seed.

Takes the command line or a sweep file; gives `Sweep`. Guarantees: cells come in a settled order, settings first, seeds
last, whatever the order of running; a cell's name is a folder's name and tells its values; cells that differ in their
storage alone are of one run.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Sequence
from itertools import product
from math import prod
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from attrs import evolve, field, frozen

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.limits import TooManyCells
from swc.diagnostics.catalogue.sweeps import NotASweep
from swc.diagnostics.sources import read_source
from swc.files.evaluation import STORAGES, Storage
from swc.program.limits import CELLS, SCALES
from swc.sweep.columns import HEADINGS
from swc.sweep.cost_figure import CostFigure, cost_figure, wrong_figure, wrong_figure_form
from swc.sweep.seeds import Seeds, num_seeds, seeds_of, wrong_seeds
from swc.sweep.values import NamedValues, as_written, repeated

Setting = NamedValues  # all that varies with its values, as written in a spec
KEYS: dict[str, type | tuple[type, ...]] = {
    "spec": (str, list),
    "ensemble": (str, list),
    "ensembles": dict,
    "epochs_scale": (int, float),
    "seeds": (int, str, list),
    "by_seed": bool,
    "table": str,
    "storage": list,
    "rows_from": (str, list),
    "show": list,
    "compare": list,
    "figure": dict,
    "vary": dict,
}
SIDES = ("of", "against")  # of a comparison
SEED = "seed"  # what it is called in a cell's name
SPEC, ENSEMBLE = "spec", "ensemble"  # what specs and ensembles are called beside the params, where several are run
STORAGE = "storage"  # what the storages are called behind the params, where the sweep names any


@frozen
class Cell:
    """One row: the values of what varies, and the seed. Without storages that is one run."""

    setting: Setting
    seed: int

    @property
    def name(self) -> str:
        """A name that is a folder's, as in `beta=0.1,seed=0`."""
        return quote(",".join(f"{name}={value}" for name, value in (*self.setting, (SEED, str(self.seed)))), safe="=,.")


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


def read_sweep(path: Path) -> Sweep:
    """A sweep file; DiagnosticError for what is wrong with it. The spec's path counts from the file's folder."""
    text = read_source(path)
    try:
        found = tomllib.loads(text)
        reason = _reason(found)
    except ValueError as error:
        raise DiagnosticError(NotASweep(path=str(path), reason=str(error))) from error
    except RecursionError as error:
        raise DiagnosticError(NotASweep(path=str(path), reason="it is nested too deep")) from error
    if reason:
        raise DiagnosticError(NotASweep(path=str(path), reason=reason))
    vary = tuple((name, tuple(as_written(value) for value in values)) for name, values in found.get("vary", {}).items())
    in_specs = found.get("ensembles", {})
    homes = tuple((name, path.parent / spec) for spec, names in in_specs.items() for name in names)
    made = Sweep(
        path.stem,
        tuple(path.parent / spec for spec in _listed(found.get("spec", [*in_specs]))),
        vary,
        found.get("seeds", 1),
        _listed(found.get("ensemble", [name for name, _ in homes])),
        float(found.get("epochs_scale", 1.0)),
        found.get("by_seed", False),
        path.parent / found["table"] if "table" in found else None,
        tuple(_pair(one) for one in found.get("compare", [])),
        storage=tuple(found.get("storage", [])),
        rows_from=tuple(path.parent / table for table in _listed(found.get("rows_from", []))),
        spec_by_ensemble=homes,
        show=tuple(found.get("show", [])),
    )
    figure = cost_figure(found["figure"], made.columns) if "figure" in found else None
    wrong_pairs = (wrong_pair(made, pair) for pair in made.compare)
    if reason := next(filter(None, (*wrong_pairs, wrong_figure(figure, made.columns))), ""):
        raise DiagnosticError(NotASweep(path=str(path), reason=reason))
    return evolve(made, figure=figure)


def _pair(found: dict[str, dict[str, Any]]) -> SettingPair:
    of, against = (tuple((n, as_written(value)) for n, value in found[side].items()) for side in SIDES)
    return SettingPair(of, tuple(sorted(against, key=lambda part: [name for name, _ in of].index(part[0]))))


def wrong_pair(sweep: Sweep, pair: SettingPair) -> str:
    """What of a comparison the sweep has not got, or nothing."""
    known = dict(sweep.columns)
    for name, value in (*pair.of, *pair.against):
        if name not in known:
            return f"`compare` names `{name}`, which does not vary"
        if value not in known[name]:
            return f"`compare` names the value {value} of `{name}`, which is not run"
    return "`compare` must name two settings that differ" if pair.of == pair.against else ""


def _wrong_comparison(found: dict[str, Any]) -> str:
    """What is wrong with the form of the comparisons, or nothing."""
    for one in found.get("compare", []):
        if not isinstance(one, dict) or set(one) != set(SIDES) or not all(isinstance(s, dict) for s in one.values()):
            return f"each `compare` must have {' and '.join(f'`{side}`' for side in SIDES)}, with values by name"
        if set(one["of"]) != set(one["against"]) or not one["of"]:
            return "`of` and `against` of a `compare` must name the same params"
    return ""


def _reason(found: dict[str, Any]) -> str:
    """What is wrong with a sweep file, or nothing."""
    for key, value in found.items():
        if key not in KEYS:
            return f"there is no key `{key}`: {', '.join(KEYS)} are"
        if not isinstance(value, KEYS[key]) or (isinstance(value, bool) and key != "by_seed"):
            return f"`{key}` must not be {value!r}"
    scale = found.get("epochs_scale", 1.0)
    if not SCALES[0] <= scale <= SCALES[1]:  # nan too
        return f"`epochs_scale` must be at least {SCALES[0]} and at most {SCALES[1]}, not {scale}"
    if not found.get("spec") and "ensembles" not in found:
        return "it needs `spec`"
    return wrong_seeds(found.get("seeds", 1)) or _wrong_variation(found) or _wrong_form(found)


def _wrong_form(found: dict[str, Any]) -> str:
    """What is wrong with the form of columns, other tables, comparisons and figure, or nothing."""
    unknown = [name for name in found.get("show", []) if not isinstance(name, str) or name not in HEADINGS]
    if unknown or found.get("show") == []:
        return f"`show` must be a list of {', '.join(HEADINGS)}{f', not {unknown[0]!r}' if unknown else ''}"
    if reason := repeated("show", found.get("show", [])):
        return reason
    if not all(isinstance(table, str) and table for table in _listed(found.get("rows_from", []))):
        return "`rows_from` must be a list of tables"
    return _wrong_comparison(found) or wrong_figure_form(found)


def wrong_storage(storage: Sequence[object], params: Collection[str] = ()) -> str:
    """What is wrong with the storages of a sweep in which these params vary, or nothing."""
    unknown = [name for name in storage if name not in STORAGES]
    if unknown or not storage:
        given = f"not {unknown[0]}" if unknown else "and not empty"
        return f"`{STORAGE}` must be a list of {', '.join(STORAGES)}, {given}"
    if STORAGE in params:
        return f"`{STORAGE}` is a param that varies too: give the param another name"
    return repeated(STORAGE, [str(name) for name in storage])


def wrong_names(params: Collection[str], columns: Collection[str] = ()) -> str:
    """What is wrong with the names of params that vary, or nothing; `columns` vary beside them and are called so."""
    if SEED in params:
        return f"`{SEED}` is what a sweep sets itself: give `seeds`, and leave the param away"
    taken = next((name for name in columns if name in params), None)
    return "" if taken is None else f"`{taken}` is a param that varies too: give the param another name"


def _wrong_variation(found: dict[str, Any]) -> str:
    """What is wrong with what varies, or nothing."""
    several = {key: found[key] for key in (SPEC, ENSEMBLE) if isinstance(found.get(key), list)}
    for key, names in several.items():
        if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
            return f"`{key}` must be a list of different names"
    if reason := wrong_names(found.get("vary", {}), {*several, *((ENSEMBLE,) if "ensembles" in found else ())}):
        return reason
    if STORAGE in found and (reason := wrong_storage(found[STORAGE], found.get("vary", {}))):
        return reason
    if not several and "ensembles" not in found and not any(found.get(key) for key in ("vary", STORAGE, "seeds")):
        return "it needs `vary`, or `seeds`"
    in_specs = _wrong_ensembles(found) if "ensembles" in found else ""
    return in_specs or _same_stem(several.get(SPEC, [])) or _wrong_values(found.get("vary", {}))


def _wrong_values(vary: dict[str, Any]) -> str:
    """What is wrong with the values of params, or nothing."""
    wrong = [name for name, values in vary.items() if not isinstance(values, list) or not values]
    if wrong:
        return f"`{wrong[0]}` must be a list of values"
    written = {name: [as_written(value) for value in values] for name, values in vary.items()}
    return next((told for name, values in written.items() if (told := repeated(name, values))), "")


def _same_stem(specs: Sequence[str]) -> str:
    """What is wrong where two specs lie in different folders under one name, by which rows and runs are called."""
    stems = [Path(spec).stem for spec in specs]
    twice = next((stem for number, stem in enumerate(stems) if stem in stems[:number]), None)
    return "" if twice is None else f"`{SPEC}` has two files called `{twice}`, by which rows are named: rename one"


def _wrong_ensembles(found: dict[str, Any]) -> str:
    """What is wrong with the ensembles by their specs, or nothing."""
    if SPEC in found or ENSEMBLE in found:
        return "`ensembles` stands in place of `spec` and `ensemble`: leave these away"
    lists = [*found["ensembles"].values()]
    if not lists or not all(isinstance(names, list) and names for names in lists):
        return "`ensembles` must have a list of names for each spec"
    names = [name for part in lists for name in part]
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        return "`ensembles` must be lists of different names"
    return ""


def _listed(names: str | list[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)
