"""`extends`: the items of an ensemble with those of the ensembles it extends.

Takes an ensemble and all that can be named, gives its items. Guarantees: an item of the same kind and name stands in
the place of the one it replaces; others follow in order.
"""

from __future__ import annotations

from swc.diagnostics import Sink, Span, catalogue
from swc.semantics.scope import show
from swc.syntax.tree import Budget, Data, Ensemble, EnsembleItem, Member, Param, Share, Step, Train

Key = tuple[str, str]


def all_items(ensemble: Ensemble, ensembles: dict[str, Ensemble], sink: Sink) -> tuple[EnsembleItem, ...]:
    """Own and inherited items; unknown bases, cycles and doubled items are reported."""
    merged: dict[Key, EnsembleItem] = {}
    for one in reversed(_lineage(ensemble, ensembles, sink)):
        merged.update(_keyed(one, sink))
    return tuple(merged.values())


def _lineage(ensemble: Ensemble, ensembles: dict[str, Ensemble], sink: Sink) -> list[Ensemble]:
    lineage = [ensemble]
    while lineage[-1].base is not None:
        base = lineage[-1].base
        names = [one.name.text for one in lineage]
        if base.text in names:
            sink.report(catalogue.ExtendsCycle(span=base.span, chain=(*names[names.index(base.text) :], base.text)))
            break
        if base.text not in ensembles:
            others = tuple(sorted(set(ensembles) - {names[-1]}))
            sink.report(catalogue.UnknownEnsemble(span=base.span, name=base.text, ensembles=others))
            break
        lineage.append(ensembles[base.text])
    return lineage


def _keyed(ensemble: Ensemble, sink: Sink) -> dict[Key, EnsembleItem]:
    keyed: dict[Key, EnsembleItem] = {}
    for item in ensemble.items:
        key, span = _key(item)
        if key in keyed:
            sink.report(catalogue.DuplicateItem(span=span, what=_words(key), first=str(_key(keyed[key])[1])))
        else:
            keyed[key] = item
    return keyed


def _key(item: EnsembleItem) -> tuple[Key, Span]:
    match item:
        case Param():
            return ("param", item.name.text), item.name.span
        case Member():
            return ("member", item.name.text), item.name.span
        case Share():
            return ("share", show(item.selector)), item.span
        case Data() | Step() | Budget() | Train():
            return (type(item).__name__.lower(), ""), item.span


def _words(key: Key) -> str:
    kind, name = key
    return f"{kind} `{name}`" if name else f"`{kind}`"
