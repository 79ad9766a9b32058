"""How the codec reads and writes each type of a field: the hooks of cattrs.

Takes what the files of a kind may hold, gives a converter. Guarantees: reading is strict: a value of another type, an
unknown key or a number beyond 64 bits is an error of cattrs, with its place where `detailed` asks for it; a field that
an older file has not got takes the default of its schema, never today's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from math import isfinite, nan
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

import attrs

from swc.files.migrations import upgraded
from swc.files.plain_json import compact

if TYPE_CHECKING:
    from cattrs import Converter

_PRIMITIVES: tuple[type, ...] = (bool, int, float, str)
LARGEST = 2**63 - 1  # what a whole number of the project's may be
# Fields that hashes leave out where they have their defaults, by class: graphs had hashes before their nodes had these.
SILENT = {"Slot": ("gain",), "Private": ("like",)}
# Fields of kinds with numbers of their own that are left out where they have their defaults: so a run of an earlier
# version goes on to the same bytes.
LEFT_OUT = {
    "EpochRow": ("clipped", "score", "values"),
    "Evaluation": ("task",),
    "MemberScores": ("further",),
    "RunResults": ("average", "best", "task", "validation"),
    "Scores": ("further",),
    "ScoresRow": ("further", "is_average", "part"),
}
MOST_DETAILS = 20  # mistakes of a file that an error lists


@cache
def converter_of(
    *, schema: int | None = None, spans: bool = True, undefined: bool = False, detailed: bool = False
) -> Converter:
    """The strict converter for files of a schema of the vocabulary; None: for kinds with numbers of their own.

    `spans` false leaves out what does not count in comparisons; `undefined` writes floats that are not finite as null,
    and reads nan there; `detailed` collects the places of mistakes.
    """
    from cattrs import Converter

    converter = Converter(forbid_extra_keys=True, detailed_validation=detailed)
    for kind in _PRIMITIVES:
        converter.register_structure_hook(kind, _reader_of((kind,)))
    converter.register_unstructure_hook(float, float)  # 18000000 and 18000000.0 are one number in a float field
    if undefined:
        converter.register_structure_hook(float, _undefined_reader)
        converter.register_unstructure_hook(float, _null_for_undefined)
        converter.register_unstructure_hook_factory(_has_left_out, lambda cls: _shorter_writer(cls, converter))
    converter.register_structure_hook_factory(_is_primitive_union, lambda cls: _reader_of(get_args(cls)))
    converter.register_unstructure_hook_factory(_is_primitive_union, lambda _: _same)
    converter.register_structure_hook_factory(_is_nested_union, _nested_reader)
    converter.register_unstructure_hook_factory(_is_nested_union, lambda _: _same)
    converter.register_structure_hook_factory(_is_literal, _literal_reader)
    converter.register_structure_hook_factory(_is_tuple, lambda cls: _tuple_reader(cls, converter))
    converter.register_structure_hook_factory(attrs.has, lambda cls: _object_reader(cls, converter, schema))
    converter.register_structure_hook_factory(is_tagged, lambda cls: _tagged_reader(cls, converter))
    converter.register_unstructure_hook_factory(is_tagged, lambda _: _tagged_writer(converter))
    if not spans:
        converter.register_unstructure_hook_factory(attrs.has, lambda cls: _spanless_writer(cls, converter))
    return converter


def _undefined_reader(value: Any, _: Any) -> float:
    """A float; null stands for one that was undefined when it was measured, say the mean over no images."""
    number = nan if value is None else _reader_of((float,))(value, float)
    return float(number)


def _null_for_undefined(value: float) -> float | None:
    return float(value) if isfinite(value) else None


def _same(value: Any) -> Any:
    return value


def is_union(cls: object) -> bool:
    """Whether a type is one of several, null among them perhaps."""
    return get_origin(cls) in (Union, UnionType)


def _is_primitive_union(cls: object) -> bool:
    """Several primitive types, null perhaps among them; a single one that may be null is cattrs' own affair."""
    kinds = [kind for kind in get_args(cls) if kind is not NoneType] if is_union(cls) else []
    return len(kinds) > 1 and all(kind in _PRIMITIVES for kind in kinds)


def _is_nested_union(cls: object) -> bool:
    """Primitive types, and lists of such in any depth."""
    kinds = get_args(cls) if is_union(cls) else ()
    return any(map(_is_tuple, kinds)) and all(kind in _PRIMITIVES or _is_tuple(kind) for kind in kinds)


def _nested_reader(cls: Any) -> Callable[[Any, Any], Any]:
    single = _reader_of([kind for kind in get_args(cls) if not _is_tuple(kind)])

    def read(value: Any, wanted: Any) -> Any:
        return tuple(read(item, wanted) for item in value) if isinstance(value, list) else single(value, wanted)

    return read


def is_tagged(cls: object) -> bool:
    """Whether a type is one of several classes: files say in `type` which."""
    kinds = [kind for kind in get_args(cls) if kind is not NoneType] if is_union(cls) else []
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


def _object_reader(cls: Any, converter: Converter, schema: int | None) -> Callable[[Any, Any], Any]:
    """Reads an object, after what an older file has not got was put in."""
    from cattrs.gen import make_dict_structure_fn

    attrs.resolve_types(cls)
    read = make_dict_structure_fn(cls, converter)

    def read_whole(value: Any, wanted: Any) -> Any:
        if schema is not None and isinstance(value, dict):
            value = upgraded(cls.__name__, value, schema)
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


def _has_left_out(cls: Any) -> bool:
    return attrs.has(cls) and cls.__name__ in LEFT_OUT


def _shorter_writer(cls: Any, converter: Converter) -> Callable[[Any], Any]:
    from cattrs.gen import make_dict_unstructure_fn, override

    attrs.resolve_types(cls)
    left_out: dict[str, Any] = {name: override(omit_if_default=True) for name in LEFT_OUT[cls.__name__]}
    return make_dict_unstructure_fn(cls, converter, **left_out)


def _spanless_writer(cls: Any, converter: Converter) -> Callable[[Any], Any]:
    from cattrs.gen import make_dict_unstructure_fn, override

    attrs.resolve_types(cls)
    left_out: dict[str, Any] = {part.name: override(omit=True) for part in attrs.fields(cls) if not part.eq}
    left_out |= {name: override(omit_if_default=True) for name in SILENT.get(cls.__name__, ())}
    return make_dict_unstructure_fn(cls, converter, **left_out)
