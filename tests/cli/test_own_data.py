"""`data python("module:function")`: trained on, resumed to the same bits, and its code run only by consent."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from swc.cli import main

from support.own_code import marks
from support.own_data import DATA, write_pictures
from support.runs import Place, spec_text
from swc_runtime.records.checkpoint import load_checkpoint

TEXT = spec_text(data=DATA, batch=64, main=2)
ONLY_LOOK = (("show",), ("report", "-o", "page.html"), ("compare",), ("plot", "curves"), ("diff",))
RUNS = (("train",), ("eval", "--time-batch", "0"), ("export",))


@pytest.fixture
def own(tmp_path: Path, state: Path) -> Place:
    """A folder with a spec whose images are one's own."""
    folder = tmp_path / "own"
    folder.mkdir()
    write_pictures(folder)
    (folder / "tiny.sw").write_text(TEXT, encoding="utf-8")
    return Place(folder)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Place:
    made = Place(tmp_path_factory.mktemp("place"))
    write_pictures(made.folder)
    assert made.compile(TEXT) == 0
    assert made.train() == 0
    marks(made.folder)
    return made


@pytest.fixture
def sent(run: Place, tmp_path: Path, state: Path) -> Place:
    """The same run as somebody else sent it."""
    shutil.copytree(run.folder, tmp_path / "sent")
    marks(tmp_path / "sent")
    return Place(tmp_path / "sent")


