"""The sharing graph as a picture in the manner of the paper's figure 5.

Takes revisions and the spec, gives the bytes of an SVG or PNG: members as rows, layers as cells coloured by cluster,
depth from left to right, revisions under one another. Guarantees: the same input gives the same bytes with the same
matplotlib. Everything is laid out in inches on one axes, from the top left.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

from attrs import evolve, frozen

from swc.compiler.ir.counts import count
from swc.compiler.ir.graph import Cluster, Layer
from swc.program.spec import Spec
from swc.show.images import house_style, image_of
from swc.show.index import Index, index_of
from swc.show.palette import ALONE, Look, looks, number_of
from swc.show.readers import with_readers
from swc.show.revision import Revision
from swc.show.ties import is_tied_throughout, tie_letters
from swc.show.wording import budget_text, several, short

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROW = 0.36  # inches: a member's row, its cells, a line of the legend
CELL_HEIGHT = 0.31
LEGEND_ROW = 0.19
MARGIN = 0.15
HEADER = 0.62
PANEL_HEAD = 0.46
GREY = "#555555"


@frozen
class PictureLayout:
    """The measures that depend on the ensemble, in inches."""

    labels: float  # width of the members' names
    cell: float  # width of one cell
    width: float  # of the whole picture
    legend_columns: int


@frozen
class Panel:
    """One revision ready to draw."""

    title: str
    index: Index
    looks: dict[str, Look]
    letters: dict[str, str]
    legend: tuple[tuple[Look, str], ...]


def picture(revisions: tuple[Revision, ...], spec: Spec, file_format: Literal["svg", "png"]) -> bytes:
    """Draw revisions under one another; PNG at 160 dots an inch."""
    with house_style():
        return image_of(draw(revisions, spec), file_format)


def draw(revisions: tuple[Revision, ...], spec: Spec) -> Figure:
    """The picture as a matplotlib figure."""
    from matplotlib.figure import Figure

    panels = panels_of(revisions)
    layout = _layout(panels)
    height = HEADER + sum(_height(panel, layout) for panel in panels) + 3 * 0.15 + MARGIN
    figure = Figure(figsize=(layout.width, height))
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0), xlim=(0, layout.width), ylim=(height, 0))
    axes.axis("off")
    _draw_header(axes, revisions, spec)
    top = HEADER
    for panel in panels:
        _draw_panel(axes, panel, layout, top)
        top += _height(panel, layout)
    _draw_key(axes, panels, top)
    return figure


def panels_of(revisions: tuple[Revision, ...]) -> tuple[Panel, ...]:
    """What each panel shows, before any drawing; stored tensors that several layers read are clusters here."""
    revisions = tuple(evolve(revision, graph=with_readers(revision.graph)) for revision in revisions)
    dressed = looks(tuple(revision.graph for revision in revisions))
    panels = [_panel(revision, worn) for revision, worn in zip(revisions, dressed, strict=True)]
    # an untie leaves the clusters as they were: their legend is not said twice
    return tuple(
        evolve(panel, legend=()) if panel.legend == before.legend else panel
        for before, panel in pairwise([evolve(panels[0], legend=()), *panels])
    )


def _panel(revision: Revision, worn: dict[str, Look]) -> Panel:
    index = index_of(revision.graph)
    clusters = revision.graph.clusters
    alone = [cluster for cluster in clusters if index.is_alone(cluster)]
    legend = [(worn[c.id], f"{number_of(c)}  {c.label} ({len(c.layers)})") for c in clusters if c not in alone]
    if alone:
        legend.append((ALONE, f"alone in its cluster ({len(alone)})"))
    label = f" ({revision.label})" if revision.label else ""
    title = f"Revision {revision.number}{label}: {summary(revision, len(clusters), len(alone))}"
    return Panel(title, index, worn, letters_of(index), tuple(legend))


def letters_of(index: Index) -> dict[str, str]:
    """The letters of tied layers; none where every layer of every cluster is tied, which the title says."""
    return {} if is_tied_throughout(index) else tie_letters(index)


def summary(revision: Revision, num_clusters: int, num_alone: int) -> str:
    """A revision in a line: clusters, slots and coefficients, templates."""
    graph = revision.graph
    counts = count(graph)
    parts = [several(num_clusters, "cluster") + (f" ({num_alone} of one layer)" if num_alone else "")]
    if graph.slots:
        tied = ", tied in every cluster" if is_tied_throughout(index_of(graph)) else ""
        parts.append(f"{several(len(graph.slots), 'slot')}, {several(len(graph.coefficients), 'coefficient')}{tied}")
    if counts.template_scalars or not counts.tensor_scalars:
        parts.append(f"{short(counts.template_scalars)} of templates")
    if counts.tensor_scalars:
        parts.append(f"{short(counts.tensor_scalars)} of stored tensors")
    return ", ".join(parts)


def _layout(panels: tuple[Panel, ...]) -> PictureLayout:
    members = [member for panel in panels for member in panel.index.layers_of_member]
    deepest = max([1, *(len(layers) for panel in panels for layers in panel.index.layers_of_member.values())])
    labels = 0.3 + 0.076 * max(len(member) for member in members)
    cell = min(0.42, max(0.19, 8.4 / deepest))
    width = max(8.0, labels + cell * deepest + 2 * MARGIN)
    entry = max([10, *(len(text) for panel in panels for _, text in panel.legend)])
    return PictureLayout(labels, cell, width, max(1, int((width - 2 * MARGIN) / (0.4 + 0.058 * entry))))


def _height(panel: Panel, layout: PictureLayout) -> float:
    legend_rows = -(-len(panel.legend) // layout.legend_columns)
    return PANEL_HEAD + ROW * len(panel.index.layers_of_member) + LEGEND_ROW * (legend_rows + 0.9)


def _draw_header(axes: Any, revisions: tuple[Revision, ...], spec: Spec) -> None:
    counts = count(revisions[-1].graph)
    axes.text(MARGIN, 0.22, spec.name, fontsize=11, fontweight="bold", va="center")
    line = (
        f"budget {budget_text(spec.budget)}: {short(counts.template_scalars)} of templates, "
        f"{short(counts.parameter_scalars)} parameters in all; {short(counts.native_scalars)} native"
    )
    axes.text(MARGIN, 0.45, line, fontsize=8, va="center", color=GREY)


def _draw_panel(axes: Any, panel: Panel, layout: PictureLayout, top: float) -> None:
    axes.text(MARGIN, top + 0.13, panel.title, fontsize=8.5, va="center")
    _draw_depths(axes, panel, layout, top + PANEL_HEAD - 0.09)
    for row, (member, layers) in enumerate(panel.index.layers_of_member.items()):
        centre = top + PANEL_HEAD + ROW * (row + 0.5)
        axes.text(MARGIN + layout.labels - 0.1, centre, member, fontsize=8, ha="right", va="center")
        for place, layer in enumerate(layers):
            _draw_cell(axes, panel, layer, MARGIN + layout.labels + layout.cell * place, centre, layout.cell)
    _draw_legend(axes, panel, layout, top + PANEL_HEAD + ROW * len(panel.index.layers_of_member) + 0.16)


def _draw_depths(axes: Any, panel: Panel, layout: PictureLayout, y: float) -> None:
    deepest = max([0, *(len(layers) for layers in panel.index.layers_of_member.values())])
    for place in range(0, deepest, 5):
        x = MARGIN + layout.labels + layout.cell * (place + 0.5)
        axes.text(x, y, str(place), fontsize=6, ha="center", va="center", color=GREY)


def _draw_cell(axes: Any, panel: Panel, layer: Layer, left: float, centre: float, width: float) -> None:
    cluster = panel.index.cluster_of_layer.get(layer.id)
    look = panel.looks[cluster.id] if cluster else ALONE
    height = CELL_HEIGHT if _is_spatial(layer) else 0.72 * CELL_HEIGHT
    _draw_box(axes, look, left + 0.01, centre - height / 2, width - 0.02, height)
    letter = panel.letters.get(layer.id, "")
    _draw_number(axes, cluster, look, left + width / 2, centre - (0.045 if letter else 0))
    # low cells leave less room under the number
    axes.text(
        left + width / 2, centre + (0.09 if height == CELL_HEIGHT else 0.062), letter,
        fontsize=5, ha="center", va="center", color=look.ink,
    )  # fmt: skip


def _draw_number(axes: Any, cluster: Cluster | None, look: Look, x: float, y: float) -> None:
    text = number_of(cluster) if cluster else "-"
    backing = {"boxstyle": "square,pad=0.08", "facecolor": look.fill, "edgecolor": "none"} if look.hatch else None
    axes.text(x, y, text, fontsize=6.5, ha="center", va="center", color=look.ink, bbox=backing)


def _draw_box(axes: Any, look: Look, left: float, top: float, width: float, height: float) -> None:
    from matplotlib.patches import Rectangle

    box = Rectangle((left, top), width, height, facecolor=look.fill, linewidth=0.6, edgecolor="#888888")
    if look.hatch:
        box.set(hatch=look.hatch, edgecolor=look.ink)
    if look == ALONE:
        box.set(linestyle=(0, (2, 1.4)), edgecolor="#666666")
    axes.add_patch(box)


def _draw_legend(axes: Any, panel: Panel, layout: PictureLayout, top: float) -> None:
    column_width = (layout.width - 2 * MARGIN) / layout.legend_columns
    for number, (look, text) in enumerate(panel.legend):
        row, column = divmod(number, layout.legend_columns)
        left = MARGIN + 0.1 + column_width * column
        _draw_box(axes, look, left, top + LEGEND_ROW * row - 0.055, 0.17, 0.11)
        axes.text(left + 0.25, top + LEGEND_ROW * row, text, fontsize=7, va="center")


def _draw_key(axes: Any, panels: tuple[Panel, ...], top: float) -> None:
    layers = [layer for panel in panels for layer in panel.index.layers.values()]
    parts = ["A cell is a layer, in module order; its number is its cluster."]
    if not all(_is_spatial(layer) for layer in layers):
        parts.append("Low cells: 1x1 convolutions and linear layers.")
    if any(panel.letters for panel in panels):
        parts.append("Layers of one cluster with one letter share coefficients.")
    for row, part in enumerate(parts):
        axes.text(MARGIN, top + 0.06 + 0.15 * row, part, fontsize=6.5, va="center", color=GREY)


def _is_spatial(layer: Layer) -> bool:
    return any(size > 1 for size in layer.shape[2:])
