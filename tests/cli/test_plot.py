"""`swc plot`: the figures show what the run wrote down, and a run without it gets a message."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from swc.cli import main, plot
from swc.files.checksums import CHECKSUMS
from swc.folders.store import open_build
from swc.program.feedback import ClusterFeedback
from swc.report.anytime import COSTS, anytime, front
from swc.report.curves import curves
from swc.report.evaluation_figures import interpolation, reliability
from swc.report.figures import FIGURES, figure_of
from swc.report.measurements import curves_of, recompiles_of
from swc.report.similarities import bin_errors, similarities

from support.reports import begin, compiled, evaluate
from support.runs import Place, place, spec_text, trained


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Place:
    made = trained(tmp_path_factory, "--score-every", "1", batch=256, search=2)
    assert made.swc("eval", "--time-batch", "0") == 0
    return made


def test_the_command_knows_every_figure() -> None:
    assert set(plot.NAMES) == set(FIGURES)
    assert set(plot.AGAINST) == set(COSTS)


def test_curves_hold_every_epoch_and_score_of_the_metrics(run: Place) -> None:
    found = curves_of(run.build())
    rows = run.metrics()
    losses = [row["losses"] for row in rows if row["kind"] == "epoch"]
    scores = [row["top1"] for row in rows if row["kind"] == "scores" and row["of"] == "ensemble"]
    assert found.losses["deep"] == tuple((n, pair[0]) for n, pair in enumerate(losses, 1))  # type: ignore[index]
    assert found.losses["shallow"] == tuple((n, pair[1]) for n, pair in enumerate(losses, 1))  # type: ignore[index]
    assert found.scores["ensemble"] == tuple(enumerate(scores, 1))
    assert found.cuts == ((2, "split"), (3, "untie"))


def test_no_line_crosses_a_restart(run: Place) -> None:
    loss, top1 = curves(run.build()).axes
    assert [len(line.get_xdata()) for line in loss.lines[:4]] == [2, 2, 2, 2]
    assert [text.get_text() for text in top1.get_legend().get_texts()] == ["deep", "shallow", "ensemble"]


def test_similarities_have_a_row_for_each_recompile(run: Place) -> None:
    found = recompiles_of(run.build())
    assert isinstance(found[0].feedback, ClusterFeedback)
    assert [item.title for item in found] == [
        "Cluster similarity after 2 epochs of search",
        "Coefficient similarity after 1 epoch of main",
    ]
    assert [item.threshold for item in found] == [0.3, 0.9]
    figure = similarities(run.build())
    for histogram, item in zip(figure.axes[::2], found, strict=True):
        assert sum(bar.get_height() for bar in histogram.patches) == len(item.feedback.similarities)


def test_the_error_of_a_bin_is_that_of_repeated_measurements() -> None:
    generator = np.random.default_rng(0)
    values, errors, edges = np.array([0.02, 0.11, 0.32]), np.array([0.03, 0.02, 0.1]), np.linspace(-1, 1, 21)
    repeated = generator.normal(values, errors, (20_000, 3))
    counts = np.stack([np.histogram(row, edges)[0] for row in repeated])
    assert bin_errors(values, errors, edges) == pytest.approx(counts.std(0), abs=0.01)
    assert bin_errors(values, np.zeros(3), edges) == pytest.approx(np.zeros(20))


@pytest.mark.parametrize("name", sorted(set(FIGURES) - {"interpolation", "corruptions"}))
def test_files_are_written_and_have_the_same_bytes_twice(run: Place, name: str) -> None:
    assert run.swc("plot", name) == 0
    assert (run.folder / f"tiny_{name}.png").read_bytes().startswith(b"\x89PNG")
    assert run.swc("plot", name, "build/tiny/run", "-o", f"{name}.pdf") == 0
    assert (run.folder / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    assert figure_of(name, (run.build(),), "svg") == figure_of(name, (run.build(),), "svg")


EVALUATED = ("anytime", "corruptions", "diversity", "interpolation", "reliability")


@pytest.mark.parametrize("name", EVALUATED)
def test_what_was_not_evaluated_is_told(
    tmp_path_factory: pytest.TempPathFactory, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    compiled = place(tmp_path_factory)
    assert compiled.swc("plot", name) == 1
    assert f"error[SW636]: `{compiled.folder}/build/tiny` was not evaluated yet" in capsys.readouterr().err


def test_a_damaged_evaluation_is_told(run: Place, capsys: pytest.CaptureFixture[str]) -> None:
    path = run.run / "eval" / "evaluation.json"
    whole = path.read_text("utf-8")
    path.write_text("{}", encoding="utf-8")
    assert run.swc("plot", "anytime") == 1
    assert "its checksum is not the one that it was written with" in capsys.readouterr().err
    (path.parent / CHECKSUMS).unlink()
    assert run.swc("plot", "anytime") == 1
    path.write_text(whole, encoding="utf-8")
    assert "it holds no evaluation of one run" in capsys.readouterr().err


def test_every_subset_is_a_point_and_the_front_leaves_out_what_is_matched_for_less(run: Place) -> None:
    accuracy, *_ = anytime(run.build()).axes
    assert len(accuracy.collections[0].get_offsets()) == 3
    points = [(1.0, 0.5), (2.0, 0.4), (3.0, 0.7), (3.0, 0.6), (4.0, 0.7)]
    assert front(points, rises=True) == [(1.0, 0.5), (3.0, 0.7)]
    assert front(points, rises=False) == [(1.0, 0.5), (2.0, 0.4)]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two runs of one ensemble that were evaluated with times."""
    folder = tmp_path_factory.mktemp("two")
    first = compiled()
    for name, cost in (("a", 1.0), ("b", 3.0)):
        begin(folder / name, first)
        evaluate(folder / name, first, cost=cost)
    return folder / "a", folder / "b"


