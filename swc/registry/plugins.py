"""Rows that installed packages offer through entry points.

Takes what is wanted (by a registry) and a name; gives the row and the distribution it comes from. Guarantees: nothing
is imported but what offers the name; whatever goes wrong in a plug-in's own code is told as its fault, with its name.

A package offers an optimiser `lion` so, in its pyproject.toml; `row` is an `OptimiserRow` in a torch-free module:

    [project.entry-points."swc.optimisers"]
    lion = "swc_lion:row"
"""

from __future__ import annotations

import sys
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from traceback import extract_tb
from typing import Any, TypeVar

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.plugins import AmbiguousPlugIn, BrokenPlugIn
from swc.registry.offers import PlugIn, RowRequest
from swc.registry.row import NAME, RegistryRow

R = TypeVar("R", bound=RegistryRow)


def names_in(group: str) -> tuple[str, ...]:
    """The names that plug-ins offer, sorted; none of them is imported."""
    return tuple(sorted({point.name for point in _points(group, tuple(sys.path)) if NAME.fullmatch(point.name)}))


def row_of(registry: RowRequest[R], name: str) -> R | None:
    """The row that a plug-in offers under a name, or None; DiagnosticError where it is broken or there are several."""
    point = _point(registry, name)
    if point is None:
        return None
    try:
        row = point.load()
    except Exception as error:
        raise _broken(registry, point, _said(error)) from error
    if not isinstance(row, registry.row):
        raise _broken(registry, point, f"`{point.value}` is a {type(row).__name__}, not a {registry.row.__name__}")
    if row.name != name:
        raise _broken(registry, point, f"its row calls itself `{row.name}`")
    if fault := row.fault():
        raise _broken(registry, point, fault)
    return row


def origin_of(registry: RowRequest[Any], name: str) -> PlugIn | None:
    """The distribution that offers a name, without importing it."""
    point = _point(registry, name)
    return None if point is None else PlugIn(registry.kind, name, *_distribution(point))


def loaded(registry: RowRequest[R], row: R) -> Any:
    """The implementation of a plug-in's row; DiagnosticError where it cannot be imported."""
    try:
        return row.load()
    except Exception as error:
        point = _point(registry, row.name)
        assert point is not None, "the row was read from it"
        raise _broken(registry, point, f"`{row.implementation}`: {_said(error)}") from error


def called(registry: RowRequest[R], name: str, implementation: Any, *given: Any, **values: Any) -> Any:
    """What a plug-in's implementation gives; DiagnosticError for what it raises, with the line where that is known."""
    try:
        return implementation(*given, **values)
    except DiagnosticError:
        raise
    except Exception as error:
        raise broken(registry, name, f"`{name}` raised {_said(error)}{_place(error)}") from error


def _place(error: Exception) -> str:
    """` (file.py:5)`, the innermost line of the file that was called; "" where it was not entered at all."""
    frames = extract_tb(error.__traceback__)[1:]  # the first is the call
    lines = [
        f" ({Path(frame.filename).name}:{frame.lineno})" for frame in frames if frame.filename == frames[0].filename
    ]
    return lines[-1] if lines else ""


def broken(registry: RowRequest[Any], name: str, reason: str) -> DiagnosticError:
    """What to raise where a plug-in's implementation does not do what its row says."""
    point = _point(registry, name)
    assert point is not None, "the row was read from it"
    return _broken(registry, point, reason)


def _point(registry: RowRequest[Any], name: str) -> EntryPoint | None:
    offers = {point.value: point for point in _points(registry.group, tuple(sys.path)) if point.name == name}
    if len(offers) > 1:
        distributions = tuple(sorted(_distribution(point)[0] for point in offers.values()))
        raise DiagnosticError(AmbiguousPlugIn(kind=registry.kind, name=name, distributions=distributions))
    return next(iter(offers.values()), None)


@cache
def _points(group: str, path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """The entry points that are found on `path`, which must be `sys.path`; read once for each."""
    return tuple(entry_points(group=group))


def _distribution(point: EntryPoint) -> tuple[str, str]:
    return ("an unknown package", "0") if point.dist is None else (point.dist.name, point.dist.version)


def _broken(registry: RowRequest[Any], point: EntryPoint, reason: str) -> DiagnosticError:
    distribution, version = _distribution(point)
    return DiagnosticError(
        BrokenPlugIn(kind=registry.kind, name=point.name, distribution=distribution, version=version, reason=reason)
    )


def _said(error: Exception) -> str:
    first = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}"
