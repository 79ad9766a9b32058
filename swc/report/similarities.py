"""The similarities that a run's recompiles went by: a histogram, and every pair with its standard error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from swc.folders.store import Build
from swc.program.feedback import UNKNOWN_ERROR
from swc.report.measurements import Recompile, recompiles_of
from swc.show.wording import exact, several

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "#888888"
BINS = 40  # over -1 .. 1


def similarities(build: Build) -> Figure:
    """A row for each recompile: the histogram on the left, all pairs by falling similarity on the right."""
    from matplotlib.figure import Figure

    found = recompiles_of(build)
    figure = Figure(figsize=(9.0, 3.2 * len(found)), layout="constrained")
    rows = figure.subplots(len(found), 2, squeeze=False)
    for (left, right), recompile in zip(rows, found, strict=True):
        values = np.array([pair.value for pair in recompile.feedback.similarities])
        errors = np.array([pair.error for pair in recompile.feedback.similarities])
        _histogram(left, values, errors, recompile)
        _ranked(right, values, errors, recompile)
    figure.suptitle(build.spec.name, fontsize=10)
    return figure


def bin_errors(values: NDArray[Any], errors: NDArray[Any], edges: NDArray[Any]) -> NDArray[Any]:
    """How far the count of each bin may be off because of the pairs' standard errors: one standard deviation.

    Values and errors [P], edges [B + 1]; gives [B]. Each pair is taken as normal about its value, and falls into a bin
    with a probability p; the counts then have the variance sum p (1 - p).
    """
    from scipy.stats import norm

    below = norm.cdf((edges[:, None] - values) / np.maximum(errors, 1e-12))
    inside = np.diff(below, axis=0)
    spread: NDArray[Any] = np.sqrt((inside * (1 - inside)).sum(1))
    return spread


def _histogram(axes: Any, values: NDArray[Any], errors: NDArray[Any], recompile: Recompile) -> None:
    edges = np.linspace(-1, 1, BINS + 1)
    counts, _ = np.histogram(values, edges)
    axes.bar(edges[:-1], counts, np.diff(edges), align="edge", color=BLUE, edgecolor="white", linewidth=0.4)
    spread = bin_errors(values, errors, edges)
    uncertain = spread > 0.05  # of a pair: a shorter bar is not seen
    middle = (edges[:-1] + edges[1:]) / 2
    axes.errorbar(middle[uncertain], counts[uncertain], spread[uncertain], fmt="none", ecolor="#000000", elinewidth=0.8)
    axes.axvline(recompile.threshold, color=VERMILION, linestyle="--", linewidth=1)
    axes.set_title(recompile.title, fontsize=8.5, loc="left")
    axes.set(xlabel="similarity (cosine)", ylabel="pairs", ylim=(0, None), xticks=np.linspace(-1, 1, 5))
    axes.spines[["top", "right"]].set_visible(False)


def _ranked(axes: Any, values: NDArray[Any], errors: NDArray[Any], recompile: Recompile) -> None:
    order = np.argsort(-values, kind="stable")
    is_close = np.abs(values - recompile.threshold) <= 2 * errors
    known = np.where(errors < UNKNOWN_ERROR, errors, np.nan)  # no bar where none was measured
    for chosen, colour in ((~is_close, BLUE), (is_close, VERMILION)):
        rank = np.flatnonzero(chosen[order]) + 1
        shown = order[chosen[order]]
        axes.errorbar(
            rank, values[shown], known[shown], fmt="o", markersize=1.5, color=colour, ecolor=GREY, elinewidth=0.6
        )
    axes.axhline(recompile.threshold, color=VERMILION, linestyle="--", linewidth=1)
    above = int((values > recompile.threshold).sum())
    axes.set_title(
        f"{exact(above)} of {several(len(values), 'pair')} above {recompile.limit.removeprefix('the threshold ')}; "
        f"{exact(int(is_close.sum()))} within two standard errors of it",
        fontsize=8.5, loc="left",
    )  # fmt: skip
    axes.set(xlabel="pairs by falling similarity", ylabel="similarity ± standard error")
    axes.spines[["top", "right"]].set_visible(False)
