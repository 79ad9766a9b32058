"""Facts of data that only a file tells: how many inputs and classes a table has.

Takes a spec as it was checked; gives one whose facts are whole. Guarantees: nothing is opened where the facts are whole
already; what is to be said of the file is a warning at its line; what the facts then say is held against the members
and the recipe, as it is for all other data.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from attrs import evolve

from swc.diagnostics import Diagnostic, DiagnosticError, Sink, Span
from swc.program.datasets import DATA, DataFacts
from swc.program.input_faults import fault_of_augmentation, fault_of_source
from swc.program.spec import Spec


def settled(spec: Spec, sink: Sink, data: Path | None = None) -> Spec:
    """The spec with whole facts; what is wrong with the file, or does not go with it, is reported at its line.

    A path in the spec counts from the folder `data`; None: from the current one.
    """
    if spec.data.is_settled:
        return spec
    try:
        facts, warnings = _facts(spec.data, data)
    except DiagnosticError as error:
        for diagnostic in error.diagnostics:
            _report(diagnostic, spec.data_span, sink)
        return spec
    for warning in warnings:
        _report(warning, spec.data_span, sink)
    for source, member in {member.source: member for member in reversed(spec.members)}.items():
        _report(fault_of_source(source, facts), member.span, sink)
    if spec.training is not None:
        _report(fault_of_augmentation(spec.training.recipe.augmentation, facts), spec.train_span, sink)
    return evolve(spec, data=facts)


def _facts(facts: DataFacts, data: Path | None) -> tuple[DataFacts, tuple[Diagnostic, ...]]:
    from swc_runtime.data.place import DataPlace

    module, _, name = DATA[facts.name].settle.partition(":")
    settle: Any = getattr(import_module(module), name)
    found: tuple[DataFacts, tuple[Diagnostic, ...]] = settle(facts, DataPlace(data, True, lambda _: None))
    return found


def _report(wrong: Diagnostic | None, span: Span | None, sink: Sink) -> None:
    if wrong is not None:
        sink.report(evolve(wrong, span=span))
