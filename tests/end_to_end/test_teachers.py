"""Runs that learn from a trained ensemble: the same bits when taken up again, and what cannot teach is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from attrs import evolve
from swc.diagnostics import DiagnosticError, Sink
from swc.diagnostics.catalogue.training import TeacherChanged, TeacherUnfit
from swc.folders.store import open_build
from swc.program.model_source import ModelSource
from swc.running.loop import train
from swc.running.observer import Observer
from swc.running.options import Options
from swc.running.run import Run, open_run
from swc.running.state import State
from swc.running.teacher import misfit
from swc.running.trained import SavedState, open_trained

from support.runs import Place
from swc_runtime.records.checkpoint import load_checkpoint, save_checkpoint

SPECS = """
ensemble full {
  data digits(train: 200)
  member m[2] = wrn(depth: 10, width: 0.25)
  budget unlimited
  train { batch 64  augment crop(pad: 1)  phase main: 1 epochs }
}

ensemble pupil extends full {
  member m = wrn(depth: 10, width: 0.25)
  step taught(by: "full", weight: 0.8, temperature: 2)
  train { batch 64  augment crop(pad: 1)  phase main: 2 epochs }
}

ensemble alone extends full {
  member m = wrn(depth: 10, width: 0.25)
  train { batch 64  augment crop(pad: 1)  phase main: 2 epochs }
}

ensemble other extends full {
  data digits(train: 100)
  member m = wrn(depth: 10, width: 0.25)
  step taught(by: "full")
}

ensemble seeded extends pupil {
  step taught(by: "sweeps/full,seed={seed}")
  train { seed 7  phase main: 1 epochs }
}
"""


class Stop(Observer):
    """Ends a run after its first epoch."""

    def reached(self, state: State) -> None:
        raise KeyboardInterrupt


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A place with a trained teacher, and pupils that are compiled."""
    found = Place(tmp_path_factory.mktemp("teachers"))
    (found.folder / "all.sw").write_text(SPECS, "utf-8")
    for name in ("full", "pupil", "alone", "other", "seeded"):
        assert found.swc("compile", "all.sw", "--ensemble", name, "--quiet") == 0
    assert found.train("full") == 0
    return found


