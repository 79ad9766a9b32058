"""What a run refuses to do, and that nothing is lost by it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from swc.diagnostics.catalogue.run import (
    CheckpointDamaged,
    CheckpointForeign,
    CheckpointSchema,
    NonFiniteLoss,
    NonFiniteState,
    RecordsCutShort,
)
from swc.diagnostics.catalogue.training import (
    NoDevice,
    NoKernels,
    NothingToTrain,
    RunBusy,
    RunOfAnotherSpec,
    SurroundingsChanged,
)
from swc.files.checkpoint import Meta, Position
from swc.files.checksums import write_kept
from swc.files.codec import hash_of
from swc.folders.lock import held

from support.runs import Place, copied, place, spec_text
from swc_runtime.records.checkpoint import load_checkpoint, previous_of, save_checkpoint

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return copied(tmp_path_factory)


@pytest.fixture
def run(finished: Place, tmp_path: Path) -> Place:
    """A finished run of one's own."""
    shutil.copytree(finished.folder, tmp_path / "place")
    return Place(tmp_path / "place")


def refused(made: Place, capsys: Capture, code: str, *arguments: str) -> str:
    """Train, which must be refused with a diagnostic and leave everything as it was; gives what was told."""
    before = made.contents()
    capsys.readouterr()
    assert made.train(*arguments) == 1
    told = capsys.readouterr()
    assert f"error[{code}]" in told.err
    assert told.out == ""
    assert made.contents() == before
    return told.err


def test_a_changed_spec_is_refused(run: Place, capsys: Capture) -> None:
    assert run.swc("compile", "tiny.sw", "--quiet", "--set", "amount=40%") == 0
    told = refused(run, capsys, RunOfAnotherSpec.code)
    assert "what differs: budget" in told
    assert "--fresh" in told


def test_show_shows_what_was_compiled_where_the_run_is_of_another_spec(run: Place, capsys: Capture) -> None:
    assert run.swc("compile", "tiny.sw", "--quiet", "--set", "amount=40%") == 0
    assert run.swc("show", "--format", "json") == 0
    assert json.loads(capsys.readouterr().out)["budget"]["stated"] == 0.4


def test_another_scaling_is_another_run(run: Place, capsys: Capture) -> None:
    told = refused(run, capsys, RunOfAnotherSpec.code, "--epochs-scale", "2")
    assert "epochs scaled by 1, now by 2" in told
    assert "`--epochs-scale 1`" in told


def test_a_fresh_run_knows_what_it_was_compiled_from(run: Place) -> None:
    """Also where the folder of the run itself was named, which is moved aside."""
    origin = run.folder / "build/tiny/run/origin.json"
    before = origin.read_text("utf-8")
    assert run.swc("train", "build/tiny/run", "--fresh") == 0
    assert origin.read_text("utf-8") == before


def test_fresh_sets_the_old_run_aside(run: Place, capsys: Capture) -> None:
    before = run.contents()
    assert run.swc("compile", "tiny.sw", "--quiet", "--set", "amount=40%") == 0
    assert run.train("--fresh") == 0
    aside = run.run.with_name("run.1")
    assert str(aside.name) in capsys.readouterr().err
    assert (aside / "results.json").read_bytes() == before["results.json"]
    assert run.results()["budget"] == "40% of native"
    assert run.train("--fresh", "--epochs-scale", "0.5") == 0
    assert run.run.with_name("run.2").is_dir()


def test_another_run_beside_it_and_the_old_one_by_its_folder(run: Place, capsys: Capture) -> None:
    before = run.contents()
    assert run.swc("compile", "tiny.sw", "--quiet", "--set", "amount=40%") == 0
    assert run.train("--run", "beside") == 0
    assert json.loads((run.folder / "beside/results.json").read_text("utf-8"))["budget"] == "40% of native"
    capsys.readouterr()
    assert run.train("build/tiny/run") == 0
    assert "50% of native" in capsys.readouterr().out
    assert run.contents() == before


@pytest.mark.parametrize("cut", [0, 7, 1000, -1])
def test_a_truncated_checkpoint_is_refused(run: Place, capsys: Capture, cut: int) -> None:
    run.checkpoint.write_bytes(run.checkpoint.read_bytes()[:cut])
    told = refused(run, capsys, CheckpointDamaged.code)
    assert "last.safetensors.previous" in told


@pytest.mark.parametrize("place", [0.3, 0.6, 0.99])
def test_a_flipped_bit_is_found(run: Place, capsys: Capture, place: float) -> None:
    data = bytearray(run.checkpoint.read_bytes())
    data[int(len(data) * place)] ^= 1
    run.checkpoint.write_bytes(data)
    refused(run, capsys, CheckpointDamaged.code)


def test_the_way_out_of_a_damaged_checkpoint_works(run: Place, finished: Place) -> None:
    run.checkpoint.unlink()
    assert run.train() == 0
    assert (run.run / "results.json").read_bytes() == (finished.run / "results.json").read_bytes()
    assert run.metrics() == finished.metrics()


