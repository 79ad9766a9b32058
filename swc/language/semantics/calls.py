"""Calls: arguments bound to what is called.

Takes a call, its scope and a signature, gives a mapping. Guarantees: unknown, doubled, unnamed and missing arguments
are reported; the mapping follows the signature's order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice, pairwise
from typing import Any, TypeVar

from attrs import evolve, frozen

from swc.diagnostics import DiagnosticError, Span, catalogue
from swc.language.semantics import values
from swc.language.semantics.scope import Scope, show
from swc.language.syntax.tree import Amount, Call, CallArgument, ListOf, Number, Text, Value
from swc.program.data_parts import Portion
from swc.registry.ranges import Range
from swc.registry.registry import Registry
from swc.registry.row import ArgumentRow, ArgumentValue, RegistryRow, shown_value

R = TypeVar("R", bound=RegistryRow)
SHARE = Range(above=0, below=1)  # of examples that are drawn
FEW = 20  # arguments that are named where one has no name


@frozen
class Signature:
    """The arguments something takes.

    The first `num_plain` may stand without a name; `required` must be given; with `is_open` any other is taken too.
    """

    names: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    num_plain: int = 0
    is_open: bool = False


def bind(call: Call, scope: Scope, signature: Signature) -> dict[str, Value]:
    """The arguments of a call by name, as they were written."""
    bound: dict[str, Value] = {}
    of, known = call.name.text, frozenset(signature.names)
    for position, argument in enumerate(call.arguments):
        name = _name_of(argument, position, signature)
        if name is None:
            free = tuple(islice((n for n in signature.names if n not in bound), FEW))
            scope.sink.report(catalogue.PlainArgument(span=argument.span, of=of, arguments=free))
        elif name in bound:
            scope.sink.report(catalogue.DuplicateArgument(span=argument.span, name=name, of=of))
        elif name not in known and not signature.is_open:
            scope.sink.report(
                catalogue.UnknownArgument(span=argument.span, name=name, of=of, arguments=signature.names)
            )
        else:
            bound[name] = argument.value
    # An unnamed or unknown argument may be the missing one: one mistake at a time.
    if len(bound) == len(call.arguments):
        for name in signature.required:
            if name not in bound:
                scope.sink.report(catalogue.MissingArgument(span=call.span, name=name, of=of))
    return bound


def bind_known(call: Call, scope: Scope, is_known: bool, signature: Signature) -> dict[str, Value]:
    """As `bind`; where the name called is not known, which was reported, nothing is said of its arguments."""
    return bind(call, scope, signature) if is_known else {}


def _name_of(argument: CallArgument, position: int, signature: Signature) -> str | None:
    if argument.name is not None:
        return argument.name.text
    return signature.names[position] if position < signature.num_plain else None


def bind_declared(call: Call, scope: Scope, declared: tuple[ArgumentRow, ...], where: str) -> dict[str, Any]:
    """The arguments of a call with their declared types, ranges and defaults; those are noted for `where`."""
    settled = bind_given(call, scope, declared)
    for one in declared:
        if one.name not in settled and one.default not in (None, ""):
            assert one.default is not None
            settled[one.name] = one.default
            scope.defaults.append(f"{where}: {one.name} {shown_value(one.default)}")
    return {one.name: settled[one.name] for one in declared if one.name in settled}


def bind_given(call: Call, scope: Scope, declared: tuple[ArgumentRow, ...]) -> dict[str, ArgumentValue]:
    """The arguments that a call states, each with its declared type and range; what must be stated is asked for."""
    required = tuple(one.name for one in declared if one.default is None)
    given = bind(call, scope, Signature(tuple(one.name for one in declared), required))
    return {
        one.name: read_declared(given[one.name], scope, one, call.name.text) for one in declared if one.name in given
    }


def row_of(name: Value, registry: Registry[R], scope: Scope) -> R | None:
    """The row that a name stands for, ours or a plug-in's; None where there is none, which is reported."""
    word = values.word_of(scope.settle(name)) or ""
    # `choice` says why there is none
    return row_named(
        word, registry, name.span, scope, lambda: values.choice(name, scope, registry.kind, registry.choices())
    )


def row_named(
    name: str, registry: Registry[R], span: Span, scope: Scope, report_unknown: Callable[[], object]
) -> R | None:
    """The row of a name, ours or a plug-in's; None where there is none or it is broken, which is reported at `span`."""
    try:
        row = registry.find(name)
    except DiagnosticError as error:
        scope.sink.report(evolve(error.diagnostics[0], span=span))
        return None
    if row is None:
        report_unknown()
    return row


