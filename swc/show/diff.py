"""`swc diff`: what a recompile changed, and the similarities that made it.

Takes two programs with what was measured in between, gives a rich renderable. Guarantees: every similarity stands
with its error; ids are the programs' own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from attrs import Factory, frozen
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from swc.compiler.passes.grouping import sizes_over_threshold
from swc.compiler.passes.split import RANGE
from swc.program.diff import ProgramDiff, SplitCluster, clusters_of, diff_programs
from swc.program.expressions import Expression, text_of
from swc.program.feedback import (
    ClusterCut,
    ClusterFeedback,
    CoefficientFeedback,
    Feedback,
    GroupFeedback,
    Similarity,
    SimilarityFeedback,
)
from swc.program.program import Program
from swc.program.stages import stages
from swc.program.training import Training
from swc.show.index import grouped
from swc.show.links import Part, close_calls, parts_of
from swc.show.plain import table
from swc.show.revision import Revision
from swc.show.wording import decimal, exact, gain_text, runs, several

PRIVATE = "private"  # what is stored as it is, for one member alone
MOST_CALLS = 10  # close calls listed; their number is always given


@frozen
class ProgramSide:
    """One side of a diff: a program, what people call it, and the labels of its clusters where a graph tells them."""

    name: str
    program: Program
    labels: Mapping[str, str] = Factory(dict)


@frozen
class MeasuredFeedback:
    """Feedback with the threshold it was held against (None where the spec has none, or a number of clusters)."""

    feedback: SimilarityFeedback
    threshold: float | None


def side_of(revision: Revision) -> ProgramSide | None:
    """A revision as a side of a diff; None where it has no program."""
    if revision.program is None:
        return None
    name = f"revision {revision.number}" + (f" ({revision.label})" if revision.label else "")
    labels = {cluster.id: cluster.label for cluster in revision.graph.clusters}
    return ProgramSide(name, revision.program, labels)


def measured_between(
    before: Program, after: Program, feedback: Iterable[Feedback], training: Training | None
) -> tuple[MeasuredFeedback, ...]:
    """The feedback of the revisions from `before` up to but without `after`, with its thresholds."""
    actions = [stage.action for stage in stages(training)] if training else []
    found = [item for item in feedback if before.revision <= item.revision < after.revision]
    similar = (item for item in found if not isinstance(item, GroupFeedback))
    return tuple(MeasuredFeedback(item, _threshold(actions, item.revision)) for item in similar)


def _threshold(actions: Sequence[object], revision: int) -> float | None:
    action = actions[revision] if revision < len(actions) else None
    return getattr(action, "threshold", None)


def diff_view(before: ProgramSide, after: ProgramSide, measured: tuple[MeasuredFeedback, ...] = ()) -> RenderableType:
    """The whole diff: counts, clusters, coefficients, banks, close calls."""
    change = diff_programs(before.program, after.program)
    parts: list[RenderableType] = [Text(f"{before.name} -> {after.name}", style="bold"), Text()]
    parts.append(count_table(change))
    if change.is_empty:
        return Group(*parts, Text(), Text("the two share alike"))
    parts += [Text(line) for line in _updates(change)]
    parts += _reclustered(before, after, change, measured) if change.clusters else _retied(before, change, measured)
    parts += _remade(before, after, change)
    for item in measured:
        parts += _calls(item)
    return Group(*parts)


def _updates(change: ProgramDiff) -> Iterator[str]:
    """Which parameters get no further updates, or get them again."""
    yield from (f"{role} are frozen: they get no further updates" for role in change.frozen)
    yield from (f"{role} are trained again" for role in change.thawed)


def _reclustered(
    before: ProgramSide, after: ProgramSide, change: ProgramDiff, measured: Sequence[MeasuredFeedback]
) -> Iterable[RenderableType]:
    """New clusters have new banks and new ties: a name that stands in both revisions names different things."""
    old, new = before.program, after.program
    yield from _section("clusters")
    yield cluster_table(before, after, change, measured)
    yield Text()
    yield Text(
        f"{several(len(clusters_of(old)), 'cluster')} became {len(clusters_of(new))}, "
        f"{several(len(old.banks), 'bank')} became {len(new.banks)}, "
        f"{several(len(old.coefficients), 'coefficient vector')} became {len(new.coefficients)}"
    )


def _retied(before: ProgramSide, change: ProgramDiff, measured: Sequence[MeasuredFeedback]) -> Iterable[RenderableType]:
    if change.untied:
        yield from _section("coefficients")
        yield untied_table(before.program, change, measured)
    if change.banks:
        yield from _section("banks")
        yield bank_table(change)
    if change.gains:
        yield from _section("gains")
        yield gain_table(before.program, change)


def _remade(before: ProgramSide, after: ProgramSide, change: ProgramDiff) -> Iterable[RenderableType]:
    """Weights that are made otherwise, and of which tensors; what begins otherwise."""
    if change.making:
        yield from _section("weights made otherwise")
        yield making_table(before.program, after.program, change)
    tensors = change.tensors
    if tensors.new or tensors.gone or tensors.changed:
        counts = ((tensors.new, "new"), (tensors.gone, "gone"), (tensors.changed, "otherwise"))
        yield Text()
        yield Text(f"stored tensors: {', '.join(f'{exact(len(ids))} {word}' for ids, word in counts if ids)}")
    if not change.begins_alike:
        yield Text()
        yield Text("what is stored begins with other values")


def making_table(before: Program, after: Program, change: ProgramDiff) -> Table:
    """The operations that make weights before and after, each pair once, with the layers that have them."""
    made = table("before", "after", ">layers", "where")
    pairs = grouped(change.making, lambda one: (_operations(one.before), _operations(one.after)))
    for (old, new), layers in pairs.items():
        where = places(after if old == PRIVATE else before, (one.layer for one in layers))
        made.add_row(old, new, exact(len(layers)), where)
    return made


def _operations(expression: Expression | None) -> str:
    """The operations of an expression from the outside in, each once: `scale stored`."""
    if expression is None:
        return PRIVATE
    return " ".join(dict.fromkeys(re.findall(r"([a-z]+)\(", text_of(expression))))


def _section(name: str) -> tuple[Text, Text]:
    return Text(), Text(name, style="bold")


def count_table(change: ProgramDiff) -> Table:
    """The scalars stored before and after."""
    made = table("scalars", ">before", ">after", ">change")
    old, new = change.counts_before, change.counts_after
    for name, first, second in (
        ("templates", old.template_scalars, new.template_scalars),
        ("coefficients", old.coefficient_scalars, new.coefficient_scalars),
        ("stored tensors", old.tensor_scalars, new.tensor_scalars),
        ("private", old.private_scalars, new.private_scalars),
        ("all parameters", old.parameter_scalars, new.parameter_scalars),
    ):
        made.add_row(name, exact(first), exact(second), f"{second - first:+,}" if first != second else "0")
    return made


def cluster_table(
    before: ProgramSide, after: ProgramSide, change: ProgramDiff, measured: Sequence[MeasuredFeedback]
) -> Table:
    """Each cluster that was cut or joined: its parts, the link that holds each and the nearest one outside."""
    made = table("cluster", "now", ">layers", "where", "held by psi >=", "nearest outside")
    pairs = _pairs(measured, ClusterFeedback)
    for cluster in change.clusters:
        for place, (id_, part) in enumerate(_cluster_parts(before, after, cluster, pairs)):
            name = _named(cluster.before, before.labels) if place == 0 else ""
            where = places(before.program, part.ids)
            made.add_row(name, _named(id_, after.labels), exact(len(part.ids)), where, *_links(part))
    return made


def _cluster_parts(
    before: ProgramSide, after: ProgramSide, cluster: SplitCluster, pairs: Sequence[Similarity]
) -> Iterable[tuple[str, Part]]:
    held = clusters_of(before.program)[cluster.before]
    new = clusters_of(after.program)
    groups = [tuple(layer for layer in held if layer in set(new[id_])) for id_, _ in cluster.after]
    return zip((id_ for id_, _ in cluster.after), parts_of(groups, pairs), strict=True)


def untied_table(program: Program, change: ProgramDiff, measured: Sequence[MeasuredFeedback]) -> Table:
    """Each coefficient that was untied: the groups of its slots and their links."""
    made = table("coefficients of", ">slots", "where", "held by psi >=", "nearest outside")
    pairs = _pairs(measured, CoefficientFeedback)
    for untied in change.untied:
        for place, part in enumerate(parts_of(untied.groups, pairs)):
            where = places(program, (slot.rpartition("#")[0] for slot in part.ids))
            made.add_row(untied.coefficient if place == 0 else "", exact(len(part.ids)), where, *_links(part))
    return made


def bank_table(change: ProgramDiff) -> Table:
    """Banks as templates x size, before and after."""
    made = table("bank", ">before", ">after")
    for bank in change.banks:
        made.add_row(bank.bank, _size(bank.before), _size(bank.after))
    return made


def gain_table(program: Program, change: ProgramDiff) -> Table:
    """The gains before and after, each pair once, with the layers whose slots have them."""
    made = table(">before", ">after", ">slots", "where")
    pairs = grouped(change.gains, lambda gain: (gain_text(gain.before), gain_text(gain.after)))
    for (before, after), gains in pairs.items():
        where = places(program, dict.fromkeys(gain.slot.rpartition("#")[0] for gain in gains))
        made.add_row(before, after, exact(len(gains)), where)
    return made


def _size(size: tuple[int, int] | None) -> str:
    return f"{size[0]} x {exact(size[1])}" if size else "-"


def _pairs(
    measured: Sequence[MeasuredFeedback], kind: type[ClusterFeedback] | type[CoefficientFeedback]
) -> list[Similarity]:
    return [pair for item in measured if isinstance(item.feedback, kind) for pair in item.feedback.similarities]


def _named(cluster: str, labels: Mapping[str, str]) -> str:
    return f"{cluster}  {labels[cluster]}" if cluster in labels else cluster


def _links(part: Part) -> tuple[str, str]:
    return psi_text(part.holds) if part.holds else "-", psi_text(part.nearest) if part.nearest else "-"


def psi_text(pair: Similarity) -> str:
    """A similarity with its standard error."""
    return pair.text


def places(program: Program, layers: Iterable[str]) -> str:
    """Layers by member and place among the member's composed layers: `wide 0-3, 5; thin 0`."""
    by_member = grouped(program.weights, lambda weight: weight.member)
    place = {
        weight.layer: (member, number) for member, weights in by_member.items() for number, weight in enumerate(weights)
    }
    found = grouped((place[layer] for layer in layers), lambda entry: entry[0])
    return "; ".join(f"{member} {runs({number for _, number in entries})}" for member, entries in found.items())


