"""Every program in `mistakes/` is wrong; the snapshot beside it holds the message its author reads.

A program whose first line is `# compile` is compiled too, for what shows only then. With SWC_UPDATE=1 the snapshots
are rewritten: read the difference before committing it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from swc.cli.check import check_one
from swc.diagnostics import Diagnostic, DiagnosticError, Sink
from swc.diagnostics.render import render

FOLDER = Path(__file__).parent / "mistakes"
PROGRAMS = sorted(FOLDER.glob("*.sw"))


def told(path: Path) -> tuple[Diagnostic, ...]:
    sink = Sink()
    if path.read_text(encoding="utf-8").startswith("# compile"):
        return compiled(path)
    check_one(path, None, {}, sink)
    return tuple(sink.diagnostics)


def compiled(path: Path) -> tuple[Diagnostic, ...]:
    from swc.compiler.driver import compile_file

    try:
        return compile_file(path).warnings
    except DiagnosticError as found:
        return found.diagnostics


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_the_author_is_told(program: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(FOLDER)
    monkeypatch.setenv("SWC_CACHE", str(tmp_path))
    shown = render(told(Path(program.name)))
    assert shown, "this program is not wrong"
    snapshot = program.with_suffix(".expected")
    if os.environ.get("SWC_UPDATE") == "1":
        snapshot.write_text(shown, encoding="utf-8")
    assert shown == snapshot.read_text(encoding="utf-8")


def test_every_snapshot_has_its_program() -> None:
    assert {path.stem for path in FOLDER.glob("*.expected")} == {path.stem for path in PROGRAMS}
    assert PROGRAMS


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_a_place_and_a_way_out_are_shown(program: Path) -> None:
    shown = program.with_suffix(".expected").read_text(encoding="utf-8")
    assert f"--> {program.name}:" in shown
    assert "^" in shown
    assert "help: " in shown