def test_several_runs_lie_over_each_other_by_either_cost(two: tuple[Path, Path]) -> None:
    builds = [open_build(place) for place in two]
    for against, unit in (("multiply-adds", 1e6), ("milliseconds", 1.0)):
        accuracy, *_, last = anytime(*builds, against=against).axes
        assert accuracy.get_xlabel() == COSTS[against]
        costs = [dots.get_offsets()[:, 0].tolist() for dots in accuracy.collections]
        assert costs == [pytest.approx([unit * n * scale for n in range(1, 8)]) for scale in (1, 3)]
        assert [text.get_text() for text in last.get_legend().get_texts()] == ["synthetic (a)", "synthetic (b)"]
        assert len({line.get_color() for line in accuracy.lines}) == 2


def test_the_command_draws_several_runs(two: tuple[Path, Path], tmp_path: Path) -> None:
    target = tmp_path / "both.svg"
    asked = ["plot", "anytime", *map(str, two), "--against", "milliseconds", "-o", str(target)]
    assert main.run(asked) == 0
    assert "2 runs on cifar100" in target.read_text("utf-8")


def test_one_run_twice_and_runs_of_other_figures_are_refused(
    two: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["plot", "anytime", str(two[0]), f"{two[0]}/"]) == 1
    assert "error[SW691]" in capsys.readouterr().err
    assert main.run(["plot", "reliability", *map(str, two)]) == 2
    assert main.run(["plot", "reliability", str(two[0]), "--against", "milliseconds"]) == 2


def test_a_figure_is_not_written_under_the_ending_of_something_else(
    two: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["plot", "anytime", str(two[0]), "-o", str(tmp_path / "x.gif")]) == 2
    assert "`x.gif` ends in none of .png, .svg, .pdf" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_run_without_times_is_told(run: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.swc("plot", "anytime", "--against", "milliseconds") == 1
    assert f"error[SW695]: `{run.folder}/build/tiny/run` was evaluated without times" in capsys.readouterr().err


def test_reliability_has_bars_for_the_members_and_the_ensemble(run: Place) -> None:
    axes = reliability(run.build()).axes
    assert [part.get_title() for part in axes] == ["deep", "shallow", "ensemble"]
    assert all(part.patches for part in axes)


def test_the_line_between_two_members_of_one_architecture_is_drawn(
    tmp_path_factory: pytest.TempPathFactory, run: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.swc("plot", "interpolation") == 1
    assert "has no interpolation evaluated" in capsys.readouterr().err
    folder = tmp_path_factory.mktemp("alike")
    made = Place(folder)
    assert made.compile(spec_text(batch=256).replace("depth: 16", "depth: 10")) == 0
    assert made.train() == 0
    assert made.swc("eval", "--time-batch", "0", "--interpolate") == 0
    assert "top-1 on the line between two members" in capsys.readouterr().out
    (axes,) = interpolation(made.build()).axes
    assert len(axes.lines[0].get_xdata()) == 11
    assert made.swc("plot", "interpolation") == 0


@pytest.mark.parametrize("name", sorted(set(FIGURES) - set(EVALUATED)))
def test_what_was_not_measured_is_told(
    tmp_path_factory: pytest.TempPathFactory, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    compiled = place(tmp_path_factory)
    assert compiled.swc("plot", name) == 1
    assert f"error[SW634]: `{compiled.folder}/build/tiny` has measured no {name} yet" in capsys.readouterr().err
    assert compiled.swc("plot", name, "tiny.sw") == 1
    assert not list(compiled.folder.glob("*.png"))


def test_a_dollar_in_a_name_is_a_dollar(two: tuple[Path, Path], tmp_path: Path) -> None:
    runs = [shutil.copytree(run, tmp_path / name) for run, name in zip(two, ("a$\\x$", "b$^$"), strict=True)]
    assert main.run(["plot", "anytime", *map(str, runs), "-o", str(tmp_path / "both.svg")]) == 0
