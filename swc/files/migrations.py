"""What objects of older files become, where more than a field was added to their class.

Takes an object of a file as JSON has it, its class's name and the file's schema; gives the object as files of today
have it. Guarantees: keys that the class never had are passed on, so that they are refused as in a file of today.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen

from swc.files.schemas import defaults_of

Plain = dict[str, Any]


@frozen
class Migration:
    """How objects of the class `name` in files before schema `before` are changed, once their own defaults are in."""

    name: str
    before: int
    change: Callable[[Plain], Plain]


def migrated(name: str, given: Mapping[str, Any], schema: int) -> Plain:
    """An object of a file of this schema as today's files have it; missing fields are left to `missing_fields`."""
    found = dict(given)
    for migration in MIGRATIONS:
        if migration.name == name and schema < migration.before:
            found = migration.change({**defaults_of(schema).get(name, {}), **found})
    return found


def _optimiser(given: Plain) -> Plain:
    """Until schema 3 there was stochastic gradient descent alone, each of its arguments a field."""
    return {"name": "sgd", **_with_arguments(given, ("lr", "momentum", "nesterov", "weight_decay"))}


def _schedule(given: Plain) -> Plain:
    """Until schema 3 every schedule had the fields of `steps`: {"kind": "cosine", "milestones": [], "factor": 0.2}."""
    renamed = {{"kind": "name", "milestones": "at"}.get(key, key): value for key, value in given.items()}
    if renamed["name"] == "steps":
        return _with_arguments(renamed, ("at", "factor"))
    return {**{key: value for key, value in renamed.items() if key not in ("at", "factor")}, "arguments": []}


def _with_arguments(given: Plain, names: tuple[str, ...]) -> Plain:
    rest = {key: value for key, value in given.items() if key not in names}
    return {**rest, "arguments": [[name, given[name]] for name in names]}


MIGRATIONS: tuple[Migration, ...] = (Migration("Optimiser", 4, _optimiser), Migration("Schedule", 4, _schedule))
