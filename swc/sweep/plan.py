"""What a sweep runs: every combination of the varied params, with every seed.

Takes the command line or a sweep file; gives `Sweep`. Guarantees: cells come in a settled order, settings first, seeds
last, whatever the order of running; a cell's name is a folder's name and tells its values.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Sequence
from itertools import product
from math import prod
from pathlib import Path
from typing import Any
from urllib.parse import quote

from attrs import field, frozen

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.limits import TooManyCells
from swc.diagnostics.catalogue.sweeps import NotASweep
from swc.diagnostics.sources import read_source
from swc.program.limits import CELLS
from swc.sweep.seeds import Seeds, num_seeds, seeds_of, wrong_seeds

Setting = tuple[tuple[str, str], ...]  # the varied params with their values, as written in a spec
KEYS: dict[str, type | tuple[type, ...]] = {
    "spec": (str, list),
    "ensemble": (str, list),
    "epochs_scale": (int, float),
    "seeds": (int, str, list),
    "by_seed": bool,
    "table": str,
    "compare": list,
    "figure": dict,
    "vary": dict,
}
SIDES = ("of", "against")  # of a comparison
ACROSS = ("stored", "multiply_adds", "train_seconds")  # costs against which scores can be drawn
SEED = "seed"  # what it is called in a cell's name
SPEC, ENSEMBLE = "spec", "ensemble"  # what specs and ensembles are called beside the params, where several are run


@frozen
class Cell:
    """One run: the values of the varied params, and the seed."""

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
class CostFigure:
    """That scores are drawn against the cost `across`: a line for each label, through settings by their one value."""

    across: str
    lines: tuple[tuple[str, tuple[str, ...]], ...]


@frozen
class Sweep:
    """Specs with values for some of their params; each combination runs with every seed.

    `seeds` may be given as a number N, for 0 to N - 1. Without `ensembles` a spec's only one is run. `by_seed` runs all
    settings of the first seed, then all of the second. `table` is the CSV file that keeps the rows of finished cells.
    Of `compare` the summary gives the differences by seed; `figure` is what the figure shows, unless a param.
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
        """What varies: specs and ensembles, where there are several, and the params."""
        named = ((SPEC, tuple(spec.stem for spec in self.specs)), (ENSEMBLE, self.ensembles))
        return (*((name, values) for name, values in named if len(values) > 1), *self.vary)

    def spec_of(self, setting: Setting) -> tuple[Path, dict[str, str], str | None]:
        """The spec of a setting, the values of its params, and which ensemble of it."""
        params = dict(setting)
        chosen = params.pop(SPEC) if len(self.specs) > 1 else self.specs[0].stem
        only = self.ensembles[0] if self.ensembles else None
        ensemble = params.pop(ENSEMBLE, only) if len(self.ensembles) > 1 else only
        return next(spec for spec in self.specs if spec.stem == chosen), params, ensemble

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Every run, in the order of tables."""
        return tuple(Cell(setting, seed) for setting in self.settings for seed in self.seeds)

    @property
    def running_order(self) -> tuple[Cell, ...]:
        """Every run, in the order in which they begin."""
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
    vary = tuple(
        (name, tuple(_as_written(value) for value in values)) for name, values in found.get("vary", {}).items()
    )
    made = Sweep(
        path.stem,
        tuple(path.parent / spec for spec in _listed(found["spec"])),
        vary,
        found.get("seeds", 1),
        _listed(found.get("ensemble", [])),
        float(found.get("epochs_scale", 1.0)),
        found.get("by_seed", False),
        path.parent / found["table"] if "table" in found else None,
        tuple(_pair(one) for one in found.get("compare", [])),
        _cost_figure(found["figure"]) if "figure" in found else None,
    )
    wrong_pairs = (_wrong_pair(made, pair) for pair in made.compare)
    if reason := next(filter(None, (*wrong_pairs, _wrong_figure(made))), ""):
        raise DiagnosticError(NotASweep(path=str(path), reason=reason))
    return made


def _pair(found: dict[str, dict[str, Any]]) -> SettingPair:
    of, against = (tuple((n, _as_written(value)) for n, value in found[side].items()) for side in SIDES)
    return SettingPair(of, tuple(sorted(against, key=lambda part: [name for name, _ in of].index(part[0]))))


def _wrong_pair(sweep: Sweep, pair: SettingPair) -> str:
    """What of a comparison the sweep has not got, or nothing."""
    known = dict(sweep.columns)
    for name, value in (*pair.of, *pair.against):
        if name not in known:
            return f"`compare` names `{name}`, which does not vary"
        if value not in known[name]:
            return f"`compare` names the value {value} of `{name}`, which is not run"
    return "`compare` must name two settings that differ" if pair.of == pair.against else ""


def _cost_figure(found: dict[str, Any]) -> CostFigure:
    lines = ((label, tuple(map(_as_written, values))) for label, values in found["lines"].items())
    return CostFigure(found["across"], tuple(lines))


def _wrong_figure(sweep: Sweep) -> str:
    """What the figure asks for that the sweep has not got, or nothing."""
    if sweep.figure is None:
        return ""
    if len(sweep.columns) != 1:
        return "`figure` needs a sweep in which one thing varies"
    name, values = sweep.columns[0]
    drawn = (value for _, line in sweep.figure.lines for value in line)
    missing = next((value for value in drawn if value not in values), None)
    return "" if missing is None else f"`figure` names the value {missing} of `{name}`, which is not run"


def _wrong_figure_form(found: dict[str, Any]) -> str:
    """What is wrong with the form of the figure, or nothing."""
    if "figure" not in found:
        return ""
    if set(found["figure"]) != {"across", "lines"}:
        return "`figure` must have `across` and `lines`"
    across, lines = found["figure"]["across"], found["figure"]["lines"]
    if across not in ACROSS:
        return f"`across` of `figure` must be one of {', '.join(ACROSS)}"
    if not isinstance(lines, dict) or not all(isinstance(line, list) for line in lines.values()):
        return "`lines` of `figure` must be lists of values by label"
    return ""


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
    if not found.get("spec"):
        return "it needs `spec`"
    return wrong_seeds(found.get("seeds", 1)) or _wrong_variation(found) or _wrong_form(found)


def _wrong_form(found: dict[str, Any]) -> str:
    """What is wrong with the form of comparisons and figure, or nothing."""
    return _wrong_comparison(found) or _wrong_figure_form(found)


def _wrong_variation(found: dict[str, Any]) -> str:
    """What is wrong with what varies, or nothing."""
    several = {key: found[key] for key in (SPEC, ENSEMBLE) if isinstance(found.get(key), list)}
    for key, names in several.items():
        if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
            return f"`{key}` must be a list of different names"
    if not several and not found.get("vary"):
        return "it needs `vary`"
    wrong = [name for name, values in found.get("vary", {}).items() if not isinstance(values, list) or not values]
    if wrong:
        return f"`{wrong[0]}` must be a list of values"
    written = {name: [_as_written(value) for value in values] for name, values in found.get("vary", {}).items()}
    return next((told for name, values in written.items() if (told := repeated(name, values))), "")


def values_in(text: str) -> tuple[str, ...]:
    """The values that stand between commas; those inside of a list or a text part nothing."""
    found, depth, is_text = [""], 0, False
    for character in text:
        is_text ^= character == '"'
        depth += 0 if is_text else (character == "[") - (character == "]")
        if character == "," and not is_text and depth == 0:
            found.append("")
        else:
            found[-1] += character
    return tuple(found)


def repeated(name: str, values: Sequence[str]) -> str:
    """What is wrong where a value stands twice, or nothing: one run would count as two."""
    (twice, times), *_ = Counter(values).most_common(1) or [("", 0)]
    return f"`{name}` has the value {twice} twice" if times > 1 else ""


def _listed(names: str | list[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _as_written(value: object) -> str:
    return value if isinstance(value, str) else _inside(value)


def _inside(value: object) -> str:
    """A value as it stands in a list."""
    match value:
        case list():
            return f"[{', '.join(map(_inside, value))}]"
        case bool():
            return "yes" if value else "no"
        case str():
            return f'"{value}"'
        case _:
            return repr(value)
