"""A file is written whole or not at all, whoever fills it and wherever that stops."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from swc.cli.output import write_file
from swc.files.checksums import CHECKSUMS, has_checksum, text_of
from swc.files.whole import whole, write_whole


def test_a_file_takes_its_place_when_all_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("before")
    with whole(path) as partial:
        partial.write_text("after")
        assert path.read_text() == "before" and partial.name == "a.partial"
    assert path.read_text() == "after" and [one.name for one in tmp_path.iterdir()] == ["a"]


def test_what_stops_the_writer_leaves_all_as_it_was(tmp_path: Path) -> None:
    path, previous = tmp_path / "a", tmp_path / "b"
    path.write_text("newest")
    previous.write_text("oldest")
    with pytest.raises(KeyError), whole(path, previous=previous) as partial:
        partial.write_text("half")
        raise KeyError
    assert (path.read_text(), previous.read_text()) == ("newest", "oldest")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a", "b"]


def test_a_disk_that_does_not_take_it_leaves_all_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, previous = tmp_path / "a", tmp_path / "b"
    path.write_text("newest")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"), whole(path, previous=previous) as partial:
        partial.write_text("half")
    assert path.read_text() == "newest" and not previous.exists()


def test_the_file_before_is_kept_where_that_is_asked_for(tmp_path: Path) -> None:
    path, previous = tmp_path / "a", tmp_path / "b"
    for text in ("one", "two", "three"):
        with whole(path, previous=previous) as partial:
            partial.write_text(text)
    assert (path.read_text(), previous.read_text()) == ("three", "two")


def test_what_a_killed_process_left_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "a.partial").symlink_to("mine")
    (tmp_path / "mine").write_text("mine")
    write_whole(tmp_path / "a", "text\n")
    assert (tmp_path / "a").read_text() == "text\n" and (tmp_path / "mine").read_text() == "mine"


def test_a_file_of_the_users_keeps_its_permissions_and_its_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_text("before")
    real.chmod(0o640)
    link.symlink_to("real")
    write_file(link, b"after")
    assert link.is_symlink() and real.read_bytes() == b"after" and real.stat().st_mode & 0o777 == 0o640


WRITER = """
import sys
from pathlib import Path
from swc.files.checksums import text_of, write_kept
folder, name = Path(sys.argv[1]), sys.argv[2]
for number in range(60):
    write_kept(folder / name, f"{name} {number}" * 200)
    write_kept(folder / "both", f"{name} {number}" * 200)
    text_of(folder / name)
"""


def test_processes_that_write_into_one_folder_take_turns(tmp_path: Path) -> None:
    """Neither is refused, and no checksum of the one is lost to the other."""
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    writers = [subprocess.Popen([*command, name]) for name in ("one", "two")]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    for name in ("one", "two", "both"):
        assert has_checksum(tmp_path / name)
        assert text_of(tmp_path / name).endswith(" 59")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["both", CHECKSUMS, "one", "two"]
