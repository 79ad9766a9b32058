"""Settings of the command line: `--set NAME=VALUE` over the params of an ensemble.

Takes params and texts, gives params. Guarantees: a setting keeps the kind of the param that it replaces.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve

from swc.diagnostics import DiagnosticError, Sink, Span, catalogue
from swc.language.semantics.values import kind_of
from swc.language.syntax.parser import parse_text
from swc.language.syntax.tree import Amount, EnsembleDefinition, ListOf, Name, Number, ParamItem, Text, Value

BEFORE = "ensemble a {\nparam a =\n"  # a setting is read as the value of a param
LINES_BEFORE = BEFORE.count("\n")
SETTING = "--set "  # what a setting's place is called, before the name of its param


def apply_settings(
    params: Mapping[str, Value | Amount], settings: Mapping[str, str], span: Span, sink: Sink
) -> dict[str, Value | Amount]:
    """The params with the settings in place; unknown names and other kinds are reported, at the ensemble's `span`."""
    changed = dict(params)
    for name, text in sorted(settings.items()):
        if name not in params:
            sink.report(catalogue.UnknownSetting(span=span, name=name, params=tuple(sorted(params))))
            continue
        found = _parse(name, text)
        if found is None:
            sink.report(catalogue.MalformedSetting(span=params[name].span, name=name, found=text))
            continue
        fitted = _fit(params[name], found)
        if fitted is None:
            wanted = _kind(params[name])
            sink.report(catalogue.WrongSetting(span=params[name].span, name=name, wanted=wanted, found=kind_of(found)))
        else:
            changed[name] = fitted
    return changed


def _parse(name: str, text: str) -> Value | Amount | None:
    try:
        tree = parse_text(f"{BEFORE}{text}\n}}", SETTING + name)
    except DiagnosticError:
        return None
    (ensemble, *others) = tree.definitions
    if others or not isinstance(ensemble, EnsembleDefinition) or len(ensemble.items) != 1:
        return None
    (param,) = ensemble.items
    return _moved(param.value) if isinstance(param, ParamItem) else None


def _moved(value: Value | Amount) -> Value | Amount:
    """The value with its place counted in the setting's own text."""
    span = evolve(value.span, line=value.span.line - LINES_BEFORE)
    if isinstance(value, ListOf):
        return ListOf(tuple(map(_plain, value.items)), span)
    if isinstance(value, Amount) and value.value is not None:
        return evolve(value, value=_plain(value.value), span=span)
    return evolve(value, span=span)


def _plain(value: Value) -> Value:
    moved = _moved(value)
    assert not isinstance(moved, Amount), "the grammar has no amounts inside values"
    return moved


def _fit(old: Value | Amount, new: Value | Amount) -> Value | Amount | None:
    """The new value in place of the old one, or None where its kind is another."""
    if isinstance(old, Amount) and isinstance(new, Number) and old.value is not None:
        return evolve(old, kind="native" if new.is_percent else old.kind, value=new, span=new.span)
    return new if _kind(old) == _kind(new) else None


def _kind(value: Value | Amount) -> str:
    match value:
        case Number():
            return "a number"
        case Name() | Text():
            return "a word or text"
        case ListOf():
            return "a list"
        case Amount():
            return "an amount"
