"""Which groups the layers of `shapeshifter` blocks are in at a revision.

Takes a context; gives it with the clusters of those blocks as pretraining has them or has left them: one bank while a
phase pretrains, then the groups that k-means finds among what layers took of its templates. Guarantees: the same
mixtures give the same groups, in the order of their first layers. Source: paper, supplementary section 1.1.1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from attrs import evolve

from swc.compiler.passes.context import Context
from swc.compiler.passes.grouping import collect
from swc.compiler.passes.policies.pretraining import bank_id
from swc.program.feedback import GroupFeedback, Mixture
from swc.program.spec import Clusters, Share
from swc.program.stages import stages
from swc.program.training import GroupLayers

SEEDINGS = 10  # of k-means, of which the tightest counts


def regrouped(context: Context) -> Context:
    """The context with the clusters of this revision; ValueError for feedback of a stage that did not ask for it."""
    if context.stage is not None and context.stage.phase.is_pretraining:
        return _with_shares(context, tuple(_clustered(share, Clusters("pretraining")) for share in context.spec.shares))
    found = [feedback for feedback in context.feedback if isinstance(feedback, GroupFeedback)]
    if not found:
        return context
    last = max(found, key=lambda feedback: feedback.revision)
    number = _number(context, last.revision)
    shares = enumerate(context.spec.shares)
    return _with_shares(context, tuple(_grouped(share, bank_id(n), last, number, context) for n, share in shares))


def _grouped(share: Share, bank: str, feedback: GroupFeedback, number: int, context: Context) -> Share:
    """A share block in the groups that its layers found; it stays as it is where none of them was pretrained."""
    mixtures = [mixture for mixture in feedback.mixtures if mixture.bank == bank]
    if not mixtures:
        return share
    groups = groups_of(mixtures, number)
    sizes = ", ".join(str(len(group)) for group in groups)
    fewer = f"; {number} groups were asked for, but they took no more than {len(groups)} different mixtures"
    told = fewer if len(groups) < number else ""
    context.notes.append(f"put {len(mixtures)} layers in groups of {sizes} by what they took of the templates{told}")
    return _clustered(share, Clusters("explicit", groups=groups))


def groups_of(mixtures: Sequence[Mixture], number: int) -> tuple[tuple[str, ...], ...]:
    """Layers that mixed alike, in `number` groups, or as many as there are different mixtures."""
    from sklearn.cluster import KMeans

    points = np.array([mixture.weights for mixture in mixtures])
    different = len(np.unique(points, axis=0))
    means = KMeans(min(number, different), n_init=SEEDINGS, random_state=0).fit(points)
    ids = [mixture.layer for mixture in mixtures]
    return collect(ids, dict(zip(ids, map(str, means.labels_), strict=True)))


def _number(context: Context, revision: int) -> int:
    training = context.spec.training
    known = () if training is None else stages(training)
    action = known[revision].action if 0 <= revision < len(known) else None
    if not isinstance(action, GroupLayers):
        raise ValueError(f"mixtures of revision {revision}, which ends without groups of layers")
    return action.number


def _with_shares(context: Context, shares: tuple[Share, ...]) -> Context:
    return evolve(context, spec=evolve(context.spec, shares=shares))


def _clustered(share: Share, clusters: Clusters) -> Share:
    if share.policy != "shapeshifter":
        return share
    return evolve(share, clusters=evolve(clusters, span=share.clusters.span))
