"""Scores on corrupted images as tables.

Takes `Corruptions`, gives renderables. Guarantees: the mean over the fifteen standard types stands first, or it is said
what it lacks; generated arrays are called so.
"""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

from swc.show.plain import table
from swc.show.wording import decimal, per_cent, several

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from swc.files.evaluation import Corruptions


def corruptions_shown(found: Corruptions) -> list[RenderableType]:
    """The means of each predictor, then the last predictor's top-1 by type and severity."""
    from rich.text import Text

    name = found.predictors[-1].name
    parts: list[RenderableType] = [Text(_title(found), style="bold"), Text()]
    headline = _headline(found)
    parts += [headline, Text()] if headline else []
    parts += [Text(line) for line in _remarks(found)]
    return [*parts, Text(f"top-1 of {name} by severity, and its means over the severities"), _by_type(found)]


def _title(found: Corruptions) -> str:
    images = several(found.num_images, "image")
    return f"corrupted images in {found.folder}: {images} of each type and severity, {origin(found)}"


def origin(found: Corruptions) -> str:
    """Where the arrays come from, so far as that is known."""
    if found.generated:
        return f"generated with seed {found.seed}, not the official arrays"
    return "the official arrays" if found.official else "not the official arrays, nor marked as generated"


def _headline(found: Corruptions) -> Table | None:
    given = [(f"{len(found.standard)} standard", found.mean_standard), (f"all {len(found.types)}", found.mean_all)]
    given = [(label, means) for label, means in given if means is not None]
    if not given:
        return None
    labels = [f">{score}, {label}" for label, _ in given for score in ("top-1", "NLL", "ECE")]
    made = table("mean of types", *labels)
    for predictor in found.predictors:
        means = [scores[predictor.name] for _, scores in given if scores is not None]
        cells = [text for one in means for text in (per_cent(one["top1"]), decimal(one["nll"]), per_cent(one["ece"]))]
        made.add_row(predictor.name, *cells, style="bold" if predictor is found.predictors[-1] else "")
    return made


def _remarks(found: Corruptions) -> list[str]:
    """Which mean is not given, and why."""
    if found.mean_all is not None:
        return []
    wanted, lacking = f"all {len(found.types) + len(found.missing)}", found.missing
    if found.mean_standard is None:
        wanted = f"the {len(found.standard)} standard"
        lacking = tuple(name for name in found.missing if name in found.standard)
    severities = ", ".join(map(str, found.severities))
    what = f"{', '.join(lacking)} not there" if lacking else f"severities {severities} alone are there"
    return [f"no mean of {wanted} types: {what}", ""]


def _by_type(found: Corruptions) -> Table:
    """A row for each type; those that are not of the standard mean come after a line."""
    last = found.predictors[-1]
    made = table("", *(f">{severity}" for severity in found.severities), ">top-1", ">NLL", ">ECE")
    others = [name for name in found.types if name not in found.standard]
    for row, name in enumerate(found.types):
        if others and name == others[0]:
            made.add_row("not in the standard mean:")
        cells = [per_cent(value) for value in last.top1[row]]
        means = (per_cent(fmean(last.top1[row])), decimal(fmean(last.nll[row])), per_cent(fmean(last.ece[row])))
        made.add_row(name, *cells, *means)
    return made
