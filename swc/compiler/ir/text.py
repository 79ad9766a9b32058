"""The textual form of a share graph: one line for each node, in the order of the graph.

`print_graph` gives it, `parse_graph` takes it back. Guarantees: the round trip is exact, equal graphs print equal, and
a change to one node changes the lines of that node alone. An indented line continues the one before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import groupby
from math import prod
from typing import Any, get_args

from attrs import field, frozen

from swc.compiler.ir import graph as nodes
from swc.compiler.ir.graph import Graph, Piece
from swc.compiler.ir.tokens import Tokens
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.formats import DamagedGraph
from swc.diagnostics.span import span_on
from swc.files.codec import held_to_rules
from swc.program.expressions import Expression, Shape, text_of
from swc.program.model_source import Argument, ModelSource
from swc.program.program import Start
from swc.program.words import word


@frozen
class Notation:
    """A kind of value, and how it is written and read."""

    write: Callable[[Any], str]
    read: Callable[[Tokens], Any]


@frozen
class Form:
    """The line of one kind of node: `parts` are (label, field, kind); an empty label is not written.

    A field in `usual` has a part only where it is not what the fields before it make of it.
    """

    keyword: str
    section: str
    node: Callable[..., Any]
    parts: tuple[tuple[str, str, Notation], ...]
    usual: Mapping[str, Callable[[Mapping[str, Any]], object]] = field(factory=dict)


def _dims(shape: Shape) -> str:
    return "[" + ",".join(map(str, shape)) + "]"


def _choice(*words: str) -> Notation:
    return Notation(str, lambda tokens: tokens.choice(words))


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
    kind: Any = tokens.choice(("family", "timm", "torchvision", "python"))
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


WORD = Notation(word, Tokens.word)
WHOLE = Notation(str, Tokens.whole)
SHAPE = Notation(_dims, Tokens.shape)
SOURCE = Notation(_source, _read_source)
PIECES = Notation(_pieces, _read_pieces)
KEEP = Notation(_keep, lambda tokens: None if tokens.maybe("all") else tokens.pair())
EXPRESSION = Notation(_expression, Tokens.expression)
HOST = Notation(
    lambda host: word(host) if host else "itself", lambda tokens: "" if tokens.maybe("itself") else tokens.word()
)
NUMBER = Notation(_scalar, Tokens.scalar)
FACTOR = Notation(_scalar, Tokens.factor)
LINES = Notation(lambda ids: "".join(f"\n  {word(id_)}" for id_ in ids).lstrip(" "), Tokens.words)


def _usual_parameter(layer: Mapping[str, Any]) -> str:
    """What lines without a name mean, as graphs have long been written: a module's `weight`, of norms and heads all."""
    if layer["kind"] in ("norm", "head"):
        return str(layer["path"])
    return f"{layer['path']}.weight" if layer["path"] else "weight"


# How a line comes about: the form of a slot has the parts ("", id), ("of", layer), ("in", bank), ("by", coefficient),
# so a slot is written `slot m.conv1#0 of m.conv1 in c0.0 by m.conv1#0`.
GRAPH = Form(
    "graph",
    "",
    Graph,
    (("", "ensemble", WORD), ("revision", "revision", WHOLE), ("phase", "phase", WORD)),
)
FORMS = (
    Form("member", "members", nodes.MemberNode, (("", "name", WORD), ("is", "source", SOURCE), ("in", "host", HOST))),
    Form(
        "layer",
        "layers",
        nodes.Layer,
        (
            ("", "id", WORD),
            ("of", "member", WORD),
            ("at", "path", WORD),
            ("index", "index", WHOLE),
            ("", "kind", _choice(*get_args(nodes.LayerKind))),
            ("", "shape", SHAPE),
            ("share", "share", WHOLE),
            ("named", "parameter", WORD),
            ("sums", "fan_in", WHOLE),
        ),
        {"parameter": _usual_parameter, "fan_in": lambda layer: prod(layer["shape"][1:])},
    ),
    Form(
        "private",
        "private",
        nodes.Private,
        (
            ("", "member", WORD),
            ("at", "path", WORD),
            ("", "shape", SHAPE),
            ("because", "reason", WORD),
            ("like", "like", WORD),
        ),
        {"like": lambda _: ""},
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
        (
            ("", "id", WORD),
            ("of", "layer", WORD),
            ("in", "bank", WORD),
            ("by", "coefficient", WORD),
            ("gain", "gain", FACTOR),
        ),
        {"gain": lambda _: 1.0},
    ),
    Form(
        "tensor",
        "tensors",
        nodes.Tensor,
        (
            ("", "id", WORD),
            ("", "shape", SHAPE),
            ("fan_in", "fan_in", WHOLE),
            ("start", "start", _choice(*get_args(Start))),
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
    sections = [[_line(GRAPH, graph)]]
    sections += [[_line(form, node) for node in getattr(graph, form.section)] for form in FORMS]
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def _line(form: Form, node: object) -> str:
    values = {name: getattr(node, name) for _, name, _ in form.parts}
    said = [part for part in form.parts if part[1] not in form.usual or form.usual[part[1]](values) != values[part[1]]]
    written = ((label, kind.write(values[name])) for label, name, kind in said)
    return " ".join((form.keyword, *(text for pair in written for text in pair if text))).replace(" \n", "\n")


def parse_graph(text: str, origin: str = "") -> Graph:
    """Read what `print_graph` wrote; `DiagnosticError` with the line where the text is not a graph."""
    lines = _logical_lines(text)
    number, first = lines[0] if lines else (1, "")
    head = _read_line(first, number, origin, _read_head)
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
    return form.section, form.node(**_read_fields(tokens, form))


def _read_head(tokens: Tokens) -> dict[str, Any]:
    tokens.take(GRAPH.keyword)
    return _read_fields(tokens, GRAPH)


def _read_fields(tokens: Tokens, form: Form) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for label, name, kind in form.parts:
        if name in form.usual and not tokens.maybe(label):
            found[name] = form.usual[name](found)
            continue
        if label and name not in form.usual:
            tokens.take(label)
        found[name] = kind.read(tokens)
    return found
