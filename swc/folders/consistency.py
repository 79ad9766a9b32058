"""Whether the files of a build or run belong together.

Takes what was decoded, and the path it was read from; gives nothing. Guarantees: a program is of its spec, its tables
and its graph; feedback is of its program; every revision that something was made of is there. Anything else is a
DiagnosticError that names the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from swc.compiler.ir.graph import Graph
from swc.compiler.ir.verify import InvariantError, verify
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.formats import ForeignFile
from swc.diagnostics.catalogue.training import PartMissing
from swc.files.checkpoint_head import head_of
from swc.files.checksums import has_checksum, is_there
from swc.files.codec import hash_of
from swc.program.feedback import CoefficientFeedback, Feedback, GroupFeedback
from swc.program.layer_table import LayerTable
from swc.program.program import SCHEMA, Program
from swc.program.spec import Spec
from swc.program.stages import stages
from swc.program.training import row_of


def check_tables(path: Path, tables: Sequence[LayerTable], spec: Spec) -> None:
    """There is one table for each member of the spec, in order."""
    if [table.member for table in tables] != [member.name for member in spec.members]:
        raise _foreign(path, "its members are not those of the spec beside it")


def check_program(path: Path, program: Program, number: int, spec: Spec, spec_hash: str) -> None:
    """A program is that of its revision, compiled from the spec, and its members are made by what the spec names."""
    if number >= (len(stages(spec.training)) if spec.training else 1):
        raise _foreign(path, f"the spec of this folder has no revision {number}")
    if program.revision != number:
        raise _foreign(path, f"it is revision {program.revision}, in the place of revision {number}")
    if program.spec_hash != spec_hash or program.ensemble != spec.name:
        raise _foreign(path, "it was not compiled from the spec of this folder")
    if _rows(program.members, "name source host") != _rows(spec.members, "name source host"):
        raise _foreign(path, "its members are not those of the spec of this folder")


def check_parameters(path: Path, program: Program, tables: Sequence[LayerTable]) -> None:
    """The parameters of a program are those of the layer tables, each once."""
    listed = sorted((table.member, row.name, row.shape) for table in tables for row in table.parameters)
    parts = [*_rows(program.weights, "member path shape"), *_rows(program.private, "member path shape")]
    if sorted(parts) != listed:
        raise _foreign(path, "its parameters are not those of the members' layer tables")


def check_graph(path: Path, graph: Graph, program: Program) -> None:
    """A graph is the one that its program was lowered from, and holds together."""
    misfit = next((what for what, one, other in _compared(graph, program) if one != other), None)
    # what a program does not hold (levels, labels, reasons) is known by a hash of the nodes; a file with a checksum
    # needs none, and those without one are of schema 2, or had one that was removed
    if misfit is None and not has_checksum(path):
        known = (hash_of(graph, schema=schema) for schema in range(2, SCHEMA + 1))
        misfit = None if program.graph_hash in known else "content"
    if misfit is not None:
        raise _foreign(path, f"its {misfit} differs from that of `program.json`")
    try:
        verify(graph)
    except (InvariantError, ValueError, LookupError) as error:
        raise _foreign(path, f"it is no whole graph ({error})") from error


def _compared(graph: Graph, program: Program) -> Iterator[tuple[str, Any, Any]]:
    """What a graph and its program both hold, in one form."""
    layers = {layer.id: layer for layer in graph.layers}
    lost = [one.id for one in graph.slots if one.layer not in layers]
    lost += [one.layer for one in graph.weights if one.layer not in layers]
    yield "list of layers", lost, []
    yield "ensemble", graph.ensemble, program.ensemble
    yield "revision", graph.revision, program.revision
    yield "list of members", _rows(graph.members, "name source host"), _rows(program.members, "name source host")
    banks = "id num_templates template_size fan_in"
    yield "list of banks", _rows(graph.banks, banks), _rows(program.banks, banks)
    yield "list of coefficients", _rows(graph.coefficients, "id bank"), _rows(program.coefficients, "id bank")
    slots = "id bank coefficient gain"
    yield "list of slots", _rows(graph.slots, slots), _rows(program.slots, slots)
    owners = [layers[slot.layer].member for slot in graph.slots]
    yield "list of slots", owners, [slot.member for slot in program.slots]
    tensors = "id shape fan_in start role rate"
    yield "list of tensors", _rows(graph.tensors, tensors), _rows(program.tensors, tensors)
    yield (
        "list of private parameters",
        _rows(graph.private, "member path shape"),
        _rows(program.private, "member path shape"),
    )
    weights = [(w.layer, *_rows([layers[w.layer]], "member parameter shape")[0]) for w in graph.weights]
    yield "list of weights", weights, _rows(program.weights, "layer member path shape")
    yield "weights", [w.expression for w in graph.weights], [w.expression for w in program.weights]


def _rows(nodes: Iterable[object], fields: str) -> list[tuple[object, ...]]:
    return [tuple(getattr(node, field) for field in fields.split()) for node in nodes]


def check_feedback(path: Path, feedback: Feedback, program: Program) -> None:
    """Feedback was measured on its program, for what ends its stage, and names what is in it."""
    if feedback.revision != program.revision:
        raise _foreign(path, f"it was measured on revision {feedback.revision}, not on {program.revision}")
    todo = stages(program.training) if program.training else ()
    action = todo[program.revision].action if program.revision < len(todo) else None
    if action is None or row_of(action).feedback != type(feedback).__name__:
        raise _foreign(path, f"it is a {type(feedback).__name__}, which nothing asks for after this revision")
    known = _measurable(program, feedback)
    unknown = next((id_ for id_ in _measured(feedback) if id_ not in known), None)
    if unknown is not None:
        raise _foreign(path, f"it names `{unknown}`, which the program beside it does not have")


def _measurable(program: Program, feedback: Feedback) -> set[str]:
    """The ids that feedback may name: layers, slots."""
    if isinstance(feedback, CoefficientFeedback):
        return {slot.id for slot in program.slots}
    return {weight.layer for weight in program.weights}


def _measured(feedback: Feedback) -> Iterator[str]:
    if isinstance(feedback, GroupFeedback):
        yield from (mixture.layer for mixture in feedback.mixtures)
        return
    yield from (id_ for pair in feedback.similarities for id_ in (pair.first, pair.second))
    yield from feedback.silent


def numbers_of(folder: Path, spec: Spec) -> tuple[int, ...]:
    """The revisions of a run, from 0 on without a gap; DiagnosticError where one is missing that something came of.

    A revision is there once its program is, which is written last: after the others there may be a folder without.
    """
    known = len(stages(spec.training)) if spec.training else 1
    places = {name: folder / "revisions" / str(name) / "program.json" for name in range(known)}
    there = [number for number, path in places.items() if is_there(path)]
    last = max([*there, *_needed(folder, known)], default=-1)
    missing = next((number for number in range(last + 1) if number not in there), None)
    if missing is not None:
        raise DiagnosticError(PartMissing(path=str(places[missing])))
    return tuple(range(last + 1))


def _needed(folder: Path, known: int) -> Iterator[int]:
    """Revisions that must have been there: something was measured on them, or a checkpoint is of them."""
    for number in range(known):
        if is_there(folder / "revisions" / str(number) / "feedback.json"):
            yield number
    head = head_of(folder / "checkpoints")
    if head is not None and head.position.revision < known:
        yield head.position.revision


def check_measured(folder: Path, numbers: Sequence[int], spec: Spec) -> None:
    """What an action measured is there wherever a later revision came of it."""
    todo = stages(spec.training) if spec.training else ()
    for number in numbers[:-1]:
        path = folder / "revisions" / str(number) / "feedback.json"
        action = todo[number].action
        if action is not None and row_of(action).feedback and not is_there(path):
            raise DiagnosticError(PartMissing(path=str(path)))


def _foreign(path: Path, detail: str) -> DiagnosticError:
    return DiagnosticError(ForeignFile(path=str(path), detail=detail))
