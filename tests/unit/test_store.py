"""Build and run folders: what is written comes back, whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from attrs import evolve
from swc.compiler.driver import Compiled, compile_spec, recompile
from swc.compiler.frontend import read_members
from swc.diagnostics import DiagnosticError, Sink
from swc.diagnostics.catalogue.files import NoBuild, OutputUnwritable, UnknownBuild
from swc.diagnostics.catalogue.formats import DamagedFile
from swc.files import checksums
from swc.files.checksums import CHECKSUMS
from swc.folders import store
from swc.folders.lock import held
from swc.folders.store import (
    RUN,
    open_build,
    read_compiled,
    read_feedback,
    read_spec,
    revision_folder,
    trains,
    write_build,
    write_feedback,
    write_revision,
    write_spec,
    write_whole,
)
from swc.program.datasets import DATASETS
from swc.program.feedback import ClusterFeedback, Similarity
from swc.program.model_source import ModelSource
from swc.program.spec import Budget, Clusters, Member, Selector, Share, Spec
from swc.program.stages import scale_epochs
from swc.program.training import Phase, Recipe, SplitClusters, Training, UntieCoefficients

TRAINING = Training(
    Recipe("digits"),
    (Phase("search", 2, lr=0.1, split=SplitClusters(0.1)), Phase("main", 4, untie=(UntieCoefficients(2, 0.9),))),
)
WRN = ModelSource("family", "wrn", (("depth", 10), ("width", 1)))
SHARE = Share(Selector("conv"), clusters=Clusters("depth", 2))
SPEC = Spec(
    "small", DATASETS["digits"], (Member("a", WRN), Member("b", WRN)), Budget("native", 0.75), (SHARE,), TRAINING
)


@pytest.fixture(scope="module")
def compiled() -> Compiled:
    return compile_spec(SPEC, read_members(SPEC, Sink()))


def renamed(compiled: Compiled, name: str) -> Compiled:
    return compile_spec(evolve(compiled.spec, name=name), compiled.tables)


def feedback_of(compiled: Compiled) -> ClusterFeedback:
    """The first pair of every cluster is unlike, all others alike."""
    pairs = [
        Similarity(first, second, float(number > 0), 0.01)
        for cluster in compiled.graph.clusters
        for number, (first, second) in enumerate(
            (a, b) for i, a in enumerate(cluster.layers) for b in cluster.layers[i + 1 :]
        )
    ]
    return ClusterFeedback(0, tuple(pairs), num_images=100, num_groups=10)


def test_a_build_comes_back(compiled: Compiled, tmp_path: Path) -> None:
    folder = write_build(compiled, tmp_path)
    assert folder == tmp_path / "build/small"
    found = open_build(folder)
    assert (found.spec, found.tables) == (compiled.spec, compiled.tables)
    assert not found.is_run
    (revision,) = found.revisions
    assert (revision.number, revision.label) == (0, "search")
    assert (revision.graph, revision.program, revision.notes) == (compiled.graph, compiled.program, compiled.remarks)


def test_the_same_build_has_the_same_bytes(compiled: Compiled, tmp_path: Path) -> None:
    one, two = write_build(compiled, tmp_path / "1"), write_build(compiled, tmp_path / "2")
    assert sorted(path.name for path in one.iterdir()) == sorted(path.name for path in two.iterdir())
    assert all((two / path.name).read_bytes() == path.read_bytes() for path in one.iterdir())


def test_the_last_build_is_found_from_below(
    compiled: Compiled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_build(compiled, tmp_path)
    write_build(renamed(compiled, "other"), tmp_path)
    (tmp_path / "deep/down").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep/down")
    assert open_build().spec.name == "other"
    assert open_build("small").spec.name == "small"
    with pytest.raises(DiagnosticError) as raised:
        open_build("smal")
    (told,) = raised.value.diagnostics
    assert isinstance(told, UnknownBuild)
    assert told.known == ("other", "small")


def test_a_build_that_was_copied_here_is_found_by_its_name(
    compiled: Compiled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_build(compiled, tmp_path)
    (folder.parent / ".last").unlink()  # as where one folder of `build/` was copied from another machine
    monkeypatch.chdir(tmp_path)
    assert open_build(folder.name).folder == folder
    with pytest.raises(DiagnosticError) as raised:
        open_build()
    assert isinstance(raised.value.diagnostics[0], NoBuild)


def test_an_ensemble_may_be_called_last(compiled: Compiled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_build(renamed(compiled, "last"), tmp_path)
    write_build(compiled, tmp_path)
    monkeypatch.chdir(tmp_path)
    assert open_build().spec.name == "small"
    assert open_build("last").spec.name == "last"


def test_without_a_build_the_way_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DiagnosticError) as raised:
        open_build()
    assert isinstance(raised.value.diagnostics[0], NoBuild)


def begin_run(compiled: Compiled, root: Path) -> Path:
    run = write_build(compiled, root) / RUN
    write_spec(run, compiled)
    write_revision(revision_folder(run, 0), compiled)
    return run


def test_a_run_comes_back_with_its_feedback(compiled: Compiled, tmp_path: Path) -> None:
    run, feedback = begin_run(compiled, tmp_path), feedback_of(compiled)
    second = recompile(compiled, feedback)
    write_feedback(run, feedback)
    write_revision(revision_folder(run, 1), second)
    assert read_feedback(run, 0) == feedback
    assert read_feedback(run, 1) is None
    back = read_compiled(run, 1)
    assert evolve(back, notes=second.notes, warnings=second.warnings) == second
    assert back.remarks == second.remarks
    found = open_build(run.parent)
    assert found.is_run
    assert [revision.label for revision in found.revisions] == ["search", "main"]
    assert [revision.feedback for revision in found.revisions] == [feedback, None]
    assert found.revisions[1].graph == second.graph
    assert not open_build(run.parent, prefer_run=False).is_run


def test_a_scaled_run_is_that_of_its_build_and_a_changed_one_is_not(compiled: Compiled, tmp_path: Path) -> None:
    scaled = evolve(SPEC, training=scale_epochs(TRAINING, 0.5))
    run = begin_run(compiled, tmp_path)
    write_spec(run, compile_spec(scaled, compiled.tables))
    write_revision(revision_folder(run, 0), compile_spec(scaled, compiled.tables))
    assert open_build(run.parent).spec == scaled
    changed = compile_spec(evolve(SPEC, budget=Budget("native", 0.6)), compiled.tables)
    write_build(changed, tmp_path)
    assert open_build(run.parent).spec == changed.spec
    assert open_build(run).spec == scaled
    assert not trains(changed.spec, SPEC)
    assert not trains(evolve(SPEC, training=None), SPEC)


def test_a_text_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "folder/file.txt"
    write_whole(path, "before\n")

    def fail(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(DiagnosticError) as raised:
        write_whole(path, "after\n")
    (told,) = raised.value.diagnostics
    assert isinstance(told, OutputUnwritable)
    assert "no space left" in told.message().lower()
    assert path.read_bytes() == b"before\n"
    monkeypatch.undo()
    write_whole(path, "naïve\n")
    assert path.read_bytes() == "naïve\n".encode()
    assert [found.name for found in path.parent.iterdir()] == ["file.txt"]


def test_a_folder_in_the_place_of_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(DiagnosticError) as raised:
        write_whole(tmp_path / "taken", "text")
    assert isinstance(raised.value.diagnostics[0], OutputUnwritable)


def test_a_folder_is_known_by_its_spec_only_when_all_is_there(
    compiled: Compiled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed at any moment while a spec is written, there is none, or it can be read."""
    for allowed in range(3):
        folder = tmp_path / str(allowed)
        stop_after(allowed, monkeypatch)
        with pytest.raises((KeyboardInterrupt, StopIteration)):
            write_spec(folder, compiled)
            raise StopIteration
        monkeypatch.undo()
        if (folder / "spec.json").is_file():
            assert read_spec(folder) == (compiled.spec, compiled.tables)