def _calls(item: MeasuredFeedback) -> Iterable[RenderableType]:
    """The pairs so near the threshold that another run may decide them otherwise; those without a gradient."""
    pairs, silent = item.feedback.similarities, item.feedback.silent
    source = f"{several(len(pairs), 'pair')} from {several(item.feedback.num_images, 'image')}"
    yield Text()
    yield Text(f"similarities of revision {item.feedback.revision}", style="bold")
    cuts = item.feedback.cuts if isinstance(item.feedback, ClusterFeedback) else ()
    if item.threshold is None and not cuts:
        yield Text(source)
        return
    if item.threshold is not None:
        yield from _near(pairs, item.threshold, f"{source}, threshold {item.threshold:g}")
    else:
        yield from _near_cuts(pairs, cuts, source)
    if silent:
        yield Text(f"without a gradient, so left as they were: {', '.join(silent)}")
    if isinstance(item.feedback, ClusterFeedback) and pairs:
        yield from _section("clusters by threshold (linkage union)")
        yield sizes_table(pairs, item.threshold)


def _near(pairs: Sequence[Similarity], level: float, source: str) -> Iterable[RenderableType]:
    calls = close_calls(pairs, level)
    yield Text(f"{source}: {len(calls)} within two standard errors of it")
    if calls:
        yield pair_table(calls[:MOST_CALLS])


