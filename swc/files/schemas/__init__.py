"""The defaults of every schema, frozen: what a file means by a field that it has not got.

`N.json` beside this file lists every class that files of schema N hold, and the defaults of its fields. The newest is
held to the classes by a test; an older one never changes, unless a new field should mean something else for the files
of its time than for new ones: then the field is added there by hand.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from swc.program.program import SCHEMA

OLDEST = 2  # the oldest schema that can be read
FOLDER = Path(__file__).parent

Defaults = Mapping[str, Mapping[str, Any]]  # by class and field, as JSON has them


@cache
def defaults_of(schema: int) -> Defaults:
    """The defaults of a schema; none for one that nothing was frozen for."""
    path = FOLDER / f"{schema}.json"
    found: Defaults = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return found


def missing_fields(name: str, given: Mapping[str, Any], schema: int) -> dict[str, Any]:
    """Values for the fields of the class `name` that an object of a file has not got.

    Each is that of the first schema, from the file's own on, which knows the field.
    """
    found: dict[str, Any] = {}
    for number in range(schema, SCHEMA + 1):
        known = defaults_of(number).get(name, {})
        found = {**known, **found}
    return {field: value for field, value in found.items() if field not in given}
