"""Params that nothing uses.

Takes an ensemble, all ensembles that can be named, and a scope in which the ensemble was read; warns of its own params
without a use. Guarantees: a use in an ensemble that is built on it counts.
"""

from __future__ import annotations

from swc.diagnostics import catalogue
from swc.language.semantics.library import Definitions
from swc.language.semantics.scope import Scope
from swc.language.syntax.tree import EnsembleDefinition, ParamItem
from swc.language.syntax.walk import names_in


def warn_unused_params(ensemble: EnsembleDefinition, ensembles: Definitions[EnsembleDefinition], scope: Scope) -> None:
    """An inherited param may have lost its use to an item that was replaced: only own ones are named.

    A param that an ensemble built on this one names has its use there. Beside a mistake nothing is said: a misspelt
    name makes the param that was meant look unused.
    """
    unused = [param for param in ensemble.items if isinstance(param, ParamItem) and param.name.text not in scope.used]
    if scope.sink.errors or not unused:
        return
    named_by_heirs = {name for heir in _heirs(ensemble, ensembles) for name in names_in(heir.items)}
    for param in unused:
        if param.name.text not in named_by_heirs:
            scope.sink.report(catalogue.UnusedParam(span=param.name.span, name=param.name.text))


def _heirs(ensemble: EnsembleDefinition, ensembles: Definitions[EnsembleDefinition]) -> tuple[EnsembleDefinition, ...]:
    """The ensembles that are built on one, directly or not."""
    bases = {name: base.text for name in ensembles.names if (base := ensembles[name].base) is not None}
    found = [ensemble.name.text]
    for known in found:  # it grows; in a circle, which is a mistake, each is taken once
        found.extend(name for name, base in bases.items() if base == known and name not in found)
    return tuple(ensembles[name] for name in found[1:])
