"""What every pass may read beside the graph: the spec, the layer tables, the stages and the feedback so far."""

from __future__ import annotations

from typing import Protocol

from attrs import Factory, field, frozen

from swc.compiler.ir.graph import Graph
from swc.diagnostics import Sink
from swc.program.feedback import Feedback
from swc.program.layer_table import LayerTable
from swc.program.spec import Spec
from swc.program.stages import Stage


@frozen
class Context:
    """The inputs of one compilation.

    `feedback` holds the feedback of earlier revisions, in order; `stage` is the one being compiled for (None without
    a train block); `sink` collects warnings and errors; `notes` lines that `swc compile` prints (decisions taken).
    """

    spec: Spec
    tables: tuple[LayerTable, ...]
    stage: Stage | None = None
    feedback: tuple[Feedback, ...] = ()
    # the two that passes add to; all else is frozen, so that no pass can change what another one reads
    sink: Sink = Factory(Sink)
    notes: list[str] = field(default=Factory(list), eq=False)


class Pass(Protocol):
    """A function from a graph to the next, with a name; a frozen class whose fields are its options."""

    @property
    def name(self) -> str:
        """What `--timing` and the verifier call it."""
        ...

    def run(self, graph: Graph, context: Context) -> Graph:
        """Give the next graph; report to `context.sink` what the author must know."""
        ...