@pytest.fixture(autouse=True)
def here(made: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A teacher is looked for from the folder in which the command is given."""
    monkeypatch.chdir(made.folder)
    yield


def opened(made: Place, name: str, folder: str) -> Run:
    build = open_build(made.folder / "build" / name, prefer_run=False)
    options = Options(threads=1, device="cpu", run=made.folder / folder)
    return open_run(build, options, Sink(), lambda _: None)


def weights(run: Run) -> dict[str, torch.Tensor]:
    return load_checkpoint(run.checkpoint)[0]


def test_a_pupil_ends_with_the_same_bits_wherever_it_was_stopped(made: Place) -> None:
    whole = opened(made, "pupil", "whole")
    train(whole)
    with pytest.raises(KeyboardInterrupt):
        train(opened(made, "pupil", "parted"), Stop())
    again = opened(made, "pupil", "parted")
    train(again)
    found, wanted = weights(again), weights(whole)
    assert [name for name in wanted if not torch.equal(found[name], wanted[name])] == []
    facts = json.loads((made.folder / "whole/machine.json").read_text("utf-8"))
    assert whole.teacher is not None and facts["teacher"] == whole.teacher.digest


def test_a_pupil_learns_something_else_than_labels(made: Place) -> None:
    taught = opened(made, "pupil", "taught")
    assert taught.teacher is not None
    before = {name: p.clone() for name, p in taught.teacher.ensemble.state_dict().items()}
    with pytest.raises(KeyboardInterrupt):
        train(taught, Stop())
    assert all(torch.equal(p, before[name]) for name, p in taught.teacher.ensemble.state_dict().items())
    alone = opened(made, "alone", "alone")
    assert alone.teacher is None
    with pytest.raises(KeyboardInterrupt):
        train(alone, Stop())
    assert not torch.equal(weights(taught)["state/member/m/fc.weight"], weights(alone)["state/member/m/fc.weight"])


def test_another_teacher_under_the_same_name_is_refused(made: Place) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(opened(made, "pupil", "begun"), Stop())
    checkpoint = made.folder / "build/full/run/checkpoints/last.safetensors"
    kept = checkpoint.read_bytes()
    tensors, meta = load_checkpoint(checkpoint)
    changed = next(name for name in tensors if name.startswith("state/") and name.endswith("fc.weight"))
    save_checkpoint(checkpoint, {**tensors, changed: tensors[changed] + 1}, meta)
    try:
        with pytest.raises(DiagnosticError) as told:
            opened(made, "pupil", "begun")
        assert isinstance(told.value.diagnostics[0], TeacherChanged)
    finally:
        checkpoint.write_bytes(kept)
    assert opened(made, "pupil", "begun").teacher is not None


def test_what_cannot_teach_is_told_before_anything_is_written(
    made: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, reason in (("other", "it was trained on `digits(train: 200)`"), ("pupil", "holds no trained weights")):
        if name == "pupil":
            monkeypatch.chdir(_without_run(made))
        with pytest.raises(DiagnosticError) as told:
            opened(made, name, f"refused_{name}")
        (found,) = told.value.diagnostics
        assert isinstance(found, TeacherUnfit) and reason in found.message()
        assert not (made.folder / f"refused_{name}").exists()
    shutil.copytree(made.folder / "build/pupil", tmp_path / "build/pupil")
    assert Place(tmp_path).train("pupil") == 1
    assert "error[SW557]: `full` cannot teach" in capsys.readouterr().err


def test_a_teacher_has_ended_its_training_and_no_code_of_the_users_own(
    made: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, pupil = (open_build(made.folder / "build" / name) for name in ("full", "pupil"))
    saved = open_trained(build)
    assert misfit(build, saved, pupil.spec) == ""
    source = ModelSource("python", "nets:net")
    own = evolve(build.spec, members=tuple(evolve(member, source=source) for member in build.spec.members))
    assert "factories of your own" in misfit(evolve(build, spec=own), saved, pupil.spec)
    monkeypatch.setattr(SavedState, "is_finished", lambda *_: False)
    assert misfit(build, saved, pupil.spec) == "its training stands at epoch 1 of main"


def test_the_seed_of_a_run_may_stand_in_the_name_of_its_teacher(made: Place) -> None:
    with pytest.raises(DiagnosticError) as told:
        opened(made, "seeded", "refused_seeded")
    assert told.value.diagnostics[0].message().startswith("`sweeps/full,seed=7` cannot teach")


def _without_run(made: Place) -> Path:
    """A folder in which the teacher is compiled, and not trained."""
    folder = made.folder / "untrained"
    shutil.copytree(made.folder / "build/full", folder / "build/full", ignore=shutil.ignore_patterns("run"))
    return folder


@pytest.mark.slow
def test_a_sweep_teaches_each_seed_by_the_run_of_its_own(made: Place) -> None:
    teacher = "build/sweeps/all/ensemble=full,seed={seed}"
    (made.folder / "swept.sw").write_text(SPECS.replace('taught(by: "full", ', f'taught(by: "{teacher}", '), "utf-8")
    (made.folder / "all.toml").write_text('spec = "swept.sw"\nensemble = ["full", "pupil"]\nseeds = 2\n', "utf-8")
    assert made.swc("sweep", "all.toml", "--device", "cpu", "--threads", "1") == 0
    digests = set()
    for seed in range(2):
        folder = made.folder / f"build/sweeps/all/ensemble=pupil,seed={seed}/run"
        digests.add(json.loads((folder / "machine.json").read_text("utf-8"))["teacher"])
    assert len(digests) == 2
