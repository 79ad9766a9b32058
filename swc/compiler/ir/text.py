"""The textual form of a share graph: one line for each node, in the order of the graph.

`print_graph` gives it, `parse_graph` takes it back. Guarantees: the round trip is exact, equal graphs print equal, and
a change to one node changes the lines of that node alone. An indented line continues the one before it.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import Any

from attrs import frozen

from swc.compiler.ir import graph as nodes
from swc.compiler.ir.graph import Graph, Piece
from swc.compiler.ir.tokens import Tokens
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.formats import DamagedGraph
from swc.diagnostics.span import span_on
from swc.files.codec import held_to_rules
from swc.program.expressions import Expression, Shape, text_of
from swc.program.model_source import Argument, ModelSource
from swc.program.words import word


@frozen
class Kind:
    """A kind of value, and how it is written and read."""

    write: Callable[[Any], str]
    read: Callable[[Tokens], Any]


@frozen
class Form:
    """The line of one kind of node: `parts` are (label, field, kind); an empty label is not written."""

    keyword: str
    section: str
    node: Callable[..., Any]
    parts: tuple[tuple[str, str, Kind], ...]


def _dims(shape: Shape) -> str:
    return "[" + ",".join(map(str, shape)) + "]"


def _choice(*words: str) -> Kind:
    return Kind(str, lambda tokens: tokens.choice(words))


def _source(source: ModelSource) -> str:
    inner = ", ".join(f"{word(name)}: {_argument(value)}" for name, value in source.arguments)
    return f"{source.kind} {word(source.name)}({inner})"


def _argument(value: Argument) -> str:
    """A scalar, or a list in brackets: those of shapes would be taken for one."""
    return f"({', '.join(map(_argument, value))})" if isinstance(value, tuple) else _scalar(value)


def _scalar(value: float | str | bool) -> str:
    import json

    return json.dumps(value, allow_nan=False)


def _read_source(tokens: Tokens) -> ModelSource:
    kind: Any = tokens.choice(("family", "torchvision", "python"))
    name = tokens.word()
    arguments = tokens.listed("(", ")", lambda: (tokens.word(), tokens.take(":"), tokens.argument()))
    return ModelSource(kind, name, tuple((key, value) for key, _, value in arguments))


def _pieces(pieces: tuple[Piece, ...]) -> str:
    return "(" + ", ".join(f"{_dims(piece.shape)} @ {_dims(piece.origin)}" for piece in pieces) + ")"


def _read_pieces(tokens: Tokens) -> tuple[Piece, ...]:
    parts = tokens.listed("(", ")", lambda: (tokens.shape(), tokens.take("@"), tokens.pair()))
    return tuple(Piece(shape, origin) for shape, _, origin in parts)


def _keep(keep: tuple[int, int] | None) -> str:
    return "all" if keep is None else _dims(keep)


def _expression(expression: Expression) -> str:
    return text_of(expression)


WORD = Kind(word, Tokens.word)
WHOLE = Kind(str, Tokens.whole)
SHAPE = Kind(_dims, Tokens.shape)
SOURCE = Kind(_source, _read_source)
PIECES = Kind(_pieces, _read_pieces)
KEEP = Kind(_keep, lambda tokens: None if tokens.maybe("all") else tokens.pair())
EXPRESSION = Kind(_expression, Tokens.expression)
HOST = Kind(
    lambda host: word(host) if host else "itself", lambda tokens: "" if tokens.maybe("itself") else tokens.word()
)
NUMBER = Kind(_scalar, Tokens.scalar)
LINES = Kind(lambda ids: "".join(f"\n  {word(id_)}" for id_ in ids).lstrip(" "), Tokens.words)

# How a line comes about: the form of a slot has the parts ("", id), ("of", layer), ("in", bank), ("by", coefficient),
# so a slot is written `slot m.conv1#0 of m.conv1 in c0.0 by m.conv1#0`.
HEAD = (("", "ensemble", WORD), ("revision", "revision", WHOLE), ("phase", "phase", WORD))
FORMS = (
    Form("member", "members", nodes.Member, (("", "name", WORD), ("is", "source", SOURCE), ("in", "host", HOST))),
    Form(
        "layer",
        "layers",
        nodes.Layer,
        (
            ("", "id", WORD),
            ("of", "member", WORD),
            ("at", "path", WORD),
            ("index", "index", WHOLE),
            ("", "kind", _choice("conv", "linear", "norm", "head")),
            ("", "shape", SHAPE),
            ("share", "share", WHOLE),
        ),
    ),
    Form(
        "private",
        "private",
        nodes.Private,
        (("", "member", WORD), ("at", "path", WORD), ("", "shape", SHAPE), ("because", "reason", WORD)),
    ),
    Form(
        "cluster",
        "clusters",
        nodes.Cluster,
        (("", "id", WORD), ("share", "share", WHOLE), ("called", "label", WORD), ("", "layers", LINES)),
    ),
    Form(
        "level",
        "levels",
        nodes.Level,
        (
            ("", "id", WORD),
            ("of", "cluster", WORD),
            ("index", "index", WHOLE),
            ("keep", "keep", KEEP),
            ("add", "pieces", PIECES),
        ),
    ),
    Form(
        "bank",
        "banks",
        nodes.Bank,
        (
            ("", "id", WORD),
            ("templates", "num_templates", WHOLE),
            ("size", "template_size", WHOLE),
            ("fan_in", "fan_in", WHOLE),
        ),
    ),
    Form("coefficient", "coefficients", nodes.Coefficient, (("", "id", WORD), ("in", "bank", WORD))),
    Form(
        "slot",
        "slots",
        nodes.Slot,
        (("", "id", WORD), ("of", "layer", WORD), ("in", "bank", WORD), ("by", "coefficient", WORD)),
    ),
    Form(
        "tensor",
        "tensors",
        nodes.Tensor,
        (
            ("", "id", WORD),
            ("", "shape", SHAPE),
            ("fan_in", "fan_in", WHOLE),
            ("start", "start", _choice("kaiming", "signs", "direction", "ones", "zeros")),
            ("role", "role", _choice("tensors", "norms", "biases", "fast_weights", "coefficients")),
            ("rate", "rate", NUMBER),
        ),
    ),
    Form("weight", "weights", nodes.Weight, (("", "layer", WORD), ("is", "expression", EXPRESSION))),
)
_BY_KEYWORD = {form.keyword: form for form in FORMS}


def print_graph(graph: Graph) -> str:
    """The text of a graph, ending in a newline; sections are parted by an empty line."""
    # The order of FORMS is that of the pipeline: a diff of two revisions shows the first pass that decided otherwise
    # first.
    sections = [[_line("graph", HEAD, graph)]]
    sections += [[_line(form.keyword, form.parts, node) for node in getattr(graph, form.section)] for form in FORMS]
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def _line(keyword: str, parts: tuple[tuple[str, str, Kind], ...], node: object) -> str:
    written = ((label, kind.write(getattr(node, field))) for label, field, kind in parts)
    return " ".join((keyword, *(text for pair in written for text in pair if text))).replace(" \n", "\n")


def parse_graph(text: str, origin: str = "") -> Graph:
    """Read what `print_graph` wrote; `DiagnosticError` with the line where the text is no graph."""
    lines = _logical_lines(text)
    number, first = lines[0] if lines else (1, "")
    head = _read_line(first, number, origin, lambda tokens: _read_parts(tokens, "graph", HEAD))
    read = [_read_line(line, at, origin, _read_node) for at, line in lines[1:]]
    grouped: dict[str, Any] = {
        form.section: tuple(node for section, node in read if section == form.section) for form in FORMS
    }
    return held_to_rules(Graph(**head, **grouped), origin)


def _logical_lines(text: str) -> list[tuple[int, str]]:
    """Lines by their numbers, with their indented continuations joined on, without the empty ones."""
    # `cluster c0 share 0 called "3x3 bin 1"` and the indented ids of its layers below it are one logical line.
    numbered = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    starts = 0
    keyed: list[tuple[int, int, str]] = []
    for number, line in numbered:
        starts += not line.startswith(" ") or not keyed
        keyed.append((starts, number, line))
    runs = [list(run) for _, run in groupby(keyed, key=lambda entry: entry[0])]
    return [(run[0][1], " ".join(line.strip() for _, _, line in run)) for run in runs]


def _read_line(line: str, number: int, origin: str, read: Callable[[Tokens], Any]) -> Any:
    try:
        tokens = Tokens(line)
        found = read(tokens)
        tokens.end()
    except ValueError as error:
        span = span_on(origin or "graph", number, line, 0, max(1, len(line)))
        raise DiagnosticError(DamagedGraph(span=span, detail=str(error))) from error
    return found


def _read_node(tokens: Tokens) -> tuple[str, Any]:
    keyword = tokens.choice(tuple(_BY_KEYWORD))
    form = _BY_KEYWORD[keyword]
    return form.section, form.node(**_read_fields(tokens, form.parts))


def _read_parts(tokens: Tokens, keyword: str, parts: tuple[tuple[str, str, Kind], ...]) -> dict[str, Any]:
    tokens.take(keyword)
    return _read_fields(tokens, parts)


def _read_fields(tokens: Tokens, parts: tuple[tuple[str, str, Kind], ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for label, field, kind in parts:
        if label:
            tokens.take(label)
        found[field] = kind.read(tokens)
    return found
