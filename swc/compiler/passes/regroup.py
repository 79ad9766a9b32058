"""Which groups the layers of `shapeshifter` blocks are in at a revision.

Takes a context; gives the spec with the clusters of those blocks as this revision has them: one bank while a phase
pretrains, then the groups that k-means makes of the layers by how they mixed its templates. The passes that ask a
policy for tensors and weights (`store`, `express`) give it the share blocks of this spec. Guarantees: the same mixtures
give the same groups, in the order of their first layers. Source: paper, supplementary section 1.1.1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from attrs import evolve

from swc.compiler.passes.context import Context
from swc.compiler.passes.grouping import Groups, collect
from swc.compiler.passes.policies.pretraining import bank_id
from swc.compiler.solvers.kmeans import kmeans
from swc.program.feedback import GroupFeedback, Mixture
from swc.program.spec import Clusters, Share, Spec
from swc.program.stages import stages
from swc.program.training import GroupLayers

PRETRAINING = Clusters("pretraining")


def spec_of_revision(context: Context) -> Spec:
    """The spec with the groups of this revision; ValueError for feedback of a stage that did not ask for any."""
    if context.stage is not None and context.stage.phase.is_pretraining:
        shares = tuple(_clustered(share, PRETRAINING) for share in context.spec.shares)
        return evolve(context.spec, shares=shares)
    groups = dict(_groups_by_share(context))
    numbered = enumerate(context.spec.shares)
    shares = tuple(_clustered(share, _listed(groups[n])) if n in groups else share for n, share in numbered)
    return evolve(context.spec, shares=shares)


def group_lines(context: Context) -> tuple[str, ...]:
    """A line on each share block whose layers are in groups of their own from this revision on, or were before."""
    if context.stage is not None and context.stage.phase.is_pretraining:
        return ()
    return tuple(_line(groups, context) for _, groups in _groups_by_share(context))


def _line(groups: Groups, context: Context) -> str:
    sizes = [len(group) for group in groups]
    wanted = _number(context, _last(context).revision)
    line = f"put {sum(sizes)} layers in groups of {', '.join(map(str, sizes))} by what they took of the templates"
    if len(groups) == wanted:
        return line
    return f"{line}; {wanted} groups were asked for, but they took no more than {len(groups)} different mixtures"


def _last(context: Context) -> GroupFeedback:
    """The mixtures measured last."""
    every = [feedback for feedback in context.feedback if isinstance(feedback, GroupFeedback)]
    return max(every, key=lambda feedback: feedback.revision, default=GroupFeedback(0, ()))


def _groups_by_share(context: Context) -> Iterator[tuple[int, Groups]]:
    """The groups of each block that was pretrained, by the block's number."""
    last = _last(context)
    number = _number(context, last.revision) if last.mixtures else 0
    for place, _ in enumerate(context.spec.shares):
        mixtures = tuple(mixture for mixture in last.mixtures if mixture.bank == bank_id(place))
        if mixtures:
            yield place, groups_of(mixtures, number)


@lru_cache(maxsize=8)  # the passes `store` and `express` ask for the same
def groups_of(mixtures: Sequence[Mixture], number: int) -> Groups:
    """Layers that mixed alike, in `number` groups, or as many as there are different mixtures."""
    points = np.array([mixture.weights for mixture in mixtures])
    # k-means with more centres than different points would leave some without any.
    different = len(np.unique(points, axis=0))
    labels = kmeans(points, min(number, different))
    ids = [mixture.layer for mixture in mixtures]
    return collect(ids, dict(zip(ids, map(str, labels), strict=True)))


def _number(context: Context, revision: int) -> int:
    training = context.spec.training
    known = () if training is None else stages(training)
    action = known[revision].action if 0 <= revision < len(known) else None
    if not isinstance(action, GroupLayers):
        raise ValueError(f"mixtures of revision {revision}, which ends without groups of layers")
    return action.number


def _listed(groups: Groups) -> Clusters:
    return Clusters("explicit", groups=groups)


def _clustered(share: Share, clusters: Clusters) -> Share:
    if share.policy != "shapeshifter":
        return share
    return evolve(share, clusters=evolve(clusters, span=share.clusters.span))