def _near_cuts(pairs: Sequence[Similarity], cuts: Sequence[ClusterCut], source: str) -> Iterable[RenderableType]:
    levels = [cut.level for cut in cuts if cut.level is not None]
    # Which of several share blocks a pair belongs to, a program does not say.
    if len(cuts) == 1 and levels:
        yield from _near(pairs, levels[0], f"{source}, cut at {decimal(levels[0], 3)}")
    else:
        yield Text(source)
    yield from _section("where the similarities are cut")
    yield cut_table(cuts)


def cut_table(cuts: Sequence[ClusterCut]) -> Table:
    """For each share block the link that was joined last and the next, which is left apart."""
    made = table(">clusters", "link", "first", "second", "psi")
    for cut in cuts:
        for words, link in (("joined last", cut.joined), ("left apart", cut.apart)):
            if link is not None:
                made.add_row(exact(cut.number), words, link.first, link.second, psi_text(link))
    return made


def sizes_table(pairs: Sequence[Similarity], threshold: float | None) -> Table:
    """What the measured layers would make at other thresholds; the one in force, if one is, is marked."""
    made = table("", ">threshold", ">clusters", ">largest", ">of one layer")
    known = {*RANGE} if threshold is None else {*RANGE, threshold}
    for value, sizes in sizes_over_threshold(pairs, sorted(known)):
        mark = "*" if value == threshold else ""
        made.add_row(mark, f"{value:g}", exact(len(sizes)), exact(sizes[0]), exact(sizes.count(1)))
    return made


def pair_table(pairs: Sequence[Similarity]) -> Table:
    """Pairs with their similarities."""
    made = table("first", "second", "psi")
    for pair in pairs:
        made.add_row(pair.first, pair.second, psi_text(pair))
    return made
