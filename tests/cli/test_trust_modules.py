"""Which modules run: changed and missing ones, those of processes that are started, files with names of libraries."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from swc.cli import launch, main
from swc.system.processes import child_command
from swc.trust import consent, finding

from support.own_code import SPEC, marks, own_place
from support.runs import Place

TEXT = SPEC.format(module="nets")


@pytest.fixture
def own(tmp_path: Path, state: Path) -> Place:
    """A folder with a spec whose code is not ours."""
    return own_place(tmp_path / "own")


# --- changes, and processes that are started --------------------------------------------------------------------------


def test_a_change_after_compiling_is_told(own: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert own.swc("compile", "tiny.sw", "--quiet") == 0
    with (own.folder / "nets.py").open("a") as file:
        file.write("# other\n")
    marks(own.folder)
    assert own.train() == 1
    told = capsys.readouterr().err
    assert "error[SW767]: the code of the members of `" in told and "nets.py has changed" in told
    assert "compile the spec again, or give `--trust`" in told
    assert marks(own.folder) == ""


def test_a_module_that_is_missing_is_told_before_anything_runs(own: Place, capsys: pytest.CaptureFixture[str]) -> None:
    (own.folder / "other.py").write_text((own.folder / "nets.py").read_text())
    both = TEXT.replace("  member ours", '  member other = python("other:small", width: 8)\n  member ours')
    assert own.compile(both) == 0
    (own.folder / "other.py").unlink()
    marks(own.folder)
    assert own.train("--trust") == 1
    told = capsys.readouterr().err
    assert "error[SW555]" in told and f"No module named 'other'; it is looked for in {own.folder}" in told
    assert marks(own.folder) == ""


def test_consent_that_cannot_be_kept_is_told(own: Place, state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state.write_text("a file")
    assert own.swc("compile", "tiny.sw", "--quiet") == 0
    assert "warning[SW768]" in capsys.readouterr().err
    assert own.train() == 1
    assert "error[SW766]" in capsys.readouterr().err


def test_processes_that_train_together_inherit_consent(own: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[str, list[str]]] = []

    def start(nproc: int, arguments: tuple[str, ...]) -> None:
        started.append((os.environ[consent.VARIABLE], launch.without_nproc(arguments)))

    monkeypatch.setattr(launch, "together", start)
    assert own.swc("compile", "tiny.sw", "--quiet") == 0
    assert own.swc("train", "--nproc", "2", "--trust") == 0
    [(inherited, arguments)] = started
    assert len(inherited) == 64 and arguments == ["train"]
    shutil.rmtree(os.environ["XDG_STATE_HOME"])
    assert own.swc("train", "--nproc", "2") == 1, "the consent was only kept there"
    monkeypatch.setenv(consent.VARIABLE, inherited)
    assert own.swc("train", "--nproc", "2") == 0
    assert "--trust" not in arguments


@pytest.mark.slow
def test_consent_reaches_every_process(own: Place, state: Path, capfd: pytest.CaptureFixture[str]) -> None:
    state.write_text("a file, so that nothing can be kept")
    options = ("--device", "cpu", "--threads", "1")
    assert own.swc("sweep", "tiny.sw", "--vary", "width=8,9", *options) == 0
    assert capfd.readouterr().err.count("runs nets.py: small") == 1
    assert own.swc("compile", "tiny.sw", "--quiet") == 0
    assert own.swc("train", "--trust", "--nproc", "2", *options) == 0


# --- files with the names of libraries --------------------------------------------------------------------------------

LIBRARIES = ("sklearn", "numpy", "torch", "torchvision", "click", "attrs", "rich", "safetensors")


@pytest.fixture
def shadows(tmp_path: Path, state: Path) -> Iterator[Path]:
    for name in LIBRARIES:
        (tmp_path / f"{name}.py").write_text("raise SystemExit(f'{__file__} was imported')\n")
    (tmp_path / "tiny.sw").write_text(TEXT.replace('python("nets:small", width: width)', "wrn(depth: 10, width: 1)"))
    yield tmp_path


def test_a_file_with_the_name_of_a_library_takes_the_place_of_none(shadows: Path) -> None:
    """In a process of its own, that Python would let look into this folder first."""
    command = [sys.executable, "-m", "swc", "show", "tiny.sw"]
    done = subprocess.run(command, cwd=shadows, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_file_that_the_members_code_may_have_meant_is_told(own: Place, capsys: pytest.CaptureFixture[str]) -> None:
    (own.folder / "torch.py").write_text("raise SystemExit('imported')\n")
    assert own.swc("compile", "tiny.sw", "--quiet") == 0
    assert "warning[SW764]: `torch.py` is not imported: an installed module has its name" in capsys.readouterr().err


def test_processes_that_are_started_do_not_look_into_the_folder_first(
    shadows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = [*child_command()[:2], "-c", "import sklearn, numpy, click; print(sklearn.__file__)"]
    assert child_command()[1] == "-P"
    found = subprocess.run(code, cwd=shadows, capture_output=True, text=True, check=True)
    assert str(shadows) not in found.stdout
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    monkeypatch.setattr(sys, "argv", ["swc", "--version"])
    monkeypatch.setattr(main.stopping, "listen", lambda: None)  # or this process would answer signals so ever after
    with pytest.raises(SystemExit):
        main.main()
    assert os.environ.pop("PYTHONSAFEPATH") == "1", "also for processes that libraries start"


def test_code_beside_the_spec_is_found_from_any_folder(
    own: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert own.swc("compile", "tiny.sw", "--quiet") == 0
    assert own.train() == 0
    monkeypatch.chdir(tmp_path)
    build = str(own.folder / "build/tiny")
    for command in (("train", build), ("eval", build, "--time-batch", "0"), ("export", build, "-o", "exported")):
        assert main.run(command) == 0


def test_a_folder_of_many_files_beside_the_code_costs_little(own: Place) -> None:
    """Only what could be a module is asked for: beside ten thousand images as many files are opened as without them."""
    images = own.folder / "images"
    images.mkdir()
    for number in range(10_000):
        (images / f"image_{number}.png").touch()
    assert finding.module_names(images) == []
    assert finding._stems(images) == []
