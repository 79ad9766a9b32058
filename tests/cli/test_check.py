from __future__ import annotations

import json
from pathlib import Path

import pytest
from swc.cli.main import run
from swc.diagnostics import DiagnosticError
from swc.language.semantics.check import check_text

GOOD = """\
ensemble small {
  data digits
  param width = 1
  member a = wrn(depth: 10, width: width)
  budget unlimited
  share conv { clusters one }
}
"""
BAD = GOOD.replace("depth", "dept")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.sw").write_text(GOOD)
    (tmp_path / "bad.sw").write_text(BAD)
    return tmp_path


def test_a_good_file_passes_in_silence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "good.sw"]) == 0
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "")


def test_a_mistake_is_shown_with_its_place(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "good.sw", "bad.sw"]) == 1
    shown = capsys.readouterr().err
    assert "--> bad.sw:4:" in shown
    assert "did you mean `depth`" in shown


def test_json_is_one_document_on_the_output_stream(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "--format", "json", "bad.sw"]) == 1
    shown = capsys.readouterr()
    document = json.loads(shown.out)
    assert shown.err == ""
    assert document["diagnostics"][0]["file"] == "bad.sw"
    assert document["diagnostics"][0]["line"] == 4
    assert run(["check", "--format", "json", "good.sw"]) == 0
    assert json.loads(capsys.readouterr().out) == {"diagnostics": [], "errors": 0, "warnings": 0}


def test_a_param_can_be_set(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "good.sw", "--set", "width=2"]) == 0
    assert run(["check", "good.sw", "--set", "width=-2"]) == 1
    assert run(["check", "good.sw", "--set", "widht=2"]) == 1
    assert "did you mean `width`" in capsys.readouterr().err
    assert run(["check", "good.sw", "--set", "width"]) == 2


def test_all_ensembles_of_a_file_are_checked_unless_one_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "two.sw").write_text(GOOD + "\n" + BAD.replace("small", "other"))
    assert run(["check", "two.sw"]) == 1
    assert run(["check", "two.sw", "--ensemble", "small"]) == 0
    capsys.readouterr()
    assert run(["check", "two.sw", "--ensemble", "smal"]) == 1
    assert "did you mean `small`" in capsys.readouterr().err


def test_a_file_of_recipes_alone_passes(folder: Path) -> None:
    (folder / "recipes.sw").write_text("recipe plain { batch 64 }\n")
    assert run(["check", "recipes.sw"]) == 0
    (folder / "recipes.sw").write_text("recipe plain { batch 0 }\n")
    assert run(["check", "recipes.sw"]) == 1


def test_files_that_cannot_be_read_are_told_apart(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "latin.sw").write_bytes("# gr\u00fc\u00df\n".encode("latin-1"))
    (folder / "folder.sw").mkdir()
    assert run(["check", "god.sw", "latin.sw", "folder.sw"]) == 1
    shown = capsys.readouterr().err
    assert "error[SW601]: there is no file `god.sw`" in shown
    assert "did you mean `good.sw`?" in shown
    assert "error[SW602]: cannot read `folder.sw`" in shown
    assert "error[SW603]: `latin.sw` is not UTF-8 text (first seen on line 1)" in shown
    assert shown.endswith("3 errors\n")


def test_strict_fails_on_warnings(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "spare.sw").write_text(GOOD.replace("param width = 1", "param width = 1 param spare = 2"))
    assert run(["check", "spare.sw"]) == 0
    assert "warning[SW140]" in capsys.readouterr().err
    assert run(["check", "spare.sw", "--strict"]) == 1


@pytest.mark.parametrize(
    ("setting", "code"),
    [("widht=2", "SW110"), ("width=digits", "SW205"), ("width=2MB", "SW206"), ("width=-2", "SW202")],
)
def test_a_setting_that_does_not_fit_is_told(
    folder: Path, setting: str, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["check", "good.sw", "--set", setting]) == 1
    shown = capsys.readouterr().err
    assert f"error[{code}]" in shown
    assert "1 error\n" in shown


@pytest.mark.parametrize(
    ("text", "code"), [("recipe plain { batch 64 }\n", "SW126"), (GOOD + GOOD.replace("small", "other"), "SW127")]
)
def test_one_ensemble_has_to_be_meant(folder: Path, text: str, code: str) -> None:
    with pytest.raises(DiagnosticError) as raised:
        check_text(text, "some.sw")
    assert [d.code for d in raised.value.diagnostics] == [code]


def test_torch_is_not_imported(folder: Path) -> None:
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "swc", "check", "good.sw"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert not imported & {"torch", "numpy", "scipy", "networkx", "rich"}


@pytest.mark.parametrize(
    "command",
    [("show",), ("report", "-o", "page.html"), ("data", "corrupt"), ("diff",), ("plot", "curves"), ("eval",)],
    ids=" ".join,
)
def test_which_of_several_ensembles_is_said_by_the_place(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not all commands have `--ensemble`: what is advised must be there."""
    monkeypatch.chdir(tmp_path)
    first = "ensemble a { data digits member m = wrn(depth: 10, width: 1) budget unlimited share conv as none }\n"
    Path("two.sw").write_text(first + "ensemble b extends a { budget unlimited }\n", encoding="utf-8")
    assert run((*command, "two.sw")) == 1
    told = capsys.readouterr().err
    assert "error[SW127]" in told and "choose one: `two.sw:a`" in told
    run((*command, "two.sw:nowhere"))
    assert "error[SW109]" in capsys.readouterr().err, "what follows the colon is the name of an ensemble"
