"""Plain data to canonical JSON and back, and the hash of plain data.

Takes any frozen attrs object of the vocabulary (or a tuple of such), gives text. Guarantees: equal objects give equal
bytes; keys are sorted, and every entry of a top-level list has a line of its own, so that files can be compared line
by line; decoding is strict: an unknown key, a wrong type, a newer schema or damaged text is a `DiagnosticError`. A
field that an older file has not got takes the default of the schema the file was written under, never today's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache
from hashlib import sha256
from itertools import islice
from math import isfinite
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin, overload

import attrs

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.formats import DamagedFile, UnknownSchema, WrongContent, WrongFileType
from swc.diagnostics.catalogue.plugins import MissingPlugIn
from swc.files.migrations import migrated
from swc.files.names import fault_of
from swc.files.plain_json import compact, read_json
from swc.files.schemas import OLDEST, missing_fields
from swc.program.program import SCHEMA
from swc.registry.kinds import KINDS
from swc.registry.offers import PlugIn

if TYPE_CHECKING:
    from cattrs import Converter

T = TypeVar("T")
_PRIMITIVES: tuple[type, ...] = (bool, int, float, str)
UNCOMPARED = frozenset({"span", "train_span", "multiply_adds"})  # the fields that do not count in comparisons
LARGEST = 2**63 - 1  # what a whole number of the project's may be
MOST_DETAILS = 20  # mistakes of a file that an error lists


def encode(obj: object) -> str:
    """Canonical JSON of an attrs object or of a tuple of attrs objects, with its schema and type.

    ValueError where a number is not finite.
    """
    return _canonical(_document(obj, _converter(spans=True)))


def hash_of(obj: object, schema: int = SCHEMA) -> str:
    """The SHA-256, in hexadecimal, of the canonical JSON without what does not count in comparisons (spans).

    `schema` is the one under which the object is said to be written.
    """
    return _digest({**_document(obj, _converter(spans=False)), "schema": schema})


def hash_of_text(text: str, origin: str = "") -> str:
    """What `hash_of` gave for the object when its file was written, whatever fields its class has got since.

    By this a run is known for good. DiagnosticError where the text is no JSON object.
    """
    return _digest(_compared(_parsed(text, origin)))


def _digest(document: dict[str, Any]) -> str:
    return sha256(_canonical(document).encode()).hexdigest()


def _compared(value: Any) -> Any:
    match value:
        case dict():
            return {key: _compared(part) for key, part in value.items() if key not in UNCOMPARED}
        case list():
            return [_compared(part) for part in value]
        case _:
            return value


@overload
def decode(text: str, cls: type[T], origin: str = "") -> T: ...
@overload
def decode(text: str, cls: object, origin: str = "") -> Any: ...
def decode(text: str, cls: object, origin: str = "") -> Any:
    """Read what `encode` wrote: `cls` is the class, a union of classes, or `tuple[Class, ...]`.

    `origin` names the file in errors. Raises `DiagnosticError` where the text is not such a file.
    """
    document = _parsed(text, origin)
    found = document.pop("type", None)
    if not _fits(found, cls):
        raise DiagnosticError(WrongFileType(origin=origin, found=str(found), wanted=_label(cls)))
    schema = document.pop("schema", None)
    if type(schema) is not int or not OLDEST <= schema <= SCHEMA:
        raise DiagnosticError(UnknownSchema(origin=origin, found=str(schema), wanted=SCHEMA))
    return held_to_rules(_structured(_body(document, cls, found), cls, origin, schema), origin)


def held_to_rules(found: T, origin: str = "") -> T:
    """What was decoded; DiagnosticError where a name or a number in it is none (`swc.files.names`).

    Where a name is a plug-in's that is not installed, the diagnostic says what to install.
    """
    missing = [one for one in getattr(found, "plug_ins", ()) if not _is_installed(one)]
    if missing:
        raise DiagnosticError(*(MissingPlugIn(**attrs.asdict(one), origin=origin) for one in missing))
    fault = fault_of(found)
    if fault is not None:
        raise DiagnosticError(WrongContent(origin=origin, details=(f"${fault}",)))
    return found


def _is_installed(plug_in: PlugIn) -> bool:
    return plug_in.kind in KINDS and KINDS[plug_in.kind].origin(plug_in.name) is not None


def finite_json(value: Any) -> Any:
    """Plain data as JSON has it: tuples are lists, and numbers that are not finite null."""
    match value:
        case dict():
            return {key: finite_json(part) for key, part in value.items()}
        case list() | tuple():
            return [finite_json(part) for part in value]
        case float() if not isfinite(value):
            return None
        case _:
            return value


def _document(obj: object, converter: Converter) -> dict[str, Any]:
    if isinstance(obj, tuple):
        kinds = sorted({type(item).__name__ for item in obj})
        items = [converter.unstructure(item) for item in obj]
        return {"schema": SCHEMA, "type": "|".join(kinds) + "[]", "items": items}
    if not attrs.has(type(obj)):
        raise ValueError(f"{type(obj).__name__} is no plain data of this project")
    return {"schema": SCHEMA, **converter.unstructure(obj), "type": type(obj).__name__}


def _canonical(document: dict[str, Any]) -> str:
    lines = (f"{json.dumps(key)}: {_value(document[key])}" for key in sorted(document))
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _value(value: object) -> str:
    if not isinstance(value, (list, tuple)) or not value:
        return _compact(value)
    return "[\n" + ",\n".join(" " + _compact(item) for item in value) + "\n]"


def _compact(value: object) -> str:
    return json.dumps(value, sort_keys=True, allow_nan=False, ensure_ascii=False)


def _parsed(text: str, origin: str) -> dict[str, Any]:
    try:
        document = read_json(text)
    except ValueError as error:
        raise DiagnosticError(DamagedFile(origin=origin, detail=str(error))) from error
    if not isinstance(document, dict):
        raise DiagnosticError(DamagedFile(origin=origin, detail="the file holds no JSON object"))
    return document


def _body(document: dict[str, Any], cls: object, found: object) -> object:
    if get_origin(cls) is tuple:
        extra = sorted(set(document) - {"items"})
        return document if extra else document.get("items")
    if _is_tagged(cls):
        return {**document, "type": found}
    if isinstance(cls, type) and attrs.has(cls) and "schema" in attrs.fields_dict(cls):
        return {**document, "schema": SCHEMA}
    return document


def _fits(found: object, cls: object) -> bool:
    if not isinstance(found, str):
        return False
    if get_origin(cls) is not tuple:
        return found in {c.__name__ for c in _classes(cls)}
    names = set(str(found).removesuffix("[]").split("|")) - {""}
    return str(found).endswith("[]") and names <= {c.__name__ for c in _classes(get_args(cls)[0])}


def _label(cls: object) -> str:
    if get_origin(cls) is tuple:
        return _label(get_args(cls)[0]) + "[]"
    return " or ".join(c.__name__ for c in _classes(cls))


def _classes(cls: object) -> tuple[type, ...]:
    return tuple(c for c in get_args(cls) if c is not NoneType) if _is_union(cls) else (cls,)  # type: ignore[return-value]


def _structured(body: object, cls: object, origin: str, schema: int) -> Any:
    from cattrs.errors import BaseValidationError, ForbiddenExtraKeysError

    try:
        return _converter(spans=True, schema=schema).structure(body, cls)  # type: ignore[arg-type]
    except (BaseValidationError, ForbiddenExtraKeysError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise DiagnosticError(WrongContent(origin=origin, details=_details(body, cls, error, schema))) from error


def _details(body: object, cls: object, error: Exception, schema: int) -> tuple[str, ...]:
    """Decode once more, slowly, for the places of the mistakes."""
    from cattrs import transform_error
    from cattrs.errors import BaseValidationError

    try:
        _converter(spans=True, detailed=True, schema=schema).structure(body, cls)  # type: ignore[arg-type]
    except BaseValidationError as detailed:
        return tuple(islice(transform_error(detailed), MOST_DETAILS))
    except (AttributeError, KeyError, TypeError, ValueError) as plain:
        return (str(plain),)
    return (str(error),)


@cache
def _converter(*, spans: bool, detailed: bool = False, schema: int = SCHEMA) -> Converter:
    """The strict converter for files of a schema; `spans` false leaves out what does not count in comparisons."""
    from cattrs import Converter

    converter = Converter(forbid_extra_keys=True, detailed_validation=detailed)
    for kind in _PRIMITIVES:
        converter.register_structure_hook(kind, _reader_of((kind,)))
    converter.register_unstructure_hook(float, float)  # 18000000 and 18000000.0 are one number in a float field
    converter.register_structure_hook_factory(_is_primitive_union, lambda cls: _reader_of(get_args(cls)))
    converter.register_unstructure_hook_factory(_is_primitive_union, lambda _: _same)
    converter.register_structure_hook_factory(_is_nested_union, _nested_reader)
    converter.register_unstructure_hook_factory(_is_nested_union, lambda _: _same)
    converter.register_structure_hook_factory(_is_literal, _literal_reader)
    converter.register_structure_hook_factory(_is_tuple, lambda cls: _tuple_reader(cls, converter))
    converter.register_structure_hook_factory(attrs.has, lambda cls: _object_reader(cls, converter, schema))
    converter.register_structure_hook_factory(_is_tagged, lambda cls: _tagged_reader(cls, converter))
    converter.register_unstructure_hook_factory(_is_tagged, lambda _: _tagged_writer(converter))
    if not spans:
        converter.register_unstructure_hook_factory(attrs.has, lambda cls: _spanless_writer(cls, converter))
    return converter


def _same(value: Any) -> Any:
    return value


def _is_union(cls: object) -> bool:
    return get_origin(cls) in (Union, UnionType)


def _is_primitive_union(cls: object) -> bool:
    return _is_union(cls) and all(kind in _PRIMITIVES for kind in get_args(cls))


def _is_nested_union(cls: object) -> bool:
    """Primitive types, and lists of such in any depth."""
    kinds = get_args(cls) if _is_union(cls) else ()
    return any(map(_is_tuple, kinds)) and all(kind in _PRIMITIVES or _is_tuple(kind) for kind in kinds)


def _nested_reader(cls: Any) -> Callable[[Any, Any], Any]:
    single = _reader_of([kind for kind in get_args(cls) if not _is_tuple(kind)])

    def read(value: Any, wanted: Any) -> Any:
        return tuple(read(item, wanted) for item in value) if isinstance(value, list) else single(value, wanted)

    return read


def _is_tagged(cls: object) -> bool:
    kinds = [kind for kind in get_args(cls) if kind is not NoneType] if _is_union(cls) else []
    return len(kinds) > 1 and all(attrs.has(kind) for kind in kinds)


def _is_tuple(cls: object) -> bool:
    return get_origin(cls) is tuple


def _is_literal(cls: object) -> bool:
    return get_origin(cls) is Literal


def _literal_reader(cls: Any) -> Callable[[Any, Any], Any]:
    words = get_args(cls)

    def read(value: Any, _: Any) -> Any:
        if type(value) is str and value in words:
            return value
        raise ValueError(f"{compact(value)} is none of {', '.join(words)}")

    return read


def _reader_of(kinds: Sequence[type]) -> Callable[[Any, Any], Any]:
    """A hook that takes values of these primitive types as they are; a whole number may stand for a float."""
    taken = frozenset(kinds)

    def read(value: Any, _: Any) -> Any:
        if type(value) is int and not -LARGEST <= value <= LARGEST:
            raise ValueError("a whole number is beyond 64 bits")
        if type(value) in taken:
            return value
        if float in taken and type(value) is int:
            return float(value)
        wanted = " or ".join(kind.__name__ for kind in kinds)
        raise ValueError(f"{compact(value)} is not of type {wanted}")

    return read


def _tuple_reader(cls: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    kinds = get_args(cls)
    same = len(kinds) == 2 and kinds[1] is Ellipsis

    def read(value: Any, _: Any) -> Any:
        if not isinstance(value, list):
            raise ValueError(f"{compact(value)} is not a list")
        if not same and len(value) != len(kinds):
            raise ValueError(f"{len(value)} entries where {len(kinds)} belong")
        wanted = kinds[:1] * len(value) if same else kinds
        if converter.detailed_validation:
            return _each_named(value, wanted, cls, converter)
        return tuple(converter.structure(part, kind) for part, kind in zip(value, wanted, strict=True))

    return read


def _each_named(values: list[Any], kinds: Sequence[Any], cls: Any, converter: Converter) -> tuple[Any, ...]:
    """The entries of a list; the mistakes of all of them are collected, each with its place."""
    from cattrs.errors import BaseValidationError, IterableValidationError, IterableValidationNote

    read: list[Any] = []
    errors: list[Exception] = []
    for place, (value, kind) in enumerate(zip(values, kinds, strict=True)):
        try:
            read.append(converter.structure(value, kind))
        except (BaseValidationError, AttributeError, KeyError, TypeError, ValueError) as error:
            error.add_note(IterableValidationNote(f"entry {place}", place, kind))
            errors.append(error)
            if len(errors) == MOST_DETAILS:
                break
    if errors:
        raise IterableValidationError(f"in {cls}", errors, cls)
    return tuple(read)


def _object_reader(cls: Any, converter: Converter, schema: int) -> Callable[[Any, Any], Any]:
    """Reads an object, after what an older file has not got was put in."""
    from cattrs.gen import make_dict_structure_fn

    attrs.resolve_types(cls)
    read = make_dict_structure_fn(cls, converter)
    names = tuple(part.name for part in attrs.fields(cls))

    def read_whole(value: Any, wanted: Any) -> Any:
        if isinstance(value, dict):
            value = migrated(cls.__name__, value, schema)
        if isinstance(value, dict) and any(name not in value for name in names):
            value = {**missing_fields(cls.__name__, value, schema), **value}
        return read(value, wanted)

    return read_whole


def _tagged_reader(cls: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    by_name = {kind.__name__: kind for kind in get_args(cls) if kind is not NoneType}
    optional = NoneType in get_args(cls)

    def read(value: Any, _: Any) -> Any:
        if value is None and optional:
            return None
        if not isinstance(value, dict) or value.get("type") not in by_name:
            raise ValueError(f"{compact(value)} is none of {', '.join(by_name)}")
        rest = {key: part for key, part in value.items() if key != "type"}
        return converter.structure(rest, by_name[value["type"]])

    return read


def _tagged_writer(converter: Converter) -> Callable[[Any], Any]:
    def write(value: Any) -> Any:
        return None if value is None else {**converter.unstructure(value), "type": type(value).__name__}

    return write


def _spanless_writer(cls: Any, converter: Converter) -> Callable[[Any], Any]:
    from cattrs.gen import make_dict_unstructure_fn, override

    attrs.resolve_types(cls)
    left_out: dict[str, Any] = {part.name: override(omit=True) for part in attrs.fields(cls) if not part.eq}
    return make_dict_unstructure_fn(cls, converter, **left_out)
