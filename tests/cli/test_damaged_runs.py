"""A damaged file of a run is reported by its name, or makes no difference; it is never shown as sound."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from swc.diagnostics import DiagnosticError
from swc.folders.store import open_build

from support.damage import CHANGES, GONE, OLD, RUIN, Damage, looked, with_checksums

SPEC = ("spec.json", "tables.json", "origin.json")
MEASURED = ("machine.json", "metrics.jsonl", "results.json", "eval/evaluation.json")
REVISION = tuple(f"revisions/1/{name}" for name in ("program.json", "graph.txt", "notes.txt", "feedback.json"))
QUICK = ("spec.json", "machine.json", "metrics.jsonl", "eval/evaluation.json", *REVISION[1:3])
MAY_GO = ("results.json", "origin.json")  # a run has no results before its end, and may have been made without a file


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The finished run of version 0.1.0, as it is and with checksums."""
    folder = tmp_path_factory.mktemp("runs")
    found = {name: folder / name for name in ("old", "new")}
    for run in found.values():
        shutil.copytree(OLD / "finished/tiny/run", run)
    with_checksums(found["new"])
    return found


@pytest.fixture(scope="module")
def undamaged(runs: dict[str, Path]) -> dict[str, str]:
    return {name: looked(run) for name, run in runs.items()}


def outcome(run: Path, file: str, damage: Damage, before: str, folder: Path) -> str:
    """What comes of a damage: untouched, the same, told, or shown."""
    copy = folder / run.name
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(run, copy, symlinks=True)
    if not damage(copy / file):
        return "untouched"
    try:
        return "the same" if looked(copy) == before else "shown"
    except DiagnosticError as error:
        told = " ".join(f"{one.message()} {one.span}" for one in error.diagnostics)
        return "told" if Path(file).name in told else f"told without its name: {told}"


FILES = [pytest.param(file, marks=() if file in QUICK else pytest.mark.slow) for file in (*SPEC, *MEASURED, *REVISION)]


@pytest.mark.parametrize("file", FILES)
def test_what_is_ruined_is_told(file: str, runs: dict[str, Path], undamaged: dict[str, str], tmp_path: Path) -> None:
    for name, damage in {**RUIN, **({} if file in MAY_GO else GONE)}.items():
        found = outcome(runs["old"], file, damage, undamaged["old"], tmp_path)
        is_empty_note = file.endswith("notes.txt") and name not in ("no UTF-8", "folder", "loop", "gone")
        assert found in ("told", "untouched", "the same") or is_empty_note, (file, name, found)


@pytest.mark.parametrize("file", FILES)
def test_what_was_changed_is_told(file: str, runs: dict[str, Path], undamaged: dict[str, str], tmp_path: Path) -> None:
    for name, damage in CHANGES.items():
        found = outcome(runs["new"], file, damage, undamaged["new"], tmp_path)
        assert found in ("told", "untouched", "the same"), (file, name, found)


@pytest.mark.parametrize("file", ["spec.json", "revisions/1/program.json", "revisions/1/graph.txt"])
def test_what_was_changed_in_an_older_run_is_told_where_other_files_say_so(
    file: str, runs: dict[str, Path], undamaged: dict[str, str], tmp_path: Path
) -> None:
    for name, damage in CHANGES.items():
        found = outcome(runs["old"], file, damage, undamaged["old"], tmp_path)
        assert found in ("told", "untouched", "the same"), (file, name, found)


@pytest.mark.parametrize("name", ["program.json", "graph.txt", "feedback.json"])
def test_a_file_of_another_revision_is_told(name: str, runs: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(runs["old"], tmp_path / "run")
    shutil.copy(tmp_path / "run/revisions/0" / name, tmp_path / "run/revisions/1" / name)
    with pytest.raises(DiagnosticError, match=r"SW780.*does not belong to the files around it"):
        open_build(tmp_path / "run")


@pytest.mark.parametrize("name", ["revisions/2/program.json", "revisions/0/program.json", "revisions/0/feedback.json"])
def test_a_revision_without_its_files_is_told(name: str, runs: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(runs["old"], tmp_path / "run")
    (tmp_path / "run" / name).unlink()
    with pytest.raises(DiagnosticError, match=f"SW545.*{name}. is missing"):
        open_build(tmp_path / "run")


@pytest.mark.parametrize("damage", ["cut", "empty", "no UTF-8"])
@pytest.mark.parametrize("folder", ["", "revisions/1"])
def test_a_damaged_list_of_checksums_is_told_by_its_name(
    folder: str, damage: str, runs: dict[str, Path], undamaged: dict[str, str], tmp_path: Path
) -> None:
    """What has no checksum would be read unchecked; without the list that is what the user has chosen."""
    shutil.copytree(runs["new"], tmp_path / "run")
    path = tmp_path / "run" / folder / "checksums.txt"
    assert RUIN[damage](path)
    with pytest.raises(DiagnosticError, match=r"SW650.*checksums\.txt. is damaged: it is no list of checksums") as told:
        looked(tmp_path / "run")
    assert "or remove it" in told.value.diagnostics[0].help()
    path.unlink()
    assert looked(tmp_path / "run") == undamaged["new"]


def test_an_evaluation_of_another_run_is_told(runs: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(runs["old"], tmp_path / "run")
    path = tmp_path / "run/eval/evaluation.json"
    path.write_text(path.read_text("utf-8").replace('"shallow"', '"other"'), "utf-8")
    with pytest.raises(DiagnosticError, match=r"SW740.*members are not those of the run"):
        looked(tmp_path / "run")


def test_a_file_in_place_of_a_folder_is_told(runs: dict[str, Path], tmp_path: Path) -> None:
    for place in ("eval", "revisions", "revisions/0", "checkpoints"):
        run = tmp_path / place.replace("/", "-")
        shutil.copytree(runs["old"], run)
        shutil.rmtree(run / place)
        (run / place).write_text("", "utf-8")
        with pytest.raises(DiagnosticError, match=place):
            looked(run)


def test_a_process_that_ends_while_a_file_is_replaced_leaves_nothing_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from swc.files import checksums

    path = tmp_path / "notes.txt"
    checksums.write_kept(path, "before\n")
    whole = checksums.write_whole

    def killed(at: Path, text: str) -> None:
        if at == path:
            raise KeyboardInterrupt
        whole(at, text)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(checksums, "write_whole", killed)
        checksums.write_kept(path, "after\n")
    assert checksums.text_of(path) == "before\n"
    checksums.write_kept(path, "after\n")
    assert checksums.text_of(path) == "after\n"
    path.write_text("before\n", "utf-8")
    with pytest.raises(DiagnosticError, match="its checksum is not the one that it was written with"):
        checksums.text_of(path)
