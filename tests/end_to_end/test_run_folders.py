"""Run folders that are incomplete, foreign or somebody else's: a clear message, and nothing in them is lost."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from swc.diagnostics import Sink
from swc.folders.store import open_build
from swc.running.options import Options
from swc.running.run import open_run

from support.runs import Place, copied, place, spec_text


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return copied(tmp_path_factory)


@pytest.fixture
def copy(finished: Place, tmp_path: Path) -> Place:
    shutil.copytree(finished.folder, tmp_path / "copy")
    return Place(tmp_path / "copy")


def told(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err


def test_lost_checkpoints_are_told_and_the_records_kept(copy: Place, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(copy.run / "checkpoints")
    before = copy.contents()
    assert copy.train() == 1
    assert "SW547" in told(capsys)
    assert {name: data for name, data in copy.contents().items() if name != "lock"} == {
        name: data for name, data in before.items() if name != "lock"
    }


@pytest.mark.parametrize("name", ["tables.json", "revisions/0/feedback.json", "revisions/1/feedback.json"])
def test_a_missing_part_is_named(copy: Place, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (copy.run / name).unlink()
    assert copy.train() == 1
    message = told(capsys)
    assert "SW545" in message
    assert name in message


@pytest.mark.parametrize("name", ["spec.json", "tables.json", "revisions/0/feedback.json"])
def test_a_part_that_is_no_text_is_named(copy: Place, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (copy.run / name).write_bytes(b"\xff" + (copy.run / name).read_bytes())
    assert copy.train() == 1
    message = told(capsys)
    assert "SW650" in message
    assert name in message


def test_show_names_a_missing_graph(copy: Place, capsys: pytest.CaptureFixture[str]) -> None:
    (copy.run / "revisions/1/graph.txt").unlink()
    assert copy.swc("show") == 1
    assert "SW545" in told(capsys)


def test_a_lock_that_cannot_be_opened_is_told(copy: Place, capsys: pytest.CaptureFixture[str]) -> None:
    (copy.run / "lock").unlink()
    (copy.run / "lock").mkdir()
    assert copy.train() == 1
    assert "SW604" in told(capsys)


def test_fresh_moves_nothing_when_the_new_run_cannot_begin(copy: Place) -> None:
    before = copy.contents()
    assert copy.swc("train", "--fresh", "--device", "nonsense") == 1
    assert copy.contents() == before
    assert not copy.run.with_name("run.1").exists()


@pytest.mark.parametrize(
    "arguments", [("--run", "precious"), ("--run", "precious", "--fresh"), ("--run", "build/tiny")]
)
def test_folders_of_something_else_are_left_alone(
    copy: Place, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    (copy.folder / "precious").mkdir()
    (copy.folder / "precious/thesis.txt").write_text("chapter one", encoding="utf-8")
    before = sorted(path.relative_to(copy.folder) for path in copy.folder.rglob("*"))
    assert copy.train(*arguments) == 1
    assert "SW546" in told(capsys)
    assert sorted(path.relative_to(copy.folder) for path in copy.folder.rglob("*")) == before


@pytest.mark.parametrize("option", ["--epochs-scale", "--checkpoint-every"])
@pytest.mark.parametrize("value", ["nan", "inf", "-1"])
def test_numbers_that_are_none_are_wrong_usage(finished: Place, option: str, value: str) -> None:
    assert finished.train(option, value) == 2


def test_a_changed_factory_is_told(tmp_path_factory: pytest.TempPathFactory) -> None:
    where = place(tmp_path_factory)
    factory = "from torch import nn\ndef net(num_classes):\n    return nn.Sequential(nn.Conv2d(1, 4, 3), "
    factory += "nn.Flatten(), nn.Linear(4 * 36, WIDE), nn.ReLU(), nn.Linear(WIDE, num_classes))\n"
    source = where.folder / "changing_net.py"
    source.write_text(factory.replace("WIDE", "16"), encoding="utf-8")
    text = spec_text().replace("wrn(depth: 10, width: 1)", 'python("changing_net:net")')
    assert where.compile(text) == 0
    source.write_text(factory.replace("WIDE", "20"), encoding="utf-8")
    for arguments, told in (((), "SW767"), (("--trust",), "SW548")):
        process = where.start(*arguments)
        assert told in process.communicate()[1]
        assert process.returncode == 1


OWN = """
import {library}
from torch import nn
def {factory}(num_classes, {argument}=16):
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(4 * 36, 16), nn.ReLU(), nn.Linear(16, num_classes))
"""
AS_COMPILED = {"library": "json", "factory": "net", "argument": "wide"}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A place with a compiled spec, one member of which is in a file beside it."""
    where = place(tmp_path_factory)
    (where.folder / "passing_net.py").write_text(OWN.format(**AS_COMPILED), encoding="utf-8")
    text = spec_text().replace("wrn(depth: 10, width: 1)", 'python("passing_net:net", wide: 16)')
    assert where.compile(text) == 0
    return where


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"library": "no_such_library"}, "SW555", "cannot be imported now: No module named 'no_such_library'"),
        ({"factory": "other"}, "SW555", "has no attribute 'net'"),
        ({"argument": "broad"}, "SW548", "unexpected keyword argument 'wide'"),
    ],
)
def test_what_cannot_be_imported_now_has_not_changed(
    own: Place, capsys: pytest.CaptureFixture[str], change: dict[str, str], code: str, words: str
) -> None:
    """`--fresh` would give up what was trained, where a library or a file need only come back."""
    (own.folder / "passing_net.py").write_text(OWN.format(**(AS_COMPILED | change)), encoding="utf-8")
    sys.modules.pop("passing_net", None)
    assert own.train("--trust") == 1
    said = capsys.readouterr().err
    assert f"error[{code}]" in said and words in said
    assert ("--fresh" in said) == (code == "SW548")


@pytest.mark.parametrize("option", [(), ("--epochs-scale", "0.5"), ("--epochs-scale", "1"), ("--epochs-scale", "0.25")])
def test_a_run_that_is_named_itself_is_scaled_once(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str], option: tuple[str, ...]
) -> None:
    where = place(tmp_path_factory, main=4)
    build = open_build(where.folder / "build/tiny", prefer_run=False)
    open_run(build, Options(epochs_scale=0.5, device="cpu"), Sink(), lambda _: None)
    begun = open_build(where.run)
    if option in ((), ("--epochs-scale", "0.5")):
        run = open_run(begun, Options(epochs_scale=float(option[1]) if option else None), Sink(), lambda _: None)
        assert [phase.epochs for phase in run.training.phases] == [1, 2]
        return
    assert where.train(str(where.run), *option) == 1
    said = capsys.readouterr().err
    assert "error[SW556]" in said and "was begun with `--epochs-scale 0.5`" in said
    assert "leave `--epochs-scale` away" in said


def test_hard_sharing_goes_through_split_and_untie(tmp_path_factory: pytest.TempPathFactory) -> None:
    where = place(tmp_path_factory)
    text = spec_text(main=2)
    start, stop = text.index("  share conv {"), text.index("  train digits")
    text = text[:start] + "  share conv as hard\n\n" + text[stop:]
    text = text.replace("amount of native", "unlimited").replace("wrn(depth: 16", "wrn(depth: 10")
    text = text.replace("  param amount = 50%\n", "")
    assert where.compile(text) == 0
    assert where.train() == 0
