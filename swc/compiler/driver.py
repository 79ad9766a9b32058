"""The whole compiler on one screen: `.sw` text to a Program, and again with what training measured.

Takes a file, or a typed spec with its layer tables; gives `Compiled`. Guarantees: revision n is a pure function of
spec, tables and the feedback of earlier revisions; the verifier has seen the graph after every pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from swc.compiler.frontend.read import AnnounceCode, read_members, unannounced
from swc.compiler.frontend.settle import settled
from swc.compiler.ir.graph import Graph
from swc.compiler.ir.verify import verify
from swc.compiler.lowering.lower import lower
from swc.compiler.passes.context import Context
from swc.compiler.passes.pipeline import run_pipeline
from swc.diagnostics import Diagnostic, Sink
from swc.diagnostics.catalogue.given_weights import WeightsNotForPolicy
from swc.files.codec import hash_of
from swc.program.expressions import Mix, Resize
from swc.program.feedback import Feedback
from swc.program.layer_table import LayerTable
from swc.program.program import Program
from swc.program.spec import Spec
from swc.program.stages import Stage, stages


@frozen
class Compiled:
    """One revision of an ensemble, with everything that made it and what there is to say about it.

    `program_hash` is the hash of the program as it was written when it was compiled: by it a checkpoint knows it.
    """

    spec: Spec
    tables: tuple[LayerTable, ...]
    graph: Graph
    program: Program
    program_hash: str
    feedback: tuple[Feedback, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()

    @property
    def revision(self) -> int:
        """How many recompiles came before this one."""
        return self.program.revision

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the compiler decided and what it warned of, a line each."""
        return (*self.notes, *(warning.summary() for warning in self.warnings))

    @property
    def stage(self) -> Stage | None:
        """The stage of training this revision is for (None without a train block)."""
        return stage_of(self.spec, self.revision)


def compile_file(
    path: Path | str,
    overrides: Mapping[str, str] | None = None,
    ensemble: str | None = None,
    announce: AnnounceCode | None = unannounced,
    data: Path | None = None,
    seed: int | None = None,
) -> Compiled:
    """Compile an ensemble of a `.sw` file; `overrides` maps params to values as one would write them in the file.

    The code of `python(...)` members runs: to call this is to consent to it. `announce` is called with it before; with
    None no such code runs, and the members' layers are those that were kept when they were compiled. A table or arrays
    are looked for in the folder `data` (None: the current one). `seed` takes the place of the recipe's, by which parts
    are drawn, and so how many inputs a table has. Raises DiagnosticError with everything the author has to mend.
    """
    from swc.language.semantics.check import check_file

    sink = Sink()
    spec = check_file(path, ensemble, overrides or {}, sink)
    sink.raise_errors()
    spec = settled(spec if seed is None else spec.seeded(seed), sink, data)
    sink.raise_errors()
    tables = read_members(spec, sink, announce)
    sink.raise_errors()  # a member that could not be read has no layers: nothing else said of it would be true
    if any(member.weights for member in spec.members):
        from swc.compiler.frontend.given_weights import check_given

        check_given(spec, tables, sink)
        sink.raise_errors()
    return compile_spec(spec, tables, sink=sink)


def _check_foldable(graph: Graph, spec: Spec, sink: Sink) -> None:
    """Report layers of members with given weights to which nothing can be fitted."""
    given = {member.name: member for member in spec.members if member.weights}
    expressions = {weight.layer: weight.expression for weight in graph.weights}
    for layer in graph.layers if given else ():
        if layer.member in given and isinstance(expressions[layer.id], Mix | Resize):
            policy = spec.shares[layer.share].policy
            sink.report(WeightsNotForPolicy(span=given[layer.member].span, policy=policy, layer=layer.id))
            return


def compile_spec(
    spec: Spec,
    tables: tuple[LayerTable, ...],
    revision: int = 0,
    feedback: tuple[Feedback, ...] = (),
    sink: Sink | None = None,
    spec_hash: str = "",
) -> Compiled:
    """Compile one revision from a typed spec; raises DiagnosticError for what the author has to mend.

    `spec_hash` is the hash that a run knows its spec by ("": that of the spec as it is).
    """
    context = Context(spec, tables, stage_of(spec, revision), feedback, sink or Sink())
    graph = run_pipeline(context, lambda _, graph: verify(graph))
    _check_foldable(graph, spec, context.sink)
    context.sink.raise_errors()
    program = lower(graph, spec, spec_hash)
    frozen = tuple(f"{role} are frozen: they get no further updates" for role in program.frozen)
    notes, warnings = (*context.notes, *frozen), context.sink.warnings
    return Compiled(spec, tables, graph, program, hash_of(program), feedback, notes, warnings)


def recompile(compiled: Compiled, feedback: Feedback | None) -> Compiled:
    """The next revision, from what training the present one measured (None: a phase that ended without measuring)."""
    known = compiled.feedback if feedback is None else (*compiled.feedback, feedback)
    spec_hash = compiled.program.spec_hash
    return compile_spec(compiled.spec, compiled.tables, compiled.revision + 1, known, spec_hash=spec_hash)


def stage_of(spec: Spec, revision: int) -> Stage | None:
    """The stage that trains a revision; ValueError for a revision the spec does not have."""
    if spec.training is None:
        return None
    known = stages(spec.training)
    if not 0 <= revision < len(known):
        raise ValueError(f"there is no revision {revision}: the spec trains {len(known)}")
    return known[revision]
