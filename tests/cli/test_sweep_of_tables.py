"""Sweeps over seeds of a table: each seed draws the rows that tell how many inputs there are."""

from __future__ import annotations

from pathlib import Path

import pytest
from swc.compare.systems import are_alike
from swc.compiler.driver import Compiled, compile_file
from swc.folders.store import RUN, read_spec, write_spec
from swc.language.semantics.check import check_file
from swc.running.results import RESULTS
from swc.sweep import runner
from swc.sweep.children import ChildOptions, Ended, Processes
from swc.sweep.plan import Sweep

SPEC = """
ensemble tiny {
  data table("rows.csv", target: "left", test: 20%, validation: 30%)
  member m[2] = mlp(depth: 2, width: 8)
  budget unlimited
  share linear as rank_one
  train { batch 32 precision float32 phase main: 1 epochs }
}
"""
WIDTHS = {0: 4, 1: 3}  # a number and three towns; seed 1 draws the only row of one town to validate with


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pytest.importorskip("pandas")
    rows = [f"{n % 17},{'rare' if n == 4 else 'ab'[n % 2]},{'ny'[n % 3 == 0]}\n" for n in range(60)]
    (tmp_path / "rows.csv").write_text("x,town,left\n" + "".join(rows), encoding="utf-8")
    (tmp_path / "tiny.sw").write_text(SPEC, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def compiled(seed: int) -> Compiled:
    return compile_file("tiny.sw", seed=seed)


def test_every_run_is_compiled_for_the_inputs_that_its_rows_have(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from swc_runtime.data import open_data

    def run(self: Processes, command: list[str], log: Path) -> Ended:
        return Ended(1, "nothing is trained")

    monkeypatch.setattr(Processes, "run", run)
    sweep = Sweep("tiny", (Path("tiny.sw"),), (), seeds=2)
    runner.run_sweep(sweep, place / "runs", ChildOptions(jobs=1, threads=1), lambda told: None)
    for cell in sweep.cells:
        spec, _ = read_spec(place / "runs" / cell.name)
        assert spec.data.inputs[0].shape == (WIDTHS[cell.seed],) and spec.training is not None
        assert spec.training.recipe.seed == cell.seed
        open_data(spec.data, None, True, lambda _: None)  # which refuses other inputs than were compiled for
    sizes = {seed: [layer.shape[1] for layer in compiled(seed).graph.layers if "first" in layer.id] for seed in WIDTHS}
    assert sizes == {seed: [width] * 2 for seed, width in WIDTHS.items()}


def test_a_run_is_known_by_the_spec_as_it_was_written(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in WIDTHS:
        write_spec(place / str(seed) / RUN, compiled(seed))
        (place / str(seed) / RUN / RESULTS).write_text("{}", encoding="utf-8")
    monkeypatch.setattr(runner, "read_results", lambda run: run)
    spec = check_file("tiny.sw")
    for seed in WIDTHS:
        for given in (spec.seeded(seed), compiled(seed).spec):
            found = [other for other in WIDTHS if runner.finished(place / str(other), given, 1.0)]
            assert found == [seed]


def test_runs_of_all_seeds_are_one_system(place: Path) -> None:
    one, other = (compiled(seed).spec for seed in WIDTHS)
    assert one.data.inputs != other.data.inputs and are_alike(one, other)
    (place / "tiny.sw").write_text(SPEC.replace("20%", "25%"), encoding="utf-8")
    assert not are_alike(one, compiled(1).spec)
