"""Training curves of a run: each member's loss, and a score of the members and the ensemble, of classes top-1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from swc.folders.store import Build
from swc.program.training import Loss
from swc.report.measurements import ENSEMBLE, Curves, Points, curves_of
from swc.show.palette import HUES
from swc.show.wording import held_out, scale_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GREY = "#888888"
INK = "#000000"
AVERAGE = "ensemble, average of weights"
RESTARTS = ("split", "group")  # what makes other networks of the members
LINES = tuple(HUES[number][0] for number in (5, 1, 2, 4, 0, 6))  # those that stand out on white as a thin line


def curves(build: Build) -> Figure:
    """Loss on the left, the score on the right, over the epochs of all phases; recompiles as dotted lines.

    With an average of weights the ensemble's scores with it are a dashed line.
    """
    from matplotlib.figure import Figure

    found = curves_of(build)
    figure = Figure(figsize=(10.0, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    _draw(left, found.losses, found)
    assert build.spec.training is not None
    left.set(ylabel=f"training loss ({loss_text(build.spec.training.recipe.loss)})", xlabel="epoch, over all phases")
    row = build.spec.task.row.chosen
    _draw(right, {name: _scaled(points, row.factor) for name, points in found.scores.items()}, found)
    averaged = found.averages.get(ENSEMBLE, ())
    if averaged:
        _draw(right, {AVERAGE: _scaled(averaged, row.factor)}, found)
    right.set(ylabel=f"{held_out(found.part)} {row.label}", xlabel="epoch, over all phases")
    right.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    scale = scale_text(build.spec.training.epochs_scale)
    figure.suptitle(f"{build.spec.name} on {build.spec.data.title}{scale}", fontsize=10)
    return figure


def loss_text(loss: Loss) -> str:
    """What a loss is called: `cross-entropy`, `mse`, `binary cross-entropy`."""
    return loss.name.replace("cross_entropy", "cross-entropy").replace("_", " ")


def _scaled(points: Points, factor: float) -> Points:
    return tuple((epoch, None if value is None else factor * value) for epoch, value in points)


def _draw(axes: Any, lines: dict[str, Points] | Any, found: Curves) -> None:
    for number, (name, points) in enumerate(lines.items()):
        bold = name in (ENSEMBLE, AVERAGE)
        colour = INK if bold else LINES[number % len(LINES)]
        style: dict[str, Any] = {"color": colour, "linewidth": 2.0 if bold else 1.2, "marker": "o", "markersize": 3}
        style |= {"linestyle": "--"} if name == AVERAGE else {}
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
