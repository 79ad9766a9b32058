"""Calls: arguments bound to what is called.

Takes a call, its scope and a signature, gives a mapping. Guarantees: unknown, doubled, unnamed and missing arguments
are reported; the mapping follows the signature's order.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

from attrs import frozen

from swc.diagnostics import catalogue
from swc.language.semantics import values
from swc.language.semantics.scope import Scope, show
from swc.language.syntax.tree import Amount, Argument, Call, Value
from swc.program.model_source import Scalar
from swc.program.vocabulary import Argument as Declared

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
    """As `bind`; where what is called is not known, and that was told, nothing is said of its arguments."""
    return bind(call, scope, signature) if is_known else {}


def _name_of(argument: Argument, position: int, signature: Signature) -> str | None:
    if argument.name is not None:
        return argument.name.text
    return signature.names[position] if position < signature.num_plain else None


def bind_declared(call: Call, scope: Scope, declared: tuple[Declared, ...], where: str) -> dict[str, Scalar]:
    """The arguments of a call with the types, ranges and defaults of the vocabulary."""
    required = tuple(d.name for d in declared if d.default is None)
    given = bind(call, scope, Signature(tuple(d.name for d in declared), required))
    settled: dict[str, Scalar] = {}
    for one in declared:
        if one.name in given:
            settled[one.name] = _read(given[one.name], scope, one, call.name.text)
        elif one.default not in (None, ""):
            assert one.default is not None
            settled[one.name] = one.default
            scope.defaults.append(f"{where}: {one.name} {_shown_default(one.default)}")
    return settled


def _shown_default(value: Scalar) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else f"{value:g}"


def _read(value: Value, scope: Scope, declared: Declared, of: str) -> Scalar:
    what = f"`{declared.name}` of `{of}`"
    limits = values.Range(least=declared.least, most=declared.most, among=declared.among, every=declared.every)
    if declared.type == "whole number":
        return values.whole(value, scope, what, limits)
    if declared.words:
        return values.choice(value, scope, f"way to {declared.name}", declared.words, fallback=str(declared.default))
    if declared.type == "number":
        return values.number(value, scope, what, limits)
    return values.yes_no(value, scope, what) if declared.type == "yes or no" else values.text(value, scope, what)


def settle_all(bound: Mapping[str, Value], scope: Scope) -> dict[str, Value | Amount]:
    """Every argument with the names in it settled, for the scope of a recipe or policy."""
    return {name: scope.settle(value) for name, value in bound.items()}


def shown(call: Call) -> str:
    """A call as one writes it."""
    inner = ", ".join(f"{a.name.text}: {show(a.value)}" if a.name else show(a.value) for a in call.arguments)
    return f"{call.name.text}({inner})" if inner else call.name.text
