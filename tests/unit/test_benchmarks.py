"""What benchmarks measure with: intervals, tables, and a composition of their own."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import benchmarks
import pytest
import torch
from benchmarks import decoding
from benchmarks.__main__ import BENCHMARKS, main
from benchmarks.naive import as_product, naive_weights, written_out
from benchmarks.paired import _rank, paired
from benchmarks.table import Row, give, table_text

from support.programs import ensemble_of, tiny_program


@pytest.mark.parametrize(
    ("rounds", "rank", "confidence"), [(5, 0, 0.9375), (6, 0, 0.96875), (9, 1, 0.9609), (11, 1, 0.98828)]
)
def test_an_interval_leaves_out_what_its_confidence_allows(rounds: int, rank: int, confidence: float) -> None:
    assert _rank(rounds) == (rank, pytest.approx(confidence, abs=1e-4))


def test_a_ratio_is_that_of_the_times() -> None:
    found = paired(lambda: time.sleep(0.02), lambda: time.sleep(0.01), rounds=5)
    assert found.low <= found.median <= found.high
    assert 1.2 < found.median < 2.5
    with pytest.raises(ValueError, match="five rounds"):
        paired(lambda: None, lambda: None, rounds=4)


def test_a_row_says_whether_its_goal_is_met() -> None:
    rows = [Row("a", 1.0, "1.0", at_most=1.0), Row("b", 2.9, "2.9", at_least=3.0), Row("c", 5.0, "5.0")]
    assert [row.met for row in rows] == ["yes", "no", "-"]
    assert table_text(rows).splitlines()[-3:] == [
        "a     <= 1  1.0    yes",
        "b     >= 3  2.9    no",
        "c     -     5.0    -",
    ]


@pytest.mark.parametrize("combine", [written_out, as_product])
def test_the_naive_composition_is_ours(combine: Callable[..., torch.Tensor]) -> None:
    ensemble = ensemble_of(tiny_program(((1, 4, 4, 6), (1, 6, 6, 5)))).double()
    made = ensemble.compose()
    for ours, theirs in zip(made, naive_weights(ensemble, combine), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_every_benchmark_is_run_by_the_one_command() -> None:
    """All modules that can be run by themselves, but for the peers and what trains for hours."""
    folder = Path(benchmarks.__file__).parent
    runnable = {p.stem for p in folder.glob("*.py") if '__name__ == "__main__"' in p.read_text("utf-8")}
    trained = {"folding", "tabm_package"}
    on_a_gpu = {"gpu", "gpu_parts", "gpu_page"}  # by benchmarks/gpu.sh, within minutes
    assert set(BENCHMARKS.values()) == runnable - {"__main__", "peers"} - trained - on_a_gpu
    for name, module in BENCHMARKS.items():
        assert f'"{name}")' in (folder / f"{module}.py").read_text("utf-8").rstrip().splitlines()[-1]


def test_both_ways_of_decoding_are_measured_and_their_pixels_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(decoding.SIZES, (40, 48), (2, 16))
    decoded, mixed, alone = decoding.rows_of("jpeg", (40, 48), tmp_path, rounds=5)
    assert decoded.what == "jpeg 48 x 40, decoded: Pillow / torchvision.io, equal bytes"
    assert mixed.what.endswith("then Pillow, equal bytes") and "of bytes differ" in alone.what
    assert "images a second" in alone.seen and alone.value > 0


def test_one_table_holds_what_every_benchmark_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(command: list[str], **_: object) -> None:
        module, folder = command[2].removeprefix("benchmarks."), Path(command[4])
        name = next(name for name, own in BENCHMARKS.items() if own == module)
        give([Row(f"{name} measured", 1.5, "1.5", at_most=1.0), Row(f"{name} counted", 2.0, "2")], folder, name)

    monkeypatch.setattr("benchmarks.__main__.subprocess.run", run)
    main(tmp_path / "bench", rounds=5)
    capsys.readouterr()
    table = (tmp_path / "bench" / "bench.txt").read_text("utf-8")
    assert all(f"{name} measured" in table and f"{name} counted" in table for name in BENCHMARKS)
    assert table.count("<= 1") == table.count("no\n") == len(BENCHMARKS)
