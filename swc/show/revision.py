"""A revision as the views take it: everything that is known of one compiled sharing graph.

Takes what a build or run folder holds, gives frozen data. Guarantees: nothing here reads a file.
"""

from __future__ import annotations

from attrs import frozen

from swc.compiler.ir.graph import Graph
from swc.program.feedback import Feedback
from swc.program.program import Program


@frozen
class Revision:
    """One compiled revision: `label` names its stage; `feedback` is what training it measured (None: nothing yet)."""

    number: int
    label: str
    graph: Graph
    program: Program | None = None
    feedback: Feedback | None = None
    notes: tuple[str, ...] = ()
