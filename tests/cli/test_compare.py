"""`swc compare`: exact counts before training, means over runs after it, and a figure of both ensembles."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Iterator
from io import StringIO
from math import sqrt
from pathlib import Path

import pytest
from attrs import evolve
from swc.cli import main
from swc.cli.places import open_place
from swc.compare.comparison import anytime_of, comparison_of
from swc.compare.systems import are_alike, systems_of
from swc.compiler.driver import Compiled, compile_file, compile_spec
from swc.compiler.ir.counts import composed, count
from swc.diagnostics import Sink
from swc.folders.store import open_build, write_revision
from swc.program.stages import scale_epochs

from support.reports import begin, evaluate
from support.runs import spec_text

GAINS = (0.0, 0.02, 0.07)  # of the ensemble's top-1, by seed
APART = """
import "digits.sw"
ensemble apart {
  data digits
  member deep = wrn(depth: 16, width: 0.5)
  member shallow[2] = wrn(depth: 10, width: 0.5)
  budget unlimited
  share conv as none
  train digits { phase main: 2 epochs }
}
ensemble hard extends apart { share conv as hard }
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Specs, three evaluated runs of a sweep of `tiny`, and one with scaled epochs."""
    made = tmp_path_factory.mktemp("compared")
    (made / "tiny.sw").write_text(spec_text(), encoding="utf-8")
    (made / "apart.sw").write_text(APART, encoding="utf-8")
    first = compile_file(made / "tiny.sw")
    for seed, gain in enumerate(GAINS):
        _run(cell(made, seed), seeded(first, seed), gain)
    _run(made / "build/tiny/run", scaled(first), 0.0)
    return made


@pytest.fixture
def here(folder: Path) -> Iterator[Path]:
    before = Path.cwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)


def cell(folder: Path, seed: int) -> Path:
    return folder / f"build/sweeps/s/amount=50%25,seed={seed}/run"


def seeded(compiled: Compiled, seed: int) -> Compiled:
    training = compiled.spec.training
    assert training is not None
    spec = evolve(compiled.spec, training=evolve(training, recipe=evolve(training.recipe, seed=seed)))
    return compile_spec(spec, compiled.tables)


def scaled(compiled: Compiled) -> Compiled:
    assert compiled.spec.training is not None
    spec = evolve(compiled.spec, training=scale_epochs(compiled.spec.training, 2.0))
    return compile_spec(spec, compiled.tables)


def _run(folder: Path, compiled: Compiled, gain: float) -> None:
    folder.mkdir(parents=True)
    begin(folder, compiled)
    training = compiled.spec.training
    assert training is not None
    evaluate(folder, compiled, gain=gain, stage=f"epoch {training.phases[-1].epochs} of main")
    path = folder / "eval/evaluation.json"
    path.write_text(path.read_text().replace('"epochs_scale": 1.0', f'"epochs_scale": {training.epochs_scale}'))


def found(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict]:
    capsys.readouterr()
    assert main.run(["compare", *arguments, "--format", "json"]) == 0
    return json.loads(capsys.readouterr().out)["systems"]


def test_counts_before_training_are_exact(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny, apart, hard = found(capsys, "tiny.sw", "apart.sw")
    assert [tiny["name"], apart["name"], hard["name"]] == ["tiny", "apart", "hard"]
    compiled = compile_file("tiny.sw")
    counts, made = count(compiled.graph), composed(compiled.graph)
    assert tiny["parameter_scalars"] == counts.parameter_scalars and tiny["members"] == 2
    assert tiny["native_scalars"] == counts.native_scalars and tiny["stored_scalars"] == counts.template_scalars
    memory = tiny["memory_bytes"]
    assert memory["parameters"] == memory["gradients"] == memory["momentum"] == 4 * counts.parameter_scalars
    assert (memory["composed"], memory["composed_gradients"]) == (4 * made.weight_scalars, 4 * made.gradient_scalars)
    assert memory["total"] == sum(value for name, value in memory.items() if name != "total")
    assert apart["sharing"] == ["none conv"] and apart["memory_bytes"]["composed"] == 0 and apart["results"] == []
    assert apart["parameter_scalars"] == apart["private_scalars"] > hard["parameter_scalars"]
    assert apart["multiply_adds"] == hard["multiply_adds"] and hard["tensor_scalars"] < hard["native_scalars"]


def test_the_table_leaves_out_what_nobody_stores(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["compare", "apart.sw:apart", "tiny.sw"]) == 0
    shown = capsys.readouterr().out
    assert "2 ensembles on digits, before training" in shown
    assert "none conv" in shown and "superweights conv" in shown and "MAdds" in shown
    assert "tensors  " not in shown.splitlines()[2]
    assert "mean ± standard error over runs" in shown and "71.00% ± 2.08" in shown and "…" not in shown
    assert "tiny, epochs scaled by 2" in shown


def test_runs_of_a_spec_are_found_and_have_a_mean(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ((tiny,), by_runs) = found(capsys, "tiny.sw"), found(capsys, *(str(cell(here, seed)) for seed in range(3)))
    twice, once = tiny["results"]
    assert (twice["seeds"], twice["epochs_scale"], once["seeds"], once["epochs_scale"]) == ([0], 2.0, [0, 1, 2], 1.0)
    top1 = once["values"]["top1"]
    values = [0.6 + 0.04 * 2 + gain for gain in GAINS]
    mean = sum(values) / 3
    assert top1["mean"] == pytest.approx(mean)
    assert top1["error"] == pytest.approx(sqrt(sum((value - mean) ** 2 for value in values) / 2 / 3))
    assert once["values"]["diversity"] == {"mean": 0.7, "error": 0.0}
    assert twice["values"]["top1"]["error"] is None
    assert [system["results"] for system in by_runs] == [[once]]


def test_a_run_counts_once_and_a_sweep_stands_for_its_cells(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = str(cell(here, 0))
    (system,) = found(capsys, "tiny.sw", run, f"{run}/", "build/tiny/run")
    assert [len(result["seeds"]) for result in system["results"]] == [1, 3]
    builds = [open_build(cell(here, seed)) for seed in range(3)]
    assert [system.name for system in systems_of(builds, here, Sink())] == ["tiny"]


def test_a_seed_counts_once(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    again = here / "again/run"
    _run(again, seeded(compile_file("tiny.sw"), 1), 0.5)
    runs = [str(cell(here, 1)), str(cell(here, 2)), str(again)]
    assert main.run(["compare", *runs, "--format", "json"]) == 0
    told = capsys.readouterr()
    ((result,),) = [system["results"] for system in json.loads(told.out)["systems"]]
    assert result["seeds"] == [1, 2] and result["values"]["top1"]["mean"] == pytest.approx(0.68 + sum(GAINS[1:]) / 2)
    assert f"warning[SW699]: `{again}` is left out: another run of `tiny` has the seed 1 too" in told.err


def test_the_folder_of_a_sweep_is_all_its_cells(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compiled = compile_file("tiny.sw", {"amount": "70%"})
    for seed in range(2):
        parent = Path(f"other/amount=70%25,seed={seed}")
        for place in (parent, Path(f"other/amount=50%25,seed={seed}")):
            place.mkdir(parents=True)
            first = seeded(compiled if place == parent else compile_file("tiny.sw"), seed)
            begin(place, first)
            write_revision(place, first)
    assert [system["name"] for system in found(capsys, "other")] == ["tiny (amount=50%)", "tiny (amount=70%)"]


def test_what_training_measured_stands_in_where_nothing_was_evaluated(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Path("trained/run")
    compiled = compile_file("apart.sw", ensemble="apart")
    run.mkdir(parents=True)
    begin(run, compiled)
    scores = {"top1": 0.5, "nll": 1.0, "ece": 0.1, "num_images": 360}
    counts = {f"{name}_scalars": 10 for name in ("template", "coefficient", "tensor", "private")}
    members = [{"name": member.name, **scores} for member in compiled.spec.members]
    results = {"ensemble": "apart", "data": "digits", "epochs_scale": 1.0, "members": members, "counts": counts}
    results |= {"together": scores | {"top1": 0.7}}
    (run / "results.json").write_text(json.dumps(results), encoding="utf-8")
    (system,) = found(capsys, str(run))
    (result,) = system["results"]
    assert (result["num_evaluated"], result["stage"]) == (0, "epoch 2 of main")
    assert result["values"]["top1"]["mean"] == 0.7 and result["values"]["mean_member_top1"]["mean"] == 0.5
    assert result["values"]["parameters"]["mean"] == 40 and result["values"]["diversity"] is None
    assert main.run(["compare", str(run), "--plot", "none.png"]) == 1
    assert "error[SW697]: nothing to draw: no run of `apart` was evaluated" in capsys.readouterr().err
    (run / "results.json").write_text("{}", encoding="utf-8")
    assert main.run(["compare", str(run)]) == 1
    assert "it holds no results of a run" in capsys.readouterr().err


def test_the_figure_has_means_with_errors_and_says_what_it_leaves_out(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["compare", "tiny.sw", "apart.sw:hard", "--plot", "both.svg", "--against", "milliseconds"]) == 0
    assert "warning[SW698]: the figure leaves out `hard`" in capsys.readouterr().err
    assert "tiny on digits" not in (here / "both.svg").read_text("utf-8")  # two lines: each has its name in the legend
    found = comparison_of([open_place("tiny.sw", {})], here, Sink())
    accuracy, *_, last = anytime_of(found, "multiply-adds", Sink()).axes
    assert [text.get_text() for text in last.get_legend().get_texts()] == ["tiny, epochs scaled by 2", "tiny"]
    means = [100 * (0.6 + 0.04 * number + sum(GAINS) / 3) for number in range(3)]
    assert accuracy.collections[1].get_offsets()[:, 1].tolist() == pytest.approx(means)
    assert len(accuracy.containers) == 1, "error bars stand where there are several runs"


@pytest.fixture(scope="module")
def larger(folder: Path) -> list[str]:
    """Runs of `tiny` with another amount, of the seeds 1 to 3."""
    compiled = compile_file(folder / "tiny.sw", {"amount": "70%"})
    runs = [folder / f"larger/amount=70%25,seed={seed}/run" for seed in (1, 2, 3)]
    for seed, run in enumerate(runs, 1):
        _run(run, seeded(compiled, seed), 0.1 * seed)
    return list(map(str, runs))


def test_others_are_compared_with_the_first_seed_by_seed(
    larger: list[str], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [str(cell(here, seed)) for seed in range(3)] + larger
    assert main.run(["compare", *runs]) == 0
    said = capsys.readouterr().out
    assert "differences by seed, on the held-out images: mean with 95% t-interval, top-1 in points" in said
    gains = [100 * (0.1 * seed - GAINS[seed]) for seed in (1, 2)]  # of the seeds that both have
    half = 12.706 * abs(gains[0] - gains[1]) / 2
    assert f"{sum(gains) / 2:+.2f} ± {half:.2f}, not told apart" in said
    assert main.run(["compare", *runs, "--format", "json"]) == 0
    top1, nll = json.loads(capsys.readouterr().out)["differences"]
    assert (top1["metric"], top1["num_seeds"], top1["mean"]) == ("top1", 2, pytest.approx(sum(gains) / 200))
    assert top1["against"] == {"ensemble": "tiny (amount=50%)"} and (nll["metric"], nll["mean"]) == ("nll", 0.0)
    assert main.run(["compare", str(cell(here, 0)), *larger]) == 0
    assert "differences by seed" not in capsys.readouterr().out, "no seed is common"


def test_csv_has_a_line_for_each_system_and_kind_of_run(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["compare", "tiny.sw", "apart.sw", "--format", "csv", "-o", "all.csv"]) == 0
    lines = list(csv.DictReader(StringIO((here / "all.csv").read_text("utf-8"))))
    assert [(line["name"], line["num_runs"]) for line in lines] == [
        ("tiny", "1"),
        ("tiny", "3"),
        ("apart", ""),
        ("hard", ""),
    ]
    assert lines[1]["top1_error"] and not lines[0]["top1_error"] and not lines[2]["top1"]
    assert int(lines[2]["memory_total"]) == 12 * int(lines[2]["parameter_scalars"])


def test_other_data_is_told(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = (
        APART.replace("digits.sw", "cifar.sw")
        .replace("data digits", "data cifar10")
        .replace("train digits", "train cifar")
    )
    Path("other_data.sw").write_text(other, encoding="utf-8")
    assert main.run(["compare", "apart.sw:apart", "other_data.sw:apart"]) == 0
    told = capsys.readouterr()
    assert "warning[SW696]: the ensembles are of different data: digits, cifar10" in told.err
    assert "apart (apart.sw)" in told.out and "apart (other_data.sw)" in told.out


def test_all_that_is_wrong_is_told_at_once(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["compare", "nowhere/a.sw", "apart.sw:easy", "tiny.sw", "--set", "amount=1%"]) == 1
    told = capsys.readouterr().err
    assert "3 errors" in told and "SW109" in told, told


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("tiny.sw", "--against", "milliseconds"),
        ("tiny.sw", "--plot", "a.gif"),
        ("build/tiny", "--set", "amount=1%"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...]) -> None:
    assert main.run(["compare", *arguments]) == 2


def test_specs_are_alike_but_for_seed_and_scale(here: Path) -> None:
    tiny = compile_file("tiny.sw")
    assert are_alike(tiny.spec, seeded(scaled(tiny), 3).spec) and are_alike(scaled(tiny).spec, tiny.spec)
    assert not are_alike(tiny.spec, compile_file("tiny.sw", {"tau": "0.4"}).spec)


def test_a_run_of_another_version_nearby_is_left_out_and_told(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = here / "build/sweeps/older/seed=0/run"
    other.mkdir(parents=True)
    text = (cell(here, 0) / "spec.json").read_text("utf-8")
    (other / "spec.json").write_text(re.sub(r'"schema": \d+', '"schema": 1', text), encoding="utf-8")
    assert main.run(["compare", "tiny.sw", "-o", "found.json"]) == 0
    told = capsys.readouterr().err
    assert f"warning[SW741]: `{other}` is left out: another version of swc wrote it" in told
    (tiny,) = json.loads((here / "found.json").read_text("utf-8"))["systems"]
    assert [len(result["seeds"]) for result in tiny["results"]] == [1, 3]
