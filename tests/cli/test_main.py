from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import click
import pytest
from swc import __version__
from swc.cli import bug, console, main
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.files import NoBuild, OutputUnwritable, SystemRefused, UnknownBuild
from swc.diagnostics.render import render_one
from swc.files.whole import write_whole

Run = Callable[..., int]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], int]:
    """Run `swc check` with a command that raises the given exception."""

    def fail(error: BaseException) -> int:
        @click.command()
        def command() -> None:
            raise error

        monkeypatch.setattr(main.Commands, "get_command", lambda *_: command)
        return main.run(["check"])

    return fail


def swc(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "swc", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


def test_help_lists_every_command_and_imports_none(capsys: pytest.CaptureFixture[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "swc", "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert all(f"  {name} " in done.stdout for name in main.COMMANDS)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    commands = {target.partition(":")[0] for target, _ in main.COMMANDS.values()}
    assert not imported & (commands | {"torch", "numpy", "rich", "lark"})


@pytest.mark.parametrize("name", main.COMMANDS)
def test_every_command_is_where_the_registry_says(name: str) -> None:
    module = main.COMMANDS[name][0].partition(":")[0]
    assert find_spec(module) is not None
    found = main.Commands().get_command(click.Context(main.cli), name)
    assert found is not None and found.help


def test_wrong_usage_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["chek"]) == 2
    assert "Did you mean `check`?" in capsys.readouterr().err
    assert main.run(["check"]) == 2
    assert main.run(["check", "--no-such-option", "a.sw"]) == 2
    assert main.run([]) == 2


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["--version"]) == 0
    assert capsys.readouterr().out == f"swc {__version__} (distribution superweights)\n"


def test_a_diagnostic_ends_with_1_on_the_error_stream(
    failing: Callable[[BaseException], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert failing(DiagnosticError(NoBuild(folder="here"))) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == (
        "error[SW610]: nothing is compiled in `here` or any folder above it\n"
        "  = help: compile a spec first: `swc compile SPEC.sw`\n\n1 error\n"
    )


def test_a_bug_ends_with_70_and_a_report_in_a_file(
    failing: Callable[[BaseException], int],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.delenv("SWC_TRACEBACK", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert failing(KeyError("lost")) == 70
    shown = capsys.readouterr().err
    assert "bug in swc" in shown and "Traceback" not in shown
    (report,) = tmp_path.iterdir()
    assert str(report) in shown
    assert "KeyError: 'lost'" in report.read_text() and "command: swc check" in report.read_text()


def test_a_bug_shows_its_traceback_on_request(
    failing: Callable[[BaseException], int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWC_TRACEBACK", "1")
    assert failing(KeyError("lost")) == 70
    assert "Traceback" in capsys.readouterr().err


def test_a_full_disk_is_no_bug(failing: Callable[[BaseException], int], capsys: pytest.CaptureFixture[str]) -> None:
    assert failing(OSError(errno.ENOSPC, "No space left on device", "out.json")) == 1
    assert "SW605" in capsys.readouterr().err
    assert failing(OSError(errno.ENAMETOOLONG, "File name too long", "x" * 300)) == 1
    assert bug.refusal_of_system(OSError(errno.EINVAL, "no")) is None
    assert isinstance(bug.refusal_of_system(PermissionError(errno.EACCES, "no", "a")), SystemRefused)


def test_an_interrupt_ends_with_130_and_one_line(
    failing: Callable[[BaseException], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert failing(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_a_reader_that_goes_away_is_no_error() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "swc", "explain"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 141


@pytest.mark.parametrize("colour", ["", "1"])
def test_a_full_output_is_told_by_its_name(colour: str) -> None:
    """`nohup swc train > log`: on which disk there is no room, that of the log or that of the run?"""
    command = [sys.executable, "-m", "swc", "explain", "SW407"]
    with Path("/dev/full").open("w") as full:
        environment = {**os.environ, "FORCE_COLOR": colour}
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, env=environment, check=False)
    assert done.returncode == 1
    assert "SW605" in done.stderr and "`standard output`: no space left on device" in done.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_stream_that_is_closed_is_no_error(closed: str) -> None:
    command = f"{sys.executable} -m swc explain SW407 {closed}"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stderr == ""
    assert ("SW407" in done.stdout) == (closed == "2>&-")


def test_the_module_runs_as_the_command() -> None:
    assert swc("--version").stdout.startswith("swc ")


@pytest.mark.parametrize(
    ("environment", "terminal", "expected"),
    [({}, True, True), ({}, False, False), ({"NO_COLOR": "1"}, True, False), ({"FORCE_COLOR": "1"}, False, True)],
)
def test_colour_only_where_it_is_wanted(
    environment: dict[str, str], terminal: bool, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"TERM": "xterm", **environment}.items():
        monkeypatch.setenv(name, value)

    class Stream:
        def isatty(self) -> bool:
            return terminal

    assert console.has_colour(Stream()) is expected  # type: ignore[arg-type]


def test_settings_are_read_by_name() -> None:
    assert console.overrides(["a=1", " size = 15M templates"]) == {"a": "1", "size": "15M templates"}
    for wrong in (["a"], ["=1"], ["a="], ["a=1", "a=2"]):
        with pytest.raises(click.BadParameter):
            console.overrides(wrong)


def test_a_result_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    target.mkdir()
    with pytest.raises(DiagnosticError) as raised:
        write_whole(target, "text")
    assert isinstance(raised.value.diagnostics[0], OutputUnwritable)
    assert list(tmp_path.iterdir()) == [target]


def test_an_unknown_build_names_the_known_ones() -> None:
    assert "compiled here: `a`, `b`" in render_one(UnknownBuild(name="c", known=("a", "b")))


def test_diagnostics_of_compiling_come_as_json_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.sw").write_text(
        "ensemble e { data digits member a = wrn(depth: 10, width: 1) budget 9 templates share conv }\n"
    )
    assert main.run(["compile", "small.sw", "--format", "json"]) == 1
    (found,) = json.loads(capsys.readouterr().out)["diagnostics"]
    assert found["code"] == "SW407"
    assert main.run(["compile", "small.sw", "--format", "json", "--quiet", "--root", "x"]) == 1
    (tmp_path / "fine.sw").write_text("ensemble e { data digits member a = wrn(depth: 10, width: 1) }\n")
    capsys.readouterr()
    assert main.run(["compile", "fine.sw", "--format", "json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["diagnostics"] == []
    assert "next: swc show" in said.err, "without a train block there is nothing to train"
    assert main.run(["fmt", "--check", "fine.sw", "--format", "json"]) == 1
    assert json.loads(capsys.readouterr().out)["diagnostics"][0]["code"] == "SW621"


@pytest.mark.parametrize("command", ["eval", "show", "export", "train"])
def test_an_empty_name_is_not_what_was_compiled_last(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run([command, ""]) == 1
    assert "error[SW742]: the name of the run is empty" in capsys.readouterr().err


@pytest.mark.parametrize("members", ["", "deep,,shallow"])
def test_no_members_are_not_all_of_them(members: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["export", f"--members={members}"]) == 2
    assert "--members has an empty name" in capsys.readouterr().err
