"""A hash of plain data that stays the same when its classes get new fields.

Takes an attrs object of the vocabulary, gives text. Guarantees: objects of equal meaning give one hash, in this version
and in later ones that have added fields; objects that differ in what counts in comparisons give different ones. Rows of
measurements that are kept for years know by it what they were measured of.

A field is left out where it has the value that the first schema which knows it gives to files without it. So an object
from before there was the field, and one of today in which the field means the same, are written alike. A worked
example: a `Share` of schema 4 has no `gains`. When schema 5 adds it with the default "none", a `Share` whose gains are
"none" keeps its hash, whatever the default of schema 6 is, and any other value gives another hash.
"""

from __future__ import annotations

import json
from functools import cache
from hashlib import sha256
from typing import Any

import attrs

from swc.files import schemas
from swc.files.codec import UNCOMPARED
from swc.files.converter import converter_of
from swc.program.program import SCHEMA

BEGIN = 4  # the schema of the first fingerprints
WORDS = frozenset({"defaults", "plug_ins"})  # of a spec: they say where values came from, and not what they are


def fingerprint_of(obj: object) -> str:
    """The SHA-256, in hexadecimal, of what an attrs object says, but for spans and words about it."""
    return sha256(json.dumps(_essence(obj), sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _essence(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return [_essence(part) for part in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)  # 18M of a budget may be 18000000 or 18000000.0, which are equal
    if not attrs.has(type(value)):
        return value
    cls: Any = type(value)
    essences = {name: _essence(getattr(value, name)) for name in _compared_fields(cls)}
    first = _first_defaults(cls)
    said = {name: part for name, part in essences.items() if name not in first or part != first[name]}
    return {"type": cls.__name__, **said}


@cache
def _compared_fields(cls: type) -> tuple[str, ...]:
    return tuple(field.name for field in attrs.fields(cls) if field.name not in UNCOMPARED | WORDS)


@cache
def _first_defaults(cls: type) -> dict[str, Any]:
    """By field the essence of what the first schema that knows it gives to files without it."""
    attrs.resolve_types(cls)
    found: dict[str, Any] = {}
    for schema in range(BEGIN, SCHEMA + 1):
        known = schemas.defaults_of(schema).get(cls.__name__, {})
        for name in (name for name in _compared_fields(cls) if name in known and name not in found):
            kind: Any = attrs.fields_dict(cls)[name].type
            found[name] = _essence(converter_of(schema=schema).structure(known[name], kind))
    return found
