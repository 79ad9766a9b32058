"""Training curves of a run: each member's loss, and held-out top-1 of the members and the ensemble."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from swc.folders.store import Build
from swc.report.measurements import ENSEMBLE, Curves, Points, curves_of
from swc.show.palette import HUES
from swc.show.wording import held_out, scale_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GREY = "#888888"
INK = "#000000"
RESTARTS = ("split", "group")  # what makes other networks of the members
LINES = tuple(HUES[number][0] for number in (5, 1, 2, 4, 0, 6))  # those that stand out on white as a thin line


def curves(build: Build) -> Figure:
    """Loss on the left, top-1 on the right, over the epochs of all phases; recompiles as dotted lines."""
    from matplotlib.figure import Figure

    found = curves_of(build)
    figure = Figure(figsize=(10.0, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    _draw(left, found.losses, found)
    left.set(ylabel="training loss (cross-entropy)", xlabel="epoch, over all phases")
    _draw(right, {name: _per_cent(points) for name, points in found.top1.items()}, found)
    right.set(ylabel=f"{held_out(found.part)} top-1 (%)", xlabel="epoch, over all phases")
    right.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    assert build.spec.training is not None
    scale = scale_text(build.spec.training.epochs_scale)
    figure.suptitle(f"{build.spec.name} on {build.spec.data.title}{scale}", fontsize=10)
    return figure


def _per_cent(points: Points) -> Points:
    return tuple((epoch, None if value is None else 100 * value) for epoch, value in points)


def _draw(axes: Any, lines: dict[str, Points] | Any, found: Curves) -> None:
    for number, (name, points) in enumerate(lines.items()):
        bold = name == ENSEMBLE
        colour = INK if bold else LINES[number % len(LINES)]
        style = {"color": colour, "linewidth": 2.0 if bold else 1.2, "marker": "o", "markersize": 3}
        for part, label in zip(_unbroken(points, found), (name, *[None] * len(points)), strict=False):
            axes.plot(*zip(*part, strict=True), label=label, **style)
    for epoch, done in found.cuts:
        axes.axvline(epoch + 0.5, color=GREY, linestyle=":", linewidth=1)
        axes.annotate(
            done, (epoch + 0.5, 1), xycoords=("data", "axes fraction"), xytext=(2, -2), textcoords="offset points",
            fontsize=6.5, color=GREY, va="top",
        )  # fmt: skip
    axes.spines[["top", "right"]].set_visible(False)
    axes.locator_params(axis="x", integer=True)


def _unbroken(points: Points, found: Curves) -> list[Points]:
    """The points cut where the graph was split: a restart is another network, and no line leads to it."""
    edges = [epoch for epoch, done in found.cuts if done in RESTARTS]
    parts: list[Points] = []
    for low, high in zip([0, *edges], [*edges, float("inf")], strict=True):
        part = tuple(point for point in points if low < point[0] <= high)
        parts += [part] if part else []
    return parts