def stop_after(renames: int, monkeypatch: pytest.MonkeyPatch) -> None:
    replace, left = Path.replace, [renames]

    def stopping(self: Path, target: Path) -> Path:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", stopping)


@pytest.mark.parametrize("name", ["spec.json", "tables.json", "program.json"])
def test_a_damaged_file_is_told_with_its_path(compiled: Compiled, tmp_path: Path, name: str) -> None:
    folder = write_build(compiled, tmp_path)
    path = folder / name
    path.write_text(path.read_text("utf-8")[:-30], encoding="utf-8")
    with pytest.raises(DiagnosticError) as raised:
        open_build(folder)
    (told,) = raised.value.diagnostics
    assert isinstance(told, DamagedFile)
    assert str(path) in told.message()


def test_a_program_whose_ids_lead_nowhere_is_damaged(compiled: Compiled, tmp_path: Path) -> None:
    folder = write_build(compiled, tmp_path)
    path = folder / "program.json"
    slot = compiled.program.slots[0]
    (folder / CHECKSUMS).unlink()  # as an older version left it
    path.write_text(path.read_text("utf-8").replace(f'"bank": "{slot.bank}"', '"bank": "lost"'), encoding="utf-8")
    with pytest.raises(DiagnosticError) as raised:
        open_build(folder)
    (told,) = raised.value.diagnostics
    assert isinstance(told, DamagedFile)
    assert "names the bank `lost`, which is not there" in told.detail


