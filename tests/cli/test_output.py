"""`-o` leaves pipes, devices and links what they are; what is printed is cut nowhere."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from threading import Thread
from typing import BinaryIO

import click
import pytest
from rich.console import Group
from rich.text import Text
from swc.cli import main, output
from swc.cli.output import check_place, chosen_form, deliver, form_of, write_file
from swc.diagnostics import DiagnosticError
from swc.show.plain import plain, table


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"old")
    link.symlink_to(target)
    write_file(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_a_pipe_stays_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write_file(pipe, b"through")
    reader.join(timeout=5)
    assert read == [b"through"]
    assert pipe.is_fifo()


def test_the_ending_of_a_file_names_its_form() -> None:
    forms = ("table", "json", "csv")
    wanted = {"e.json": "json", "e.CSV": "csv", "e.txt": "table", "e": "table", ".json": "table"}
    assert {name: form_of(Path(name), forms, "table") for name in wanted} == wanted
    assert form_of(None, forms, "table") == "table"


def test_a_format_and_an_ending_that_differ_are_wrong_usage() -> None:
    forms = ("png", "svg")
    assert chosen_form("svg", Path("a.svg"), forms, "png") == chosen_form("svg", Path("a.txt"), forms, "png") == "svg"
    assert chosen_form(None, Path("a.svg"), forms, "png") == chosen_form("svg", None, forms, "png") == "svg"
    assert chosen_form(None, Path("a"), forms, "png") == "png"
    with pytest.raises(click.UsageError, match=r"asks for svg, but `a.png` ends in \.png: leave one away"):
        chosen_form("svg", Path("a.png"), forms, "png")


@pytest.mark.parametrize(
    "words",
    [
        "plot curves --format svg -o a.png",
        "show --format dot -o a.json",
        "eval --format csv -o a.json",
        "compare a b --format json -o a.csv",
    ],
)
def test_every_command_that_has_both_holds_them_against_each_other(words: str) -> None:
    assert main.run(words.split()) == 2


def test_a_result_that_cannot_be_written_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a disk is full at the end of long work."""

    def full(path: Path, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DiagnosticError, match="No space left"):
        deliver("the table\n", tmp_path / "table.txt")
    assert capsys.readouterr().out == "the table\n"


def test_a_table_is_as_wide_as_it_must_be_however_deep_in_groups_it_lies() -> None:
    made = table("", *(f">column {number}" for number in range(12)))
    made.add_row("only", *("1,000,000" for _ in range(12)))
    for shown in (made, Group(Text("title"), made), Group(Group(made, Text()), Text())):
        (line,) = [line for line in plain(shown, 40).splitlines() if "1,000,000" in line]
        assert line.split() == ["only", *["1,000,000"] * 12]


def test_a_trial_of_a_place_touches_nothing_of_who_writes_there(tmp_path: Path) -> None:
    path, partial = tmp_path / "rows.csv", tmp_path / "rows.csv.partial"
    partial.write_text("of another process")
    check_place(path)
    assert partial.read_text() == "of another process" and list(tmp_path.iterdir()) == [partial]


def test_a_full_disk_is_told_before_anything_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> BinaryIO:
        return Path("/dev/full").open("wb", buffering=0)

    monkeypatch.setattr(output, "TemporaryFile", full)
    with pytest.raises(DiagnosticError) as caught:
        check_place(tmp_path / "rows.csv")
    assert "No space left" in caught.value.diagnostics[0].message()