def test_a_foreign_checkpoint_is_refused(run: Place, capsys: Capture) -> None:
    tensors, meta = load_checkpoint(run.checkpoint)
    save_checkpoint(run.checkpoint, tensors, Meta(Position(2, 1, 2), "0" * 64, meta.program_hash))
    refused(run, capsys, CheckpointForeign.code)


def test_a_checkpoint_of_another_program_is_refused(run: Place, capsys: Capture) -> None:
    """Say, because the feedback that made the program was edited."""
    tensors, meta = load_checkpoint(run.checkpoint)
    first = hash_of(run.build().revisions[0].program)
    save_checkpoint(run.checkpoint, tensors, Meta(meta.position, meta.spec_hash, first))
    assert "another program" in refused(run, capsys, CheckpointForeign.code)


def test_a_file_of_something_else_is_refused(run: Place, capsys: Capture) -> None:
    import torch
    from safetensors.torch import save_file

    save_file({"weight": torch.zeros(3)}, run.checkpoint)
    assert run.checkpoint.name in refused(run, capsys, CheckpointSchema.code)


def test_a_run_that_another_process_trains_is_left_alone(run: Place, capsys: Capture) -> None:
    with held(run.run):
        refused(run, capsys, RunBusy.code)
        refused(run, capsys, RunBusy.code, "--fresh")
    assert run.train() == 0


@pytest.mark.parametrize("lost", ["all", "end"])
def test_records_that_are_too_short_are_told(run: Place, capsys: Capture, lost: str) -> None:
    run.checkpoint.unlink()  # so that there is something left to train
    path = run.run / "metrics.jsonl"
    path.unlink() if lost == "all" else path.write_bytes(path.read_bytes()[:40])
    assert "--new-metrics" in refused(run, capsys, RecordsCutShort.code)


def test_a_run_goes_on_without_the_metrics_that_were_damaged(run: Place, finished: Place, capsys: Capture) -> None:
    """Which training does not need: they are set aside, and the checkpoint it goes on from knows the new ones."""
    run.checkpoint.unlink()
    shutil.rmtree(run.run / "events")
    path = run.run / "metrics.jsonl"
    lines = path.read_text("utf-8").splitlines(keepends=True)
    path.write_text("".join([lines[0], lines[1].replace("1", "2", 1), *lines[2:]]), "utf-8")
    told = refused(run, capsys, "SW650")
    assert "line 2 is not as it was written" in told and "`swc train --new-metrics`" in told
    assert run.train("--new-metrics") == 0
    told = capsys.readouterr().err
    assert "metrics.jsonl.1" in told and "TensorBoard's curves have a gap" in told
    assert (run.run / "results.json").read_bytes() == (finished.run / "results.json").read_bytes()
    assert (run.run / "metrics.jsonl.1").read_text("utf-8").startswith(lines[0])
    rows = [(row["epoch"], row.get("of")) for row in finished.metrics()]
    found = [(row["epoch"], row.get("of")) for row in run.metrics()]
    assert 0 < len(found) < len(rows) and found == rows[-len(found) :]
    assert run.swc("report", "-o", "page.html") == 0


@pytest.mark.parametrize("damage", ["edited", "cut", "lost"])
def test_a_finished_run_has_a_report_without_the_metrics_that_were_damaged(
    run: Place, finished: Place, capsys: Capture, damage: str
) -> None:
    """It need not be trained again: the scores are elsewhere, and the checkpoint learns that its metrics are new."""
    path = run.run / "metrics.jsonl"
    written = path.read_bytes()
    path.write_bytes({"edited": b"x" + written, "cut": written[:-9], "lost": b""}[damage])
    assert run.swc("report", "-o", "page.html") == 1
    assert "`swc train --new-metrics`" in capsys.readouterr().err
    assert run.train("--new-metrics") == 0
    assert "metrics.jsonl.1" in capsys.readouterr().err
    assert path.read_bytes() == b""
    assert (run.run / "results.json").read_bytes() == (finished.run / "results.json").read_bytes()
    assert run.swc("report", "-o", "page.html") == 0
    assert run.train("--new-metrics") == 0
    assert not (run.run / "metrics.jsonl.2").exists()


def test_metrics_of_a_finished_run_that_are_whole_are_kept(run: Place) -> None:
    before = run.contents()
    assert run.train("--new-metrics") == 0
    assert run.contents() == before


def test_what_a_power_cut_left_behind_the_mark_is_cut_off(run: Place, finished: Place) -> None:
    """Whole lines of anything: the checkpoint knows nothing of them, and they are written again."""
    run.checkpoint.unlink()
    path = run.run / "metrics.jsonl"
    path.write_bytes(path.read_bytes() + b"\0" * 64 + b"\n")
    assert run.train() == 0
    assert run.metrics() == finished.metrics()


def test_a_damaged_feedback_is_told(run: Place, capsys: Capture) -> None:
    path = run.run / "revisions/0/feedback.json"
    path.write_text(path.read_text("utf-8")[:-20], encoding="utf-8")
    assert path.name in refused(run, capsys, "SW650")


def test_a_missing_previous_is_told(run: Place, capsys: Capture) -> None:
    """Without any checkpoint nothing is begun over the records that are there."""
    run.checkpoint.unlink()
    previous_of(run.checkpoint).unlink()
    refused(run, capsys, "SW547")