def test_a_graph_with_other_gains_than_its_program_is_foreign(compiled: Compiled, tmp_path: Path) -> None:
    folder = write_build(compiled, tmp_path)
    (folder / CHECKSUMS).unlink()  # as an older version left it
    path, slot = folder / "graph.txt", compiled.graph.slots[0]
    line = f"by {slot.coefficient}\n"
    path.write_text(path.read_text("utf-8").replace(line, f"{line[:-1]} gain 2.0\n", 1), encoding="utf-8")
    with pytest.raises(DiagnosticError, match=r"its list of slots differs from that of `program\.json`"):
        open_build(folder)


def test_a_build_of_another_user_is_not_taken_unasked(
    compiled: Compiled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_build(compiled, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(checksums, "_owner", lambda path: 4242 if path.name == ".last" else os.geteuid())
    with pytest.raises(DiagnosticError, match=r"SW781.*belongs to another user"):
        open_build()
    assert open_build(folder).spec == compiled.spec


@pytest.mark.parametrize("name", ["../other", "a/b", "", "a\x1b[2J"])
def test_the_last_build_is_a_name_alone(
    compiled: Compiled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    write_build(compiled, tmp_path)
    (tmp_path / "build/.last").write_text(name, "utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DiagnosticError, match="it does not hold the name of an ensemble"):
        open_build()


def test_a_lock_writes_into_no_file_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine", "utf-8")
    (tmp_path / "lock").symlink_to("mine.txt")
    with pytest.raises(DiagnosticError, match="SW604"), held(tmp_path):
        pass
    (tmp_path / "notes.txt.partial").symlink_to("mine.txt")
    write_whole(tmp_path / "notes.txt", "other")
    assert (tmp_path / "mine.txt").read_text("utf-8") == "mine"


def test_what_cannot_be_written_whole_leaves_the_build_before_it(
    tmp_path: Path, compiled: Compiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of a build would be of another spec than the other half, and nothing could be trained from it."""
    folder = write_build(compiled, tmp_path)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def full(*_: object) -> None:
        raise DiagnosticError(OutputUnwritable(path="graph.txt", reason="no space left on device"))

    with monkeypatch.context() as patched:
        patched.setattr(store, "write_revision", full)
        with pytest.raises(DiagnosticError):
            write_build(evolve(compiled, notes=("another",)), tmp_path)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    write_build(evolve(compiled, notes=("another",)), tmp_path)
    assert (folder / "notes.txt").read_text("utf-8") == "another\n"
    assert sorted(path.name for path in folder.iterdir()) == sorted(before)
    assert open_build(folder).spec == compiled.spec
