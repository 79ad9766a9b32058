"""What a sweep file may ask of its figure: scores against a cost, with a line through the settings of each label.

Takes what the file has under `[figure]`, and the columns of the sweep; gives `CostFigure`, or what is wrong.
Guarantees: a point that names some columns stands for one setting, that with the first value of every other column.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from attrs import frozen

from swc.sweep.values import NamedValues, as_written, repeated, written_in_file

ACROSS = ("stored", "stored_bytes", "multiply_adds", "train_seconds")  # costs against which scores can be drawn
NEEDED, MORE = {"across", "lines"}, {"alike", "title"}
Columns = Sequence[tuple[str, tuple[str, ...]]]  # what varies, with its values


@frozen
class CostFigure:
    """That scores are drawn against the cost `across`: a line for each label, through points that name some values.

    Lines whose labels stand together in `alike` have one colour. Without a `title` the figure has the sweep's name.
    """

    across: str
    lines: tuple[tuple[str, tuple[NamedValues, ...]], ...]
    alike: tuple[tuple[str, ...], ...] = ()
    title: str = ""


def cost_figure(found: dict[str, Any], columns: Columns) -> CostFigure:
    """The figure of a sweep file whose form is right; a value alone is one of the first column."""
    first = columns[0][0] if columns else ""
    lines = ((label, tuple(_named(point, first) for point in points)) for label, points in found["lines"].items())
    alike = tuple(map(tuple, found.get("alike", ())))
    return CostFigure(found["across"], tuple(lines), alike, found.get("title", ""))


def setting_at(point: NamedValues, columns: Columns) -> NamedValues | None:
    """The setting that a point stands for; None where it names a column that there is none of.

    With the columns `ensemble` (a, b) and `storage` (float32, int8), the point b is ensemble b in float32.
    """
    named = dict(point)
    if not named.keys() <= dict(columns).keys():
        return None
    return tuple((name, named.get(name, values[0])) for name, values in columns)


def wrong_figure(figure: CostFigure | None, columns: Columns) -> str:
    """What the figure asks for that the sweep has not got, or nothing."""
    if figure is None:
        return ""
    if not columns:
        return "`figure` needs a sweep in which something varies"
    known = dict(columns)
    for name, value in (part for _, points in figure.lines for point in points for part in point):
        if name not in known:
            return f"`figure` names `{name}`, which does not vary"
        if value not in known[name]:
            return f"`figure` names the value {value} of `{name}`, which is not run"
    return ""


def wrong_figure_form(found: dict[str, Any]) -> str:
    """What is wrong with the form of the figure in a sweep file, or nothing."""
    if "figure" not in found:
        return ""
    if not NEEDED <= set(found["figure"]) <= NEEDED | MORE:
        return "`figure` must have `across` and `lines`, and may have `alike` and `title`"
    across, lines = found["figure"]["across"], found["figure"]["lines"]
    if across not in ACROSS:
        return f"`across` of `figure` must be one of {', '.join(ACROSS)}"
    if not isinstance(lines, dict) or not all(isinstance(line, list) for line in lines.values()):
        return "`lines` of `figure` must be lists of values by label"
    if any(point == {} for line in lines.values() for point in line):
        return "a point of `figure` must name a value"
    return _wrong_looks(found["figure"], lines)


def _wrong_looks(figure: dict[str, Any], lines: Collection[str]) -> str:
    """What is wrong with the title, or with the groups of lines that have one colour, or nothing."""
    if not isinstance(figure.get("title", ""), str):
        return "`title` of `figure` must be a text"
    alike = figure.get("alike", [])
    if not isinstance(alike, list) or not all(isinstance(group, list) for group in alike):
        return "`alike` of `figure` must be a list of lists of labels"
    labels = [label for group in alike for label in group]
    if unknown := [label for label in labels if not isinstance(label, str) or label not in lines]:
        return f"`alike` of `figure` names {written_in_file(unknown[0])}, which is no label of `lines`"
    return repeated("alike", labels)


def _named(point: object, first: str) -> NamedValues:
    if isinstance(point, dict):
        return tuple((name, as_written(value)) for name, value in point.items())
    return ((first, as_written(point)),)
