"""A matplotlib figure as the bytes of a file.

Guarantees: the same figure gives the same bytes with the same matplotlib; no date, no version of the drawing program.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ImageFormat = Literal["png", "svg", "pdf"]
METADATA: Mapping[ImageFormat, Mapping[str, Any]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def image_of(figure: Figure, image_format: ImageFormat) -> bytes:
    """The figure on white; PNG at 160 dots an inch."""
    target = BytesIO()
    with house_style():
        figure.savefig(target, format=image_format, dpi=160, metadata=dict(METADATA[image_format]), facecolor="white")
    return target.getvalue()


def house_style() -> AbstractContextManager[None]:
    """Around all drawing: fonts that are shipped with matplotlib, ids that do not change, text that is text."""
    import matplotlib

    style: dict[Any, Any] = {"svg.hashsalt": "swc", "font.family": "DejaVu Sans", "hatch.linewidth": 0.5}
    style["text.parse_math"] = False  # a `$` in a name is a dollar
    return matplotlib.rc_context(style)