def test_other_threads_are_told(run: Place, capsys: Capture) -> None:
    path = run.run / "machine.json"
    facts = json.loads(path.read_text("utf-8"))
    write_kept(path, json.dumps(facts | {"threads": "64"}))
    assert run.train() == 0
    told = capsys.readouterr().err
    assert f"warning[{SurroundingsChanged.code}]" in told
    assert "threads: 64 -> 1" in told


def test_other_kernels_are_told_and_torchs_are_those_of_old_runs(run: Place, capsys: Capture) -> None:
    path = run.run / "machine.json"
    facts = json.loads(path.read_text("utf-8"))
    write_kept(path, json.dumps(facts | {"kernels": "cupy"}))
    assert run.train() == 0
    told = capsys.readouterr().err
    assert f"warning[{SurroundingsChanged.code}]" in told
    assert "kernels: cupy -> torch" in told
    write_kept(path, json.dumps({k: v for k, v in facts.items() if k != "kernels"}))
    assert run.train() == 0
    assert SurroundingsChanged.code not in capsys.readouterr().err


def test_kernels_that_are_not_there_are_told(tmp_path_factory: pytest.TempPathFactory, capsys: Capture) -> None:
    made = place(tmp_path_factory)
    assert made.train("--kernels", "cupy") == 1
    told = capsys.readouterr().err
    assert f"error[{NoKernels.code}]: there are no CuPy kernels here: CuPy's need CUDA" in told
    assert not made.run.exists()


def test_kernels_are_told_kept_and_shown(run: Place, capsys: Capture) -> None:
    assert run.train("--kernels", "torch") == 0
    assert "kernels torch (as asked)" in capsys.readouterr().err
    assert json.loads((run.run / "machine.json").read_text("utf-8"))["kernels"] == "torch"
    assert run.swc("show", "build/tiny/run") == 0
    assert "kernels torch" in capsys.readouterr().out


@pytest.fixture(scope="module")
def steep(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """An ensemble whose learning rate is far too high."""
    made = place(tmp_path_factory)
    assert made.swc("compile", "tiny.sw", "--quiet", "--set", "rate=1e6") == 0
    return made


def test_a_loss_that_is_not_finite_stops_the_run(steep: Place, capsys: Capture) -> None:
    assert steep.train() == 1
    told = capsys.readouterr().err
    assert f"error[{NonFiniteLoss.code}]" in told
    assert "`deep`" in told
    assert "phase `search`, epoch 1, step" in told
    tensors, meta = load_checkpoint(steep.checkpoint)
    assert all(tensor.isfinite().all() for tensor in tensors.values())
    assert (meta.position.epoch, meta.position.step) == (0, 0)


def test_a_state_that_is_not_finite_is_never_kept(steep: Place, capsys: Capture) -> None:
    """With a checkpoint after every step, the running statistics overflow before a loss shows it."""
    for _ in range(2):
        assert steep.train("--checkpoint-every", "0") == 1
        assert f"error[{NonFiniteState.code}]" in capsys.readouterr().err
        for path in (steep.checkpoint, previous_of(steep.checkpoint)):
            tensors, _ = load_checkpoint(path)
            assert all(tensor.isfinite().all() for tensor in tensors.values())


def test_missing_data_is_told_and_leaves_nothing_behind(
    tmp_path_factory: pytest.TempPathFactory, capsys: Capture
) -> None:
    made = Place(tmp_path_factory.mktemp("place"))
    assert made.compile(spec_text(data="cifar100")) == 0
    (made.folder / "data").mkdir()
    capsys.readouterr()
    assert made.train("--offline", "--data", "data") == 1
    told = capsys.readouterr().err
    assert "error[SW5" in told
    assert "cifar-100-python.tar.gz" in told
    assert not made.run.exists()
    assert not list((made.folder / "data").iterdir())


def test_without_a_build_the_way_is_told(tmp_path: Path, capsys: Capture) -> None:
    assert Place(tmp_path).train() == 1
    told = capsys.readouterr().err
    assert "error[SW610]" in told
    assert "swc compile" in told


def test_without_a_train_block_there_is_nothing_to_train(tmp_path: Path, capsys: Capture) -> None:
    text = spec_text()
    cut = text[: text.index("  train digits")].replace("param tau = 0.3", "").replace("param rate = 0.1", "") + "}\n"
    made = Place(tmp_path)
    assert made.compile(cut.replace('import "digits.sw"', "")) == 0
    assert made.train() == 1
    assert f"error[{NothingToTrain.code}]" in capsys.readouterr().err
    assert not made.run.exists()


@pytest.mark.parametrize("device", ["cuda", "cuda:7", "nonsense"])
def test_a_device_that_is_not_there_is_told(
    tmp_path_factory: pytest.TempPathFactory, capsys: Capture, monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    made = place(tmp_path_factory)
    assert made.swc("train", "--device", device) == 1
    told = capsys.readouterr().err
    assert f"error[{NoDevice.code}]" in told
    assert "use one of `cpu`" in told
    assert not made.run.exists()
