"""What older files mean by fields they have not got: defaults frozen for every schema, and held to the classes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import attrs
import pytest
from swc.files import codec, schemas
from swc.files.codec import decode, encode, hash_of, hash_of_text
from swc.files.converter import converter_of
from swc.files.kinds import FILE_KINDS
from swc.program.program import SCHEMA
from swc.program.training import Recipe

FILES = tuple(kind.content for kind in FILE_KINDS.values() if kind.layout == "canonical")
ADVICE = f"the classes of files have changed: raise SCHEMA to {SCHEMA + 1}, then SWC_UPDATE=1 pytest tests/unit"


def classes(roots: tuple[Any, ...]) -> set[type]:
    """The classes that files are made of, the roots and everything below them."""
    known: set[type] = set()
    waiting = [cls for root in roots for cls in parts(root) if attrs.has(cls)]
    while waiting:
        cls = waiting.pop()
        if cls not in known:
            known.add(cls)
            waiting += [part for hint in get_type_hints(cls).values() for part in parts(hint) if attrs.has(part)]
    return known


def parts(hint: object) -> Iterator[type]:
    if isinstance(hint, type):
        yield hint
    for inner in get_args(hint):
        yield from parts(inner)


def current() -> dict[str, dict[str, Any]]:
    """The defaults of today's classes, as JSON has them."""
    return {cls.__name__: defaults(cls) for cls in sorted(classes(FILES), key=lambda cls: cls.__name__)}


def defaults(cls: type) -> dict[str, Any]:
    converter = converter_of(schema=SCHEMA)
    found = {field.name: field.default for field in attrs.fields(cls) if field.default is not attrs.NOTHING}
    return {name: json.loads(json.dumps(converter.unstructure(value))) for name, value in sorted(found.items())}


def test_the_newest_defaults_are_those_of_the_classes() -> None:
    path = schemas.FOLDER / f"{SCHEMA}.json"
    if os.environ.get("SWC_UPDATE") and not path.exists():
        path.write_text(json.dumps(current(), indent=1, sort_keys=True) + "\n", "utf-8")
    assert json.loads(path.read_text("utf-8")) == current(), ADVICE


def test_every_schema_that_can_be_read_is_frozen() -> None:
    numbers = sorted(int(path.stem) for path in schemas.FOLDER.glob("*.json"))
    assert numbers == list(range(schemas.OLDEST, SCHEMA + 1))


def test_no_two_classes_of_files_have_one_name() -> None:
    names = sorted(cls.__name__ for cls in classes(FILES))
    assert names == sorted(set(names))


def test_what_does_not_count_is_named() -> None:
    ignored = {field.name for cls in classes(FILES) for field in attrs.fields(cls) if not field.eq}
    assert ignored == codec.UNCOMPARED


RECIPE = Recipe("cifar", batch=64)


def without(text: str, *fields: str) -> str:
    return json.dumps({key: value for key, value in json.loads(text).items() if key not in fields})


def test_a_hash_of_text_is_that_of_the_object() -> None:
    assert hash_of_text(encode(RECIPE)) == hash_of(RECIPE)


def test_a_hash_of_text_stays_when_a_class_gets_a_field() -> None:
    before = without(encode(RECIPE), "seed")
    assert hash_of_text(before) != hash_of(decode(before, Recipe))
    assert hash_of_text(before) == hash_of_text(before)


def test_a_missing_field_has_the_default_of_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever today's default is: the class says None, the files of that time meant 16."""
    then = {**schemas.defaults_of(SCHEMA), "Recipe": {"norm_batch": 16}}
    monkeypatch.setattr(schemas, "defaults_of", lambda _: then)
    assert decode(without(encode(RECIPE), "norm_batch"), Recipe).norm_batch == 16
    assert decode(encode(RECIPE), Recipe).norm_batch is None


def test_the_first_schema_that_knows_a_field_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    tables: dict[int, dict[str, dict[str, Any]]] = {
        SCHEMA: {"Recipe": {"seed": 0}},
        SCHEMA + 1: {"Recipe": {"seed": 1, "norm_batch": 16}},
        SCHEMA + 2: {"Recipe": {"seed": 2, "norm_batch": 32}},
    }
    monkeypatch.setattr(schemas, "SCHEMA", SCHEMA + 2)
    monkeypatch.setattr(schemas, "defaults_of", lambda number: tables[number])
    found = decode(without(encode(RECIPE), "seed", "norm_batch"), Recipe)
    assert (found.seed, found.norm_batch) == (0, 16)
