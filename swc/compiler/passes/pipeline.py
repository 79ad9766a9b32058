"""The pipeline: all passes, in order, at every revision.

Takes a context; gives the share graph of its revision. Guarantees: a pure function of spec, tables, stage and
feedback; a revision is compiled from scratch with all earlier feedback as input.
"""

from __future__ import annotations

from collections.abc import Callable

from swc.compiler.ir.graph import Graph
from swc.compiler.passes.allocate import Allocate
from swc.compiler.passes.cluster import MakeClusters
from swc.compiler.passes.context import Context, Pass
from swc.compiler.passes.express import Express
from swc.compiler.passes.levels import CutLevels
from swc.compiler.passes.select import Select
from swc.compiler.passes.split import SplitByFeedback
from swc.compiler.passes.store import Store
from swc.compiler.passes.tie import Tie
from swc.compiler.passes.untie import UntieByFeedback

PIPELINE: tuple[Pass, ...] = (
    Select(),
    Store(),
    MakeClusters(),
    SplitByFeedback(),
    CutLevels(),
    Tie(),
    Allocate(),
    UntieByFeedback(),
    Express(),
)


def run_pipeline(context: Context, after: Callable[[Pass, Graph], None] | None = None) -> Graph:
    """Run every pass; `after` is called with each pass and the graph it gave (to verify, time or print it).

    Raises DiagnosticError for what the author must mend.
    """
    stage = context.stage
    # From an empty graph at every revision: a pass never has to undo what an earlier revision decided.
    graph = Graph(context.spec.name, stage.revision if stage else 0, stage.phase.name if stage else "")
    for step in PIPELINE:
        graph = step.run(graph, context)
        context.sink.raise_errors()
        if after is not None:
            after(step, graph)
    return graph
