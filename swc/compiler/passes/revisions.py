"""Which feedback and which action belong to the revision being compiled.

Takes the context; gives feedback with the action it answers. Guarantees: feedback without a stage that asked for it
is refused with a ValueError, never passed over.
"""

from __future__ import annotations

from swc.compiler.passes.context import Context
from swc.program.feedback import ClusterFeedback, CoefficientFeedback
from swc.program.stages import Stage, stages
from swc.program.training import SplitClusters, UntieCoefficients

Splits = tuple[tuple[ClusterFeedback, SplitClusters], ...]
Unties = tuple[tuple[CoefficientFeedback, UntieCoefficients], ...]


def splits(context: Context) -> Splits:
    """All cluster feedback, in the order of revisions, each with the split that asked for it."""
    found: list[tuple[ClusterFeedback, SplitClusters]] = []
    for feedback in context.feedback:
        if isinstance(feedback, ClusterFeedback):
            action = _stage(context, feedback.revision).action
            if not isinstance(action, SplitClusters):
                raise ValueError(f"cluster feedback for revision {feedback.revision}, which ends without a split")
            found.append((feedback, action))
    return tuple(sorted(found, key=lambda row: row[0].revision))


def last_split(context: Context) -> ClusterFeedback | None:
    """The latest cluster feedback."""
    found = splits(context)
    return found[-1][0] if found else None


def unties(context: Context) -> Unties:
    """The coefficient feedback that applies to the present sharing graph, in the order of revisions.

    Feedback from before the last split speaks of another graph, and that of a phase which ties its coefficients in
    another way (search and main) of other coefficients: neither applies.
    """
    split = last_split(context)
    # Search (0), main up to the untying (1), main after it (2): revision 2 applies the split of 0 and the untying of 1.
    first = 0 if split is None else split.revision + 1
    found: list[tuple[CoefficientFeedback, UntieCoefficients]] = []
    for feedback in context.feedback:
        if isinstance(feedback, CoefficientFeedback) and feedback.revision >= first:
            stage = _stage(context, feedback.revision)
            if not isinstance(stage.action, UntieCoefficients):
                raise ValueError(f"coefficient feedback for revision {feedback.revision}, which ends without an untie")
            if context.stage is None or stage.phase.is_search == context.stage.phase.is_search:
                found.append((feedback, stage.action))
    return tuple(sorted(found, key=lambda row: row[0].revision))


def _stage(context: Context, revision: int) -> Stage:
    training = context.spec.training
    known = () if training is None else stages(training)
    if not 0 <= revision < len(known):
        raise ValueError(f"feedback for revision {revision}, but the spec has {len(known)} stages")
    return known[revision]
