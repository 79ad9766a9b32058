"""`swc show` as text: who shares with whom, what is stored, and where in the training the ensemble stands.

Takes revisions and the spec, gives rich renderables. Guarantees: colours only repeat what numbers and letters say, so
that the plain text says everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.style import Style
from rich.table import Table
from rich.text import Text

from swc.compiler.ir.counts import count
from swc.compiler.ir.graph import Layer
from swc.program.spec import Spec
from swc.program.stages import Stage, stages
from swc.program.training import Action, GroupLayers, SplitClusters, UntieCoefficients
from swc.show.index import Index, grouped, index_of
from swc.show.palette import ALONE, Look, looks, number_of
from swc.show.plain import WIDTH, table
from swc.show.readers import readers_of
from swc.show.revision import Revision
from swc.show.summary import bank_table, defaults, remarks, start_lines, totals_table
from swc.show.ties import TieGroup, tie_groups, tie_letters
from swc.show.wording import budget_text, exact, runs, scale_text, several, shape_text


def overview(
    revision: Revision, spec: Spec, width: int = WIDTH, machine: Mapping[str, str] | None = None
) -> RenderableType:
    """One revision: members by depth, clusters, ties, banks, totals, phases, decisions, defaults.

    `width` is in characters; long members continue on further lines. `machine` is what a run is trained on.
    """
    graph = revision.graph
    index = index_of(graph)
    scaled = scale_text(spec.training.epochs_scale) if spec.training else ""
    parts: list[RenderableType] = [
        Text(title(revision) + scaled, style="bold"),
        Text(f"budget {budget_text(spec.budget)}"),
    ]
    if machine:
        parts.append(Text(f"trained on {machine_text(machine)}"))
    if graph.clusters or not graph.tensors:
        parts += [*_section("members by depth"), *_members(index, width), *_section("clusters"), cluster_table(index)]
    if graph.tensors:
        parts += [*_section("stored tensors"), *_tensors(index)]
    if graph.slots:
        parts += [*_section("coefficients"), *_ties(index)]
    if graph.banks:
        parts += [*_section("banks"), bank_table(graph), *start_lines(graph, spec)]
    parts += [*_section("totals"), totals_table(graph, count(graph), spec)]
    if spec.training:
        parts += [*_section("phases"), phase_table(spec, revision.number)]
    return Group(*parts, *remarks("decisions", revision.notes), *defaults(spec))


def title(revision: Revision) -> str:
    """How a revision is called."""
    return f"{revision.graph.ensemble}, revision {revision.number}" + (f" ({revision.label})" if revision.label else "")


def machine_text(facts: Mapping[str, str]) -> str:
    """What of a machine's facts bears on how a run computes."""
    return f"{facts.get('device', '?')}, {facts.get('arithmetic', '?')}, kernels {facts.get('kernels', '?')}"


def _section(name: str) -> tuple[Text, Text]:
    return Text(), Text(name, style="bold")