def test_to_compile_looks_for_the_function_and_does_not_call_it(own: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert own.swc("compile", "tiny.sw") == 0
    assert "runs pictures.py: digits\n" in capsys.readouterr().err
    assert marks(own.folder) == "imported "


def test_to_check_runs_nothing(own: Place) -> None:
    assert own.swc("check", "tiny.sw") == 0 and own.swc("show", "tiny.sw") == 0
    assert marks(own.folder) == ""


def test_a_function_that_is_not_there_is_told_at_the_data(own: Place, capsys: pytest.CaptureFixture[str]) -> None:
    for function, words in (
        ("pictures:digts", "error[SW511]: the data of `pictures:digts` cannot be had: AttributeError"),
        ("pictures:MARKS", "is of type"),
        ("pictures:halved", "is not defined there but in `halves`"),
        ("missing:digits", "ModuleNotFoundError"),
        ("os:walk", "error[SW760]: `os:walk` belongs to Python's own library, which makes no data sets"),
        ("pictures", "SW209"),
    ):
        assert own.compile(TEXT.replace("pictures:digits", function)) == 1, function
        told = capsys.readouterr().err
        assert words in told and "tiny.sw:5:" in told, told
    assert own.train() == 1


def test_a_run_is_begun_from_any_folder(own: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert own.swc("compile", "tiny.sw", "--quiet") == 0
    monkeypatch.chdir(tmp_path)
    assert main.run(["train", str(own.folder / "build/tiny"), "--epochs-scale", "0.05"]) == 0


def test_arguments_that_do_not_go_together_are_told(own: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert own.compile(TEXT.replace("count: 400", "mean: [0.5, 0.5], count: 400")) == 1
    assert "error[SW510]" in (told := capsys.readouterr().err) and "`mean` has 2 numbers" in told
    assert own.compile(TEXT.replace("[1, 8, 8]", "[1, 8]")) == 1
    assert own.compile(TEXT.replace("[1, 8, 8]", "[1, 8.5, 8]")) == 1
    assert own.compile(TEXT.replace("classes: 10, ", "")) == 1


def test_an_argument_that_the_function_does_not_take_is_told_before_it_is_called(
    own: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    assert own.compile(TEXT.replace("count: 400", "count: 400, validaton: 15%")) == 1
    told = capsys.readouterr().err
    assert "error[SW511]" in told and "unexpected keyword argument 'validaton'" in told
    assert "did you mean `validation`, which is not given to the function?" in told


def test_defaults_are_noted(own: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert own.swc("compile", "tiny.sw") == 0
    capsys.readouterr()
    assert own.swc("show", "--all") == 0 or own.swc("show") == 0
    text = (own.folder / "build/tiny/spec.json").read_text("utf-8")
    assert "data: mean 0.5 in every channel" in text and "data: deviation 0.5 in every channel" in text


def test_a_run_is_known_by_the_function_and_the_classes(run: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.results()["data"] == "pictures:digits"
    assert json.loads((run.run / "classes.json").read_text("utf-8"))["classes"][3] == "digit 3"
    assert run.swc("export", "-o", "members") == 0
    card = (run.folder / "members/README.md").read_text("utf-8")
    assert "pictures:digits, 10 classes" in card and "grey, as they are" in card and '"digit 9"' in card
    assert run.swc("eval", "--time-batch", "0") == 0
    assert run.swc("report", "-o", "page.html") == 0
    assert "pictures:digits" in (run.folder / "page.html").read_text("utf-8")


def test_data_without_names_of_classes_are_told_so(own: Place, capsys: pytest.CaptureFixture[str]) -> None:
    text = (own.folder / "pictures.py").read_text("utf-8")
    pair = "return halved(images, bunch.target[:count])\n"
    (own.folder / "pictures.py").write_text(text[: text.index("return (*halved")] + pair, encoding="utf-8")
    assert own.swc("compile", "tiny.sw", "--quiet") == 0
    assert own.train("--epochs-scale", "0.5") == 0
    assert own.swc("export", "-o", "members") == 0
    said = capsys.readouterr().err
    assert "the data give the classes no names: outputs are numbered as the labels are" in said
    assert "records them" not in said
    card = (own.folder / "members/README.md").read_text("utf-8")
    assert "- Classes: the data give them no names; outputs are numbered as the labels are" in card


def test_a_run_goes_on_to_the_same_bits(run: Place, tmp_path: Path) -> None:
    made = Place(tmp_path)
    write_pictures(tmp_path)
    assert made.compile(TEXT) == 0
    process = made.start("--checkpoint-every", "0")
    assert process.stderr is not None
    while not process.stderr.readline().startswith("main  epoch 1"):
        assert process.poll() is None
    process.kill()
    process.communicate(timeout=60)
    assert not (made.run / "results.json").exists()
    assert made.train() == 0
    (found, _), (wanted, _) = load_checkpoint(made.checkpoint), load_checkpoint(run.checkpoint)
    assert found.keys() == wanted.keys()
    assert [name for name in wanted if not torch.equal(found[name], wanted[name])] == []
    assert made.metrics() == run.metrics()


@pytest.mark.slow
def test_several_processes_ask_for_the_same_images(own: Place, capfd: pytest.CaptureFixture[str]) -> None:
    assert own.swc("compile", "tiny.sw", "--quiet") == 0
    assert own.train("--nproc", "2") == 0
    assert marks(own.folder).count("called") == 2


@pytest.mark.parametrize("command", ONLY_LOOK, ids=lambda command: command[0])
def test_to_look_at_a_run_runs_nothing(sent: Place, command: tuple[str, ...]) -> None:
    assert sent.swc(*command, "build/tiny/run") == 0
    assert marks(sent.folder) == ""


@pytest.mark.parametrize("command", RUNS, ids=lambda command: command[0])
def test_the_code_of_a_folder_needs_trust(
    sent: Place, command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert sent.swc(*command, "build/tiny/run") == 1
    told = capsys.readouterr().err
    assert "error[SW766]" in told and "pictures.py: digits" in told and "halves.py, which it may import" in told
    assert marks(sent.folder) == ""
    assert sent.swc(*command, "build/tiny/run", "--trust") == 0


def test_images_to_corrupt_need_trust_too(sent: Place, capsys: pytest.CaptureFixture[str]) -> None:
    make = ("data", "corrupt", "build/tiny/run", "--types", "contrast", "--severities", "1", "--jobs", "1")
    assert sent.swc(*make) == 1
    assert "error[SW766]" in capsys.readouterr().err
    assert sent.swc(*make, "--trust") == 0
    made = sent.folder / "pictures_digits-c"
    assert np.load(made / "contrast.npy").shape == (200, 8, 8, 1)
    assert sent.swc("eval", "build/tiny/run", "--time-batch", "0", "--corruptions", str(made)) == 0
    again = ("data", "corrupt", "tiny.sw", *make[3:], "-o", "again")
    assert sent.swc(*again) == 0  # to name a spec is consent
    assert (sent.folder / "again/contrast.npy").read_bytes() == (made / "contrast.npy").read_bytes()


def test_a_change_of_the_code_is_noticed(own: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert own.swc("compile", "tiny.sw", "--quiet") == 0
    with (own.folder / "halves.py").open("a") as file:
        file.write("# other\n")
    assert own.train() == 1
    told = capsys.readouterr().err
    assert "error[SW767]" in told and "halves.py has changed" in told


def test_other_pixels_are_noticed(sent: Place, capsys: pytest.CaptureFixture[str]) -> None:
    text = (sent.folder / "pictures.py").read_text("utf-8")
    (sent.folder / "pictures.py").write_text(text.replace("/ 16", "/ 17"), encoding="utf-8")
    assert sent.swc("eval", "build/tiny/run", "--trust", "--time-batch", "0") == 0
    told = capsys.readouterr().err
    assert "warning[SW551]: `pictures:digits` gives other examples than the run was trained on" in told
    assert sent.train("build/tiny/run", "--trust") == 0
    told = capsys.readouterr().err
    assert "warning[SW551]" in told and "SW543" not in told


def test_classes_that_were_renamed_are_refused(sent: Place, capsys: pytest.CaptureFixture[str]) -> None:
    text = (sent.folder / "pictures.py").read_text("utf-8")
    (sent.folder / "pictures.py").write_text(text.replace("digit {", "cipher {"), encoding="utf-8")
    assert sent.train("build/tiny/run", "--trust") == 1
    told = capsys.readouterr().err
    assert "error[SW509]: class 0 in `pictures:digits` is `cipher 0`" in told
