"""The figure of a sweep against a cost."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from swc.diagnostics import DiagnosticError
from swc.files.tables import SeedMean
from swc.sweep.figure import cost_ticks, figure
from swc.sweep.summary import Summary
from swc.sweep.sweep_file import read_sweep

COSTS_FILE = """
spec = "a.sw"
ensemble = ["small", "large"]

[figure]
across = "stored"

[figure.lines]
ours = ["small", "large"]
"""


def test_a_figure_against_a_cost_joins_the_settings_of_a_line(tmp_path: Path) -> None:
    path = tmp_path / "costs.toml"
    path.write_text(COSTS_FILE, encoding="utf-8")
    sweep = read_sweep(path)
    found = tuple(
        Summary((("ensemble", name),), 1, (("top1", SeedMean(0.5, None)), ("nll", SeedMean(1.0, None)), cost), ())
        for name, cost in (("small", ("stored", SeedMean(1e4, 0.0))), ("large", ("stored", SeedMean(1e6, 0.0))))
    )
    axes = figure(sweep, found).axes[0]
    assert axes.get_xscale() == "log"
    assert axes.get_xlabel() == "stored parameters"
    assert list(axes.lines[0].get_xdata()) == [1e4, 1e6]


def test_a_setting_without_the_cost_has_no_point(tmp_path: Path) -> None:
    path = tmp_path / "costs.toml"
    path.write_text(COSTS_FILE.replace('"stored"', '"train_seconds"'), encoding="utf-8")
    scores = (("top1", SeedMean(0.5, None)), ("nll", SeedMean(1.0, None)))
    found = tuple(
        Summary((("ensemble", name),), 1, values, ())
        for name, values in (("small", (*scores, ("train_seconds", SeedMean(9.0, None)))), ("large", scores))
    )
    assert list(figure(read_sweep(path), found).axes[0].lines[0].get_xdata()) == [9.0]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('across = "stored"', 'across = "beauty"', "must be one of stored"),
        ('ours = ["small", "large"]', 'ours = ["tiny"]', "names the value tiny of `ensemble`"),
        ('ours = ["small", "large"]', 'ours = "small"', "lists of values"),
        ('across = "stored"', "", "must have `across` and `lines`"),
        ('across = "stored"', 'across = "stored"\ncolour = 1', "may have `alike` and `title`"),
        ('across = "stored"', 'across = "stored"\ntitle = 1', "`title` of `figure` must be a text"),
        ('across = "stored"', 'across = "stored"\nalike = ["ours"]', "must be a list of lists of labels"),
        ('across = "stored"', 'across = "stored"\nalike = [["theirs"]]', 'names "theirs", which is no label'),
        ('across = "stored"', 'across = "stored"\nalike = [["ours", "ours"]]', "`alike` has the value ours twice"),
        ('["small", "large"]\n\n', '["small"]\n', "needs a sweep in which something varies"),
        ('ours = ["small", "large"]', 'ours = [{ensemble = "tiny"}]', "names the value tiny of `ensemble`"),
        ('ours = ["small", "large"]', "ours = [{beta = 1}]", "names `beta`, which does not vary"),
        ('ours = ["small", "large"]', "ours = [{}]", "must name a value"),
    ],
)
def test_a_figure_that_cannot_be_drawn_is_refused(tmp_path: Path, old: str, new: str, reason: str) -> None:
    path = tmp_path / "costs.toml"
    path.write_text(COSTS_FILE.replace(old, new), encoding="utf-8")
    with pytest.raises(DiagnosticError) as caught:
        read_sweep(path)
    assert reason in caught.value.diagnostics[0].message() + str(caught.value.diagnostics[0])


POINTS = """
spec = "a.sw"
ensemble = ["shared", "plain"]
storage = ["float32", "int8"]

[figure]
across = "stored_bytes"

[figure.lines]
"as trained" = ["shared", "plain"]
"plain, rounded" = [{storage = "int8", ensemble = "plain"}]
"first, rounded" = [{storage = "int8"}]
"""


def test_a_point_of_a_figure_names_values_and_has_the_first_of_the_others(tmp_path: Path) -> None:
    path = tmp_path / "points.toml"
    path.write_text(POINTS)
    sweep = read_sweep(path)
    found = tuple(
        Summary(setting, 1, (*scores(), ("stored_bytes", SeedMean(cost, None))), ())
        for setting, cost in zip(sweep.settings, (4e5, 1e5, 4e6, 1e6), strict=True)
    )
    axes = figure(sweep, found).axes[0]
    assert drawn(axes) == [[4e5, 4e6], [1e6], [1e5]]
    assert axes.get_xlabel() == "stored bytes"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["100k", "300k", "1M", "3M"]
    # a command line may leave columns and values away
    assert drawn(figure(evolve(sweep, ensembles=("plain",)), found[:1]).axes[0]) == [[], [], []]
    other = evolve(sweep, storage=("int8",))
    assert drawn(figure(other, found[1::2]).axes[0]) == [[1e5, 1e6], [1e6], [1e5]]


def drawn(axes: Axes) -> list[list[float]]:
    """The places of each line's points."""
    return [list(bars[0].get_xdata()) for bars in axes.containers if isinstance(bars, ErrorbarContainer)]


def scores() -> tuple[tuple[str, SeedMean], ...]:
    return ("top1", SeedMean(0.5, None)), ("nll", SeedMean(1.0, None))


@pytest.mark.parametrize(
    ("least", "most", "ticks"),
    [
        (40, 2000, [100, 300, 1000]),
        (40, 60_000, [100, 1000, 10_000]),
        (90_000, 600_000, [100_000, 200_000, 500_000]),
        (1.4, 4.5, [1.5, 2, 3, 4]),
        (440_000, 880_000, [500_000, 600_000, 700_000, 800_000]),
        (2.1, 2.4, [2.1 ** 0.5 * 2.4 ** 0.5]),
    ],
)  # fmt: skip
def test_an_axis_has_marks_that_are_read_at_once(least: float, most: float, ticks: list[float]) -> None:
    assert cost_ticks(least, most) == pytest.approx(ticks)


def test_lines_that_are_alike_have_one_colour_and_styles_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "costs.toml"
    lines = 'ours = ["small", "large"]\ntheirs = ["small"]\n"ours, less" = ["large", "small"]\n'
    head = COSTS_FILE.partition("[figure.lines]")[0].replace('"stored"', '"stored"\nalike = [["ours", "ours, less"]]')
    path.write_text(f'{head}title = "Two sizes"\n[figure.lines]\n{lines}', encoding="utf-8")
    sweep = read_sweep(path)
    values = (("top1", SeedMean(0.5, None)), ("nll", SeedMean(1.0, None)))
    found = tuple(
        Summary((("ensemble", name),), 1, (*values, ("stored", SeedMean(cost, 0.0))), ())
        for name, cost in (("small", 1e4), ("large", 1e6))
    )
    drawn = figure(sweep, found)
    ours, theirs, less = (line for line in drawn.axes[0].lines if line.get_marker() not in ("_", "|", "None"))
    assert ours.get_color() == less.get_color() != theirs.get_color()
    assert (ours.get_linestyle(), less.get_linestyle(), theirs.get_linestyle()) == ("-", "--", "None")
    assert drawn.get_suptitle() == "Two sizes, one seed"