def _members(index: Index, width: int) -> Iterable[Text]:
    (worn,) = looks((index.graph,))
    letters = tie_letters(index)
    label = max(len(name) for name in [*index.layers_of_member, "layer"]) + 2
    cell = 1 + max([2, *(len(_cell(index, layer, letters)) for layer in index.layers.values())])
    per_line = max(1, (width - label) // cell)
    deepest = max([0, *(len(layers) for layers in index.layers_of_member.values())])
    for start in range(0, deepest, per_line):
        stop = min(start + per_line, deepest)
        yield Text("layer".ljust(label) + "".join(f"{n:>{cell - 1}} " for n in range(start, stop)), style="dim")
        for name, layers in index.layers_of_member.items():
            yield _row(name.ljust(label), layers[start:stop], index, worn, letters, cell)


def _row(
    label: str, layers: Sequence[Layer], index: Index, worn: dict[str, Look], letters: dict[str, str], cell: int
) -> Text:
    row = Text(label)
    for layer in layers:
        cluster = index.cluster_of_layer.get(layer.id)
        look = worn[cluster.id] if cluster else ALONE
        style = Style() if look == ALONE else Style(color=look.ink, bgcolor=look.fill)
        row.append(f"{_cell(index, layer, letters):>{cell - 1}}", style=style).append(" ")
    return row


def _cell(index: Index, layer: Layer, letters: dict[str, str]) -> str:
    """The cluster's number, and the letter of the layers it shares coefficients with."""
    cluster = index.cluster_of_layer.get(layer.id)
    return (number_of(cluster) if cluster else "-") + letters.get(layer.id, "")


def cluster_table(index: Index) -> Table:
    """One row for each cluster: where it comes from, and its layers by member."""
    made = table("cluster", "", ">layers", "where")
    for cluster in index.graph.clusters:
        alone = " (alone)" if index.is_alone(cluster) else ""
        where = places(index, cluster.layers)
        made.add_row(number_of(cluster), cluster.label + alone, exact(len(cluster.layers)), where)
    return made


def _tensors(index: Index) -> Iterable[RenderableType]:
    """One row for each stored tensor that several layers read; how many others there are."""
    readers = readers_of(index.graph)
    made = table("tensor", "shape", ">layers", "where")
    for tensor in index.graph.tensors:
        if len(layers := readers[tensor.id]) > 1:
            made.add_row(tensor.id, shape_text(tensor.shape), exact(len(layers)), places(index, layers))
    if made.row_count:
        yield made
    num_own = len(index.graph.tensors) - made.row_count
    if num_own:
        yield Text(f"{several(num_own, 'tensor')} read by one layer each")


def places(index: Index, layers: Iterable[str]) -> str:
    """Layers by member and place: `wide 0-3, 5; thin 0`."""
    by_member = grouped((index.layers[layer] for layer in layers), lambda layer: layer.member)
    return "; ".join(f"{member} {runs(layer.index for layer in found)}" for member, found in by_member.items())


def _ties(index: Index) -> list[RenderableType]:
    graph = index.graph
    line = f"{several(len(graph.slots), 'slot')} use {several(len(graph.coefficients), 'coefficient vector')}"
    groups = tie_groups(index)
    if not groups:
        return [Text(f"{line}: each its own")]
    return [Text(line), tie_table(index, groups)]


def tie_table(index: Index, groups: Sequence[TieGroup]) -> Table:
    """One row for each group of layers that share coefficients; its letter stands behind the cluster's number."""
    made = table("group", ">slots", ">tied", ">vectors", "layers")
    for group in groups:
        numbers = (exact(group.num_slots), exact(group.num_tied), exact(group.num_coefficients))
        made.add_row(group.cluster.removeprefix("c") + group.letter, *numbers, places(index, group.layers))
    return made


def phase_table(spec: Spec, present: int) -> Table:
    """The stages of training; the one of revision `present` is marked."""
    made = table("", ">revision", "stage", ">epochs", "then")
    if spec.training is None:
        return made
    for stage in stages(spec.training):
        mark = "*" if stage.revision == present else ""
        made.add_row(mark, str(stage.revision), stage.label, stage.length, _then(stage))
    return made


def _then(stage: Stage) -> str:
    if stage.action is None:
        return ""
    carry = f", {stage.phase.carry}" if stage.action is stage.phase.split else ""
    return action_text(stage.action) + carry


def action_text(action: Action) -> str:
    """What ends a stage, in the language's words."""
    if isinstance(action, SplitClusters):
        sketch = f" sketch {action.sketch}" if action.sketch is not None else ""
        return f"split clusters {action.extent}{sketch}"
    if isinstance(action, GroupLayers):
        return f"group layers in {action.number} clusters"
    if isinstance(action, UntieCoefficients):
        return f"untie coefficients below {action.threshold:g}"
    values = ", ".join(f"{name}: {value}" for name, value in action.arguments)
    return action.name.replace("_", " ") + (f"({values})" if values else "")
