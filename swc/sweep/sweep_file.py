"""Reads a sweep file.

Takes TOML; gives `Sweep`. Guarantees: a key that is unknown, a value of another type or a name that the sweep has not
got is a DiagnosticError with the reason; paths count from the folder of the file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import evolve

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.sweeps import NotASweep
from swc.diagnostics.sources import read_source
from swc.program.limits import SCALES
from swc.sweep.columns import HEADINGS
from swc.sweep.cost_figure import cost_figure, wrong_figure, wrong_figure_form
from swc.sweep.faults import wrong_names, wrong_pair, wrong_storage
from swc.sweep.plan import ENSEMBLE, SPEC, STORAGE, SettingPair, Sweep
from swc.sweep.seeds import wrong_seeds
from swc.sweep.values import as_written, repeated, written_in_file

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
            return f"`{key}` must not be {written_in_file(value)}"
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
        given = f"not {written_in_file(unknown[0])}" if unknown else "and not empty"
        return f"`show` must be a list of {', '.join(HEADINGS)}, {given}"
    if reason := repeated("show", found.get("show", [])):
        return reason
    if not all(isinstance(table, str) and table for table in _listed(found.get("rows_from", []))):
        return "`rows_from` must be a list of tables"
    return _wrong_comparison(found) or wrong_figure_form(found)


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