def read_declared(value: Value, scope: Scope, declared: ArgumentRow, of: str) -> ArgumentValue:
    """The value of an argument of `of`, with its declared type and range."""
    what = declared.what or f"`{declared.name}` of `{of}`"
    match declared.type:
        case "whole number":
            return values.whole(value, scope, what, declared.range, fallback=_fallback(declared))
        case "number":
            return values.number(value, scope, what, declared.range, fallback=_fallback(declared))
        case "numbers" | "whole numbers" | "shapes" | "words" | "texts" | "portion or text":
            return _READERS[declared.type](value, scope, declared, of)
        case "yes or no":
            return values.yes_no(value, scope, what)
    if declared.words:
        return values.choice(
            value, scope, declared.what or f"way to {declared.name}", declared.words, fallback=str(declared.default)
        )
    found = values.text(value, scope, what)
    if not found and declared.default is None and isinstance(settled := scope.settle(value), Text):
        wanted = "a text that is not empty"
        scope.sink.report(catalogue.WrongType(span=settled.span, what=what, wanted=wanted, found="an empty one"))
    return found


def _fallback(declared: ArgumentRow) -> Any:
    """What checking goes on with after a mistake: the default, which is in the range."""
    return 1 if declared.default in (None, "") else declared.default


def _numbers(value: Value, scope: Scope, declared: ArgumentRow, of: str) -> tuple[float, ...]:
    items = values.items(value, scope, f"`{declared.name}` of `{of}`")
    what = declared.what or f"a number in `{declared.name}` of `{of}`"
    fallback = _fallback(declared)
    instead = fallback[0] if fallback != 1 else 1
    numbers = tuple(_number(item, scope, what, declared, instead) for item in items)
    settled = scope.settle(value)
    if declared.length not in (None, len(numbers)) and isinstance(settled, ListOf):
        wrong = catalogue.WrongLength(
            span=settled.span, what=f"`{declared.name}` of `{of}`", wanted=declared.length or 0, found=len(numbers)
        )
        scope.sink.report(wrong)
        return fallback if isinstance(fallback, tuple) else numbers
    if declared.rises and any(later <= earlier for earlier, later in pairwise(numbers)):
        scope.sink.report(catalogue.UnorderedMilestones(span=settled.span, found=show(settled)))
    return numbers


def _shapes(value: Value, scope: Scope, declared: ArgumentRow, of: str) -> tuple[tuple[int, ...], ...]:
    """A shape, or a list of shapes; a worked example: `[14]` is ((14,),), and `[[14], [8]]` is ((14,), (8,))."""
    what = f"`{declared.name}` of `{of}`"
    items = values.items(value, scope, what)
    if not items and isinstance(settled := scope.settle(value), ListOf):
        scope.sink.report(catalogue.WrongType(span=settled.span, what=what, wanted="a shape", found="an empty list"))
    if any(isinstance(scope.settle(item), ListOf) for item in items):
        return tuple(shape for item in items for shape in _shapes(item, scope, declared, of))
    size = declared.what or f"a number in {what}"
    return (tuple(values.whole(item, scope, size, declared.range) for item in items),)


def _words(value: Value, scope: Scope, declared: ArgumentRow, of: str) -> tuple[str, ...]:
    """A word, or a list of words."""
    settled, what = scope.settle(value), declared.what or declared.name
    items = settled.items if isinstance(settled, ListOf) else (value,)
    return tuple(values.choice(item, scope, what, declared.words) for item in items)


def _number(item: Value, scope: Scope, what: str, declared: ArgumentRow, fallback: Any) -> float:
    if declared.type == "whole numbers":
        return values.whole(item, scope, what, declared.range, fallback=fallback)
    return float(values.number(item, scope, what, declared.range, fallback=fallback))


def _texts(value: Value, scope: Scope, declared: ArgumentRow, of: str) -> tuple[str, ...]:
    """A text, or a list of texts."""
    settled, what = scope.settle(value), declared.what or f"`{declared.name}` of `{of}`"
    items = settled.items if isinstance(settled, ListOf) else (value,)
    return tuple(values.text(item, scope, what) for item in items)


def _portion_or_text(value: Value, scope: Scope, declared: ArgumentRow, of: str) -> str:
    """A number of examples, a share of them, or a text in quotes; as a text."""
    settled, what = scope.settle(value), declared.what or f"`{declared.name}` of `{of}`"
    if not isinstance(settled, Number):
        return values.text(value, scope, what)
    if settled.is_percent:
        return str(Portion(share=values.number(value, scope, what, SHARE, fallback=0.2)))
    return str(values.whole(value, scope, what))


_READERS: dict[str, Callable[[Value, Scope, ArgumentRow, str], ArgumentValue]] = {
    "numbers": _numbers,
    "whole numbers": _numbers,
    "shapes": _shapes,
    "words": _words,
    "texts": _texts,
    "portion or text": _portion_or_text,
}


def settle_all(bound: Mapping[str, Value], scope: Scope) -> dict[str, Value | Amount]:
    """Every argument with the names in it settled, for the scope of a recipe or policy."""
    return {name: scope.settle(value) for name, value in bound.items()}


def shown(call: Call) -> str:
    """A call as one writes it."""
    inner = ", ".join(f"{a.name.text}: {show(a.value)}" if a.name else show(a.value) for a in call.arguments)
    return f"{call.name.text}({inner})" if inner else call.name.text
