"""`extends`: the items of an ensemble with those of the ensembles it extends.

Takes an ensemble and all that can be named, gives its items. Guarantees: an item of the same kind and name stands in
the place of the one it replaces; others follow in order.
"""

from __future__ import annotations

from swc.diagnostics import Sink, Span, catalogue
from swc.language.semantics.extent import Extent
from swc.language.semantics.library import Definitions
from swc.language.semantics.scope import show
from swc.language.syntax.heads import WORDS
from swc.language.syntax.tree import (
    BudgetItem,
    DataItem,
    EnsembleDefinition,
    EnsembleItem,
    MemberItem,
    ParamItem,
    ShareBlock,
    StepItem,
    TaskItem,
    TrainBlock,
)
from swc.program.limits import LEVELS

_Key = tuple[str, str]


def all_items(
    ensemble: EnsembleDefinition, ensembles: Definitions[EnsembleDefinition], sink: Sink, extent: Extent
) -> tuple[EnsembleItem, ...]:
    """Own and inherited items; unknown bases, cycles and doubled items are reported."""
    merged: dict[_Key, EnsembleItem] = {}
    for one in reversed(_lineage(ensemble, ensembles, sink)):
        extent.take(1 + len(one.items), ensemble.name.span, sink)
        merged.update(_keyed(one, sink))
    return tuple(merged.values())


def _lineage(
    ensemble: EnsembleDefinition, ensembles: Definitions[EnsembleDefinition], sink: Sink
) -> list[EnsembleDefinition]:
    lineage = [ensemble]
    names = {ensemble.name.text: 0}
    while lineage[-1].base is not None:
        base = lineage[-1].base
        if len(lineage) > LEVELS:
            found = catalogue.TooDeep(span=ensemble.name.span, what="ensembles that extend others", most=LEVELS)
            sink.report(found)
            break
        if base.text in names:
            sink.report(catalogue.ExtendsCycle(span=base.span, chain=(*list(names)[names[base.text] :], base.text)))
            break
        if base.text not in ensembles:
            unknown = catalogue.UnknownEnsemble(
                span=base.span, name=base.text, ensembles=ensembles.names, itself=lineage[-1].name.text
            )
            sink.report(unknown)
            break
        names[base.text] = len(lineage)
        lineage.append(ensembles[base.text])
    return lineage


def _keyed(ensemble: EnsembleDefinition, sink: Sink) -> dict[_Key, EnsembleItem]:
    keyed: dict[_Key, EnsembleItem] = {}
    for item in ensemble.items:
        key, span = _key(item)
        if key in keyed:
            sink.report(catalogue.DuplicateItem(span=span, what=_words(key), first=str(_key(keyed[key])[1])))
        else:
            keyed[key] = item
    return keyed


def _key(item: EnsembleItem) -> tuple[_Key, Span]:
    match item:
        case ParamItem():
            return ("param", item.name.text), item.name.span
        case MemberItem():
            return ("member", item.name.text), item.name.span
        case ShareBlock():
            return ("share", show(item.selector)), item.span
        case DataItem() | TaskItem() | StepItem() | BudgetItem() | TrainBlock():
            return (WORDS[type(item)], ""), item.span


def _words(key: _Key) -> str:
    kind, name = key
    return f"{kind} `{name}`" if name else f"`{kind}`"
