"""A run that is killed, at any moment, and taken up again ends with the bits of an undisturbed one."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from threading import Thread
from types import ModuleType

import pytest
import torch
from swc.running import disk, transitions

from support.runs import Place, place
from swc_runtime.records.checkpoint import load_checkpoint

# kills its own process at a chosen moment of the nth checkpoint
SABOTAGE = """
import os, signal
from pathlib import Path
from swc_runtime.records import checkpoint

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def half_written(path, data):
    global left
    left -= 1
    if left:
        return whole(path, data)
    with path.open("wb") as file:
        file.write(data[: len(data) // 2])
        file.flush()
        os.fsync(file.fileno())
        die()

def between_renames(path, target):
    global left
    kept = rename(path, target)
    left -= str(target).endswith(".previous")
    if not left:
        die()
    return kept

left = {nth}
whole, rename = checkpoint._write, Path.replace
if {between}:
    Path.replace = between_renames
else:
    checkpoint._write = half_written
from swc.cli.main import main
main()
"""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Place:
    made = place(tmp_path_factory)
    process = made.start()
    process.communicate()
    assert process.returncode == 0
    return made


def finish(made: Place, capsys: pytest.CaptureFixture[str]) -> str:
    """Go on to the end, in this process; gives what was told."""
    assert made.train() == 0
    return capsys.readouterr().err


def check_same(made: Place, expected: Place) -> None:
    (found, _), (wanted, _) = load_checkpoint(made.checkpoint), load_checkpoint(expected.checkpoint)
    assert found.keys() == wanted.keys()
    different = [name for name in wanted if not torch.equal(found[name], wanted[name])]
    assert not different
    assert (made.run / "results.json").read_bytes() == (expected.run / "results.json").read_bytes()
    assert made.metrics() == expected.metrics()
    for number in range(3):
        for name in ("program.json", "graph.txt"):
            assert made.revision(number, name) == expected.revision(number, name)


def test_stopped_at_every_seam_of_a_recompile(
    tmp_path_factory: pytest.TempPathFactory,
    undisturbed: Place,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before and after what was measured is written, and before and after the revision made of it is."""
    made = place(tmp_path_factory)
    for name, nth, after in (
        ("write_feedback", 1, False),
        ("write_feedback", 1, True),
        ("write_revision", 1, False),
        ("write_revision", 1, True),
        ("write_feedback", 2, True),
        ("write_revision", 1, False),
    ):
        stop_at(monkeypatch, name, nth, after=after)
        assert made.train() == 130
        monkeypatch.undo()
    finish(made, capsys)
    check_same(made, undisturbed)


def test_stopped_before_scores_are_taken_and_before_they_are_kept(
    tmp_path_factory: pytest.TempPathFactory,
    undisturbed: Place,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was trained is on the disk by then, and the scores are taken first when the run goes on."""
    made = place(tmp_path_factory)
    for name, nth, after in (("scores", 1, False), ("scores", 1, True), ("scores", 3, True)):
        stop_at(monkeypatch, name, nth, after=after, owner=transitions)
        assert made.train() == 130
        monkeypatch.undo()
        _, meta = load_checkpoint(made.checkpoint)
        assert (meta.facts, meta.position.step) == ({"due": "scores"}, 0)
    assert made.metrics() != undisturbed.metrics()
    finish(made, capsys)
    check_same(made, undisturbed)
    assert [row for row in made.metrics() if row["kind"] == "scores"]


def stop_at(monkeypatch: pytest.MonkeyPatch, name: str, nth: int, *, after: bool, owner: ModuleType = disk) -> None:
    """Interrupt the nth call of a function of a module, before or after it did its work."""
    do, left = getattr(owner, name), [nth]

    def stopping(*given: object) -> object:
        left[0] -= 1
        found = do(*given) if after or left[0] else None
        if not left[0]:
            raise KeyboardInterrupt
        return found

    monkeypatch.setattr(owner, name, stopping)


def kill_after(process: subprocess.Popen[str], delay: float) -> str:
    """Kill a process some seconds after its training began; gives what it told."""
    lines: list[str] = []
    assert process.stderr is not None
    for line in process.stderr:
        lines.append(line)
        if line.startswith("training on"):
            break
    rest = Thread(target=lines.extend, args=(process.stderr,))
    rest.start()
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.wait()
    rest.join()
    return "".join(lines)


@pytest.mark.slow
def test_killed_at_random_moments(
    tmp_path_factory: pytest.TempPathFactory, undisturbed: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each time a little later in the run, with checkpoints inside epochs, until it gets through."""
    made, draw = place(tmp_path_factory), random.Random(1)
    for _ in range(3):
        kill_after(made.start("--checkpoint-every", "0.2"), draw.uniform(0.3, 1.8))
    finish(made, capsys)
    check_same(made, undisturbed)


@pytest.mark.parametrize(
    ("nth", "between"),
    [(3, False), pytest.param(5, True, marks=pytest.mark.slow)],
    ids=["half written", "between the renames"],
)
def test_killed_while_a_checkpoint_is_written(
    tmp_path_factory: pytest.TempPathFactory,
    undisturbed: Place,
    capsys: pytest.CaptureFixture[str],
    nth: int,
    between: bool,
) -> None:
    made = place(tmp_path_factory)
    process = made.start("--checkpoint-every", "0.2", code=SABOTAGE.format(nth=nth, between=between))
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    left = sorted(path.name for path in made.checkpoint.parent.iterdir())
    whole = "last.safetensors.previous" if between else "last.safetensors"
    assert "last.safetensors.partial" in left
    assert ("last.safetensors" in left) is not between
    load_checkpoint(made.checkpoint.parent / whole)
    assert "going on in phase" in finish(made, capsys)
    check_same(made, undisturbed)


@pytest.mark.slow
def test_going_on_inside_an_epoch(
    tmp_path_factory: pytest.TempPathFactory, undisturbed: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every step is kept; the kill comes with a checkpoint in the middle of the last epoch."""
    made = place(tmp_path_factory)
    process = made.start("--checkpoint-every", "0", code=SABOTAGE.format(nth=34, between=False))
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    _, meta = load_checkpoint(made.checkpoint)
    assert meta.position.step > 0
    assert f"and step {meta.position.step}" in finish(made, capsys)
    check_same(made, undisturbed)
