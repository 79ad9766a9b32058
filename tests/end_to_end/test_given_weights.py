"""Members that begin with weights of trained networks: a run from files, what is said and shown, what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from swc.compiler.driver import compile_file
from swc.diagnostics import DiagnosticError, Severity
from swc.folders.store import read_machine
from swc.running import disk
from swc.running.checkpoints import save_state
from swc.running.run import Run
from swc.running.state import State

from support.runs import Place
from swc_runtime.members.build import as_written
from swc_runtime.records.checkpoint import load_checkpoint

SPEC = """
import "digits.sw"
ensemble tiny {
  data digits(train: 128, validation: 32)
  member a = wrn(depth: 10, width: 0.25) from "a.safetensors"
  member b = wrn(depth: 10, width: 0.25) from "b.pt"
  member c = wrn(depth: 10, width: 0.25)
  budget unlimited
  share conv { clusters one coefficients by slot templates even up to 100 }
  train digits {
    phase search: 1 epochs
      then split clusters into 2
      then restart
    phase main: 1 epochs
  }
}
"""
OTHER_CLASSES = SPEC.replace("a.safetensors", "more.safetensors")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A folder with files of weights, and the spec."""
    made = Place(tmp_path)
    (tmp_path / "tiny.sw").write_text(SPEC.replace(' from "a.safetensors"', "").replace(' from "b.pt"', ""), "utf-8")
    program = compile_file(tmp_path / "tiny.sw").program
    state, other = (as_written(program, program.members[n], 5).state_dict() for n in range(2))
    save_file(state, tmp_path / "a.safetensors")
    torch.save({"epoch": 3, "state_dict": other}, tmp_path / "b.pt")
    save_file(state | {"fc.weight": torch.ones(7, 16), "fc.bias": torch.ones(7)}, tmp_path / "more.safetensors")
    return made


def refused(place: Place, text: str) -> str:
    """The code and the message of what a spec is refused for."""
    (place.folder / "tiny.sw").write_text(text, "utf-8")
    with pytest.raises(DiagnosticError) as caught:
        compile_file(place.folder / "tiny.sw")
    (found,) = [one for one in caught.value.diagnostics if one.severity is Severity.ERROR]
    assert found.span is not None
    return f"{found.code}: {found.message()}"


class StoppedError(BaseException):
    """What ends a run as a signal would."""


def test_a_run_begins_with_what_the_files_hold_and_says_what_is_kept(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def saving(run: Run, state: State, marks: dict[str, int]) -> None:
        save_state(run, state, marks)
        if state.position.revision == 1:
            raise StoppedError

    assert place.compile(SPEC) == 0
    with monkeypatch.context() as patch, pytest.raises(StoppedError):
        patch.setattr(disk, "save_state", saving)
        place.train()
    said = capsys.readouterr().err
    assert said.count("2 members begin with given weights") == 2  # once more after the restart
    assert "what is shared keeps all of their energy" in said
    assert len(re.findall(r"epoch 0/\d+  given weights, validation: ensemble [\d.]+%, best member [\d.]+%", said)) == 1
    assert "a.block1.0.conv1 begins with " in place.revision(0, "notes.txt")
    assert "weights" in (read_machine(place.run) or {})
    save_file(
        {name: t + 1 for name, t in load_file(place.folder / "a.safetensors").items()}, place.folder / "a.safetensors"
    )
    assert place.train() == 0  # what was begun needs the files no more
    tensors, _ = load_checkpoint(place.checkpoint)
    assert all(torch.isfinite(tensor).all() for tensor in tensors.values())


def test_a_restart_refuses_other_weights_than_the_run_began_with(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def saving(run: Run, state: State, marks: dict[str, int]) -> None:
        save_state(run, state, marks)
        raise StoppedError

    assert place.compile(SPEC) == 0
    with monkeypatch.context() as patch, pytest.raises(StoppedError):
        patch.setattr(disk, "save_state", saving)
        place.train()
    save_file(
        {name: t + 1 for name, t in load_file(place.folder / "a.safetensors").items()}, place.folder / "a.safetensors"
    )
    assert place.train() == 1
    assert "SW334" in capsys.readouterr().err


def test_a_classifier_of_other_classes_begins_afresh_and_is_told(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    text = OTHER_CLASSES.replace("      then split clusters into 2\n      then restart\n", "")
    assert place.compile(text) == 0
    assert place.train() == 0
    assert "the classifier of `a` begins afresh: that in more.safetensors has other classes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("none.safetensors", 'SW331: there is no "none.safetensors" beside the spec'),
        ("a.bin", 'SW330: "a.bin" is no file of weights'),
        ("text.pt", 'SW332: "text.pt" cannot be read as weights'),
        ("cut.safetensors", 'SW332: "cut.safetensors" cannot be read as weights'),
        ("module.pt", 'SW332: "module.pt" cannot be read as weights'),
        ("list.pt", "SW332: \"list.pt\" cannot be read as weights: it holds a list, not tensors by name"),
        ("words.pt", "SW332: \"words.pt\" cannot be read as weights: under 'lr' it holds a float, not a tensor"),
        ("infinite.pt", 'SW332: "infinite.pt" cannot be read as weights: `conv1.weight` holds numbers that are not'),
        ("short.pt", 'SW333: "short.pt" does not fit `a`: `block1.0.conv1.weight` is missing'),
        ("wide.pt", 'SW333: "wide.pt" does not fit `a`: `conv1.weight` (16x3x3x3, the member\'s 16x1x3x3)'),
    ],
)  # fmt: skip
def test_files_that_do_not_fit_are_refused_when_compiled(place: Place, file: str, said: str) -> None:
    folder, state = place.folder, load_file(place.folder / "a.safetensors")
    (folder / "text.pt").write_text("no weights")
    (folder / "cut.safetensors").write_bytes((folder / "a.safetensors").read_bytes()[:900])
    torch.save(torch.nn.Linear(2, 2), folder / "module.pt")
    torch.save([1, 2], folder / "list.pt")
    torch.save({"lr": 0.1}, folder / "words.pt")
    torch.save(state | {"conv1.weight": state["conv1.weight"] / 0}, folder / "infinite.pt")
    torch.save({name: t for name, t in state.items() if name != "block1.0.conv1.weight"}, folder / "short.pt")
    torch.save(state | {"conv1.weight": torch.ones(16, 3, 3, 3)}, folder / "wide.pt")
    assert refused(place, SPEC.replace("a.safetensors", file)).startswith(said)


def test_a_policy_that_cannot_be_fitted_is_refused(place: Place) -> None:
    text = SPEC.replace("share conv {", "share conv as shapeshifter {").replace("unlimited", "50% of native")
    text = text.replace("      then split clusters into 2\n      then restart\n", "")
    assert refused(place, text).startswith("SW335: the policy `shapeshifter`, by which `a.conv1` is shared")


def test_a_file_with_more_than_a_members_own_is_refused_when_it_begins(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    state = load_file(place.folder / "a.safetensors")
    save_file(state | {"ema.weight": torch.ones(2)}, place.folder / "a.safetensors")
    assert place.compile(SPEC) == 0
    assert place.train() == 1
    assert "SW333" in (said := capsys.readouterr().err)
    assert "`ema.weight` is not one of its own" in said
