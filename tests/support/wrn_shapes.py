"""Layer tables of wide residual networks, written down without torch, and contexts around them.

A WRN-d-w has (d - 4) / 6 blocks in each of three stages of 16w, 32w and 64w channels, a stem of 16 channels, and a
1x1 shortcut convolution wherever a block changes the number of channels.
"""

from __future__ import annotations

from collections.abc import Sequence

from swc.compiler.passes.context import Context
from swc.program.datasets import DATASETS
from swc.program.feedback import Feedback
from swc.program.layer_table import LayerTable, ParameterRow
from swc.program.model_source import ModelSource
from swc.program.spec import Budget, Member, Selector, Share, Spec
from swc.program.stages import stages
from swc.program.training import Training

from support.rows import head, norm, weight

Net = tuple[int, int]  # depth, width

UNLIMITED = Budget("unlimited")
CONVOLUTIONS = Share(Selector("conv"))


def wrn_shapes(depth: int, width: int) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """The convolutions of a WRN in module order: path and (outputs, inputs, kernel, kernel)."""
    found: list[tuple[str, tuple[int, ...]]] = [("conv1", (16, 3, 3, 3))]
    inputs = 16
    for stage in (1, 2, 3):
        outputs = 8 * 2**stage * width
        for block in range((depth - 4) // 6):
            path = f"block{stage}.{block}"
            found += [(f"{path}.conv1", (outputs, inputs, 3, 3)), (f"{path}.conv2", (outputs, outputs, 3, 3))]
            if inputs != outputs:
                found.append((f"{path}.shortcut", (outputs, inputs, 1, 1)))
            inputs = outputs
    return tuple(found)


def wrn_table(member: str, depth: int, width: int, classes: int = 100) -> LayerTable:
    """The whole table: convolutions, one norm for each, the classifier."""
    rows: list[ParameterRow] = []
    for path, shape in wrn_shapes(depth, width):
        rows += [*norm(f"{path}_bn", shape[1]), weight(path, "conv", shape)]
    return LayerTable(member, (*rows, *head("fc", classes, 64 * width)))


def name_of(number: int) -> str:
    """The name of the member with this number."""
    return f"m{number}"


def wrn_spec(
    nets: Sequence[Net],
    budget: Budget = UNLIMITED,
    share: Share = CONVOLUTIONS,
    training: Training | None = None,
) -> Spec:
    """A spec of WRN members `m0`, `m1`, ... with one share block."""
    members = tuple(
        Member(name_of(n), ModelSource("family", "wrn", (("depth", d), ("width", w)))) for n, (d, w) in enumerate(nets)
    )
    return Spec("test", DATASETS["cifar100"], members, budget, (share,), training)


def tables_of(nets: Sequence[Net]) -> tuple[LayerTable, ...]:
    """The tables of the members of `wrn_spec`."""
    return tuple(wrn_table(name_of(number), depth, width) for number, (depth, width) in enumerate(nets))


def wrn_context(
    nets: Sequence[Net],
    budget: Budget = UNLIMITED,
    share: Share = CONVOLUTIONS,
    training: Training | None = None,
    revision: int | None = None,
    feedback: tuple[Feedback, ...] = (),
) -> Context:
    """A context for the passes; `revision` needs `training`."""
    stage = stages(training)[revision] if training is not None and revision is not None else None
    return Context(wrn_spec(nets, budget, share, training), tables_of(nets), stage, feedback)
