from __future__ import annotations

import io
from pathlib import Path

import pytest
from swc.cli.main import run

UGLY = "recipe plain{batch 64 # half\nseed 1}"


@pytest.fixture
def ugly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "ugly.sw"
    path.write_text(UGLY)
    return path


def test_a_file_is_formatted_in_place_once(ugly: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fmt", "ugly.sw"]) == 0
    assert capsys.readouterr().err == "formatted ugly.sw\n"
    once = ugly.read_text()
    assert once.startswith("recipe plain {\n") and "# half" in once
    stamp = ugly.stat().st_mtime_ns
    assert run(["fmt", "ugly.sw"]) == 0
    assert ugly.read_text() == once
    assert ugly.stat().st_mtime_ns == stamp, "a formatted file is not written again"
    assert capsys.readouterr().err == ""


def test_check_changes_nothing(ugly: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fmt", "--check", "ugly.sw"]) == 1
    assert "error[SW621]: `ugly.sw` is not formatted" in capsys.readouterr().err
    assert ugly.read_text() == UGLY
    run(["fmt", "ugly.sw"])
    assert run(["fmt", "--check", "ugly.sw"]) == 0


def test_a_file_with_mistakes_of_form_is_left_untouched(ugly: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ugly.write_text("recipe plain { batch }")
    other = ugly.with_name("other.sw")
    other.write_text(UGLY)
    assert run(["fmt", "ugly.sw", "other.sw"]) == 1
    assert ugly.read_text() == "recipe plain { batch }"
    assert other.read_text() != UGLY, "the other files are formatted all the same"
    assert "ugly.sw:1:" in capsys.readouterr().err


def test_line_ends_and_byte_order_marks_are_made_uniform(ugly: Path) -> None:
    run(["fmt", "ugly.sw"])
    canonical = ugly.read_bytes()
    ugly.write_bytes(b"\xef\xbb\xbf" + canonical.replace(b"\n", b"\r\n"))
    assert run(["fmt", "--check", "ugly.sw"]) == 1
    assert run(["fmt", "ugly.sw"]) == 0
    assert ugly.read_bytes() == canonical


def test_a_file_keeps_its_permissions_and_a_link_stays_one(ugly: Path) -> None:
    ugly.chmod(0o640)
    link = ugly.with_name("link.sw")
    link.symlink_to(ugly)
    assert run(["fmt", "link.sw"]) == 0
    assert link.is_symlink()
    assert ugly.read_text() != UGLY
    assert ugly.stat().st_mode & 0o777 == 0o640
    assert {path.name for path in ugly.parent.iterdir()} == {"ugly.sw", "link.sw"}


def test_a_dash_formats_the_input_stream(
    ugly: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def feed(text: str) -> None:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))

    feed(UGLY)
    assert run(["fmt", "-"]) == 0
    formatted = capsys.readouterr().out
    assert formatted.startswith("recipe plain {\n")
    feed(UGLY)
    assert run(["fmt", "--check", "-"]) == 1
    feed(formatted)
    assert run(["fmt", "--check", "-"]) == 0
