"""Every figure that `swc plot` draws, by its name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from swc.folders.store import Build
from swc.report.anytime import anytime
from swc.report.curves import curves
from swc.report.evaluation_figures import diversity, interpolation, reliability
from swc.report.robustness import corruptions
from swc.report.similarities import similarities
from swc.show.images import ImageFormat, house_style, image_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURES: dict[str, Callable[..., Figure]] = {  # each takes one build, but `anytime` any number
    "curves": curves,
    "similarities": similarities,
    "anytime": anytime,
    "reliability": reliability,
    "diversity": diversity,
    "interpolation": interpolation,
    "corruptions": corruptions,
}


def figure_of(name: str, builds: Sequence[Build], image_format: ImageFormat, **options: str) -> bytes:
    """Draw a figure of runs; DiagnosticError where one has not measured what it shows."""
    with house_style():
        return image_of(FIGURES[name](*builds, **options), image_format)
