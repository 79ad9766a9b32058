"""Plain data to canonical JSON and back, and the hash of plain data.

Takes any frozen attrs object of the vocabulary (or a tuple of such), gives text. Guarantees: equal objects give equal
bytes; keys are sorted, and every entry of a top-level list has a line of its own, so that files can be compared line
by line; decoding is strict: an unknown key, a wrong type, a newer schema or damaged text is a `DiagnosticError`. A
field that an older file has not got takes the default of the schema the file was written under, never today's.
"""

from __future__ import annotations

import json
from hashlib import sha256
from itertools import islice
from math import isfinite
from types import NoneType
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin, overload

import attrs

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.formats import DamagedFile, NewerFile, UnknownSchema, WrongContent, WrongFileType
from swc.diagnostics.catalogue.plugins import MissingPlugIn
from swc.files.converter import MOST_DETAILS, converter_of, is_tagged, is_union
from swc.files.names import fault_of
from swc.files.plain_json import read_json
from swc.files.schemas import OLDEST
from swc.program.kinds import KINDS
from swc.program.program import SCHEMA
from swc.registry.offers import PlugIn

if TYPE_CHECKING:
    from cattrs import Converter

T = TypeVar("T")
# The fields that do not count in comparisons:
UNCOMPARED = frozenset({"span", "train_span", "data_span", "multiply_adds"})


def encode(obj: object) -> str:
    """Canonical JSON of an attrs object or of a tuple of attrs objects, with its schema and type.

    ValueError where a number is not finite.
    """
    return _canonical(_document(obj, converter_of(schema=SCHEMA)))


def hash_of(obj: object, schema: int = SCHEMA) -> str:
    """The SHA-256, in hexadecimal, of the canonical JSON without what does not count in comparisons (spans).

    `schema` is the one under which the object is said to be written.
    """
    return _digest({**_document(obj, converter_of(schema=SCHEMA, spans=False)), "schema": schema})


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
    if type(schema) is int and schema > SCHEMA:
        raise DiagnosticError(NewerFile(origin=origin, kind=_label(cls), found=schema, known=SCHEMA))
    if type(schema) is not int or schema < OLDEST:
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


def field_line(name: str, value: object) -> str:
    """A field of a canonical file as its text has it, but for the comma."""
    return f"{json.dumps(name)}: {_value(value)}"


def _canonical(document: dict[str, Any]) -> str:
    lines = (field_line(key, document[key]) for key in sorted(document))
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
    if is_tagged(cls):
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
    return tuple(c for c in get_args(cls) if c is not NoneType) if is_union(cls) else (cls,)  # type: ignore[return-value]


def _structured(body: object, cls: object, origin: str, schema: int) -> Any:
    fault, found = structured(body, cls, schema=schema)
    if fault:
        raise DiagnosticError(WrongContent(origin=origin, details=fault))
    return found


def structured(
    body: object, cls: object, *, schema: int | None = None, undefined: bool = False
) -> tuple[tuple[str, ...], Any]:
    """The object that plain data stands for; before it, where there is none, the mistakes by their places."""
    from cattrs.errors import BaseValidationError, ForbiddenExtraKeysError

    try:
        return (), converter_of(schema=schema, undefined=undefined).structure(body, cls)  # type: ignore[arg-type]
    except (BaseValidationError, ForbiddenExtraKeysError, AttributeError, KeyError, TypeError, ValueError) as error:
        return _details(body, cls, error, schema, undefined), None


def _details(body: object, cls: object, error: Exception, schema: int | None, undefined: bool) -> tuple[str, ...]:
    """Decode once more, slowly, for the places of the mistakes."""
    from cattrs import transform_error
    from cattrs.errors import BaseValidationError

    converter = converter_of(schema=schema, undefined=undefined, detailed=True)
    try:
        converter.structure(body, cls)  # type: ignore[arg-type]
    except BaseValidationError as detailed:
        return tuple(islice(transform_error(detailed), MOST_DETAILS))
    except (AttributeError, KeyError, TypeError, ValueError) as plain:
        return (str(plain),)
    return (str(error),)
