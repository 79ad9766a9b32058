"""Runs of earlier versions are resumed, evaluated, exported, reported and compared, by this version and by later ones.

A later version is this one with its sources changed: a field more, another default.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
from swc.files.codec import hash_of_text
from swc.running.machine import LIBRARIES, cpu_name

from support.runs import Place
from swc_runtime.records.checkpoint import load_checkpoint

ROOT = Path(__file__).resolve().parents[2]
OLD = ROOT / "tests/old_runs"
KILLED = ("killed", "rank_one", "two_processes")
ROWS = 0.02  # how far losses and accuracies of one epoch may lie from those of another machine
SCORES = 0.15  # the same of the scores at the end, after every rounding has grown


WORTH = ("nll", "ece", "brier", "aurc")  # scores of probabilities


def opened(name: str, folder: Path) -> Place:
    """A copy of an old run, as it lay beside its spec."""
    shutil.copytree(OLD / name / "tiny", folder / "build/tiny")
    shutil.copy(OLD / name / "tiny.sw", folder)
    (folder / "build/.last").write_text("tiny\n", "utf-8")
    return Place(folder)


def expected(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((OLD / name / "expected.json").read_text("utf-8"))
    return found


def is_same_machine(name: str) -> bool:
    from importlib.metadata import version

    machine = json.loads((OLD / name / "tiny/run/machine.json").read_text("utf-8"))
    same = {library: version(library) for library in LIBRARIES} | {"cpu": cpu_name()}
    capability = torch.backends.cpu.get_cpu_capability()
    return same.items() <= machine.items() and capability == expected(name)["cpu_capability"]


def digest(checkpoint: Path) -> str:
    tensors, _ = load_checkpoint(checkpoint)
    found = sha256()
    for name in sorted(tensors):
        found.update(name.encode() + b"\0" + tensors[name].contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def resume(name: str, made: Place) -> None:
    if name != "two_processes":
        assert made.train() == 0
        return
    process = made.start("--nproc", "2")
    _, told = process.communicate(timeout=300)
    assert process.returncode == 0, told


@pytest.mark.parametrize("name", [KILLED[0], *(pytest.param(name, marks=pytest.mark.slow) for name in KILLED[1:])])
def test_a_killed_run_goes_on_and_is_of_use(name: str, tmp_path: Path) -> None:
    made, wanted = opened(name, tmp_path), expected(name)
    resume(name, made)
    rows, before = made.metrics(), wanted["metrics"]
    assert [row["kind"] for row in rows] == [row["kind"] for row in before]
    if is_same_machine(name):
        assert digest(made.checkpoint) == wanted["checkpoint_sha256"]
        for found, earlier in ((rows, before), (made.results(), wanted["results"])):
            assert without_worth(found) == without_worth(earlier)
            assert worth(found) == pytest.approx(worth(earlier), rel=1e-6)
    else:
        check_near(rows, before, made.results(), wanted["results"])
    check_of_use(made)


def without_worth(document: Any) -> Any:
    """All but what probabilities are worth: these runs had them in float32, and later versions in float64."""
    if isinstance(document, dict):
        return {name: without_worth(value) for name, value in document.items() if name not in WORTH}
    return [without_worth(value) for value in document] if isinstance(document, list) else document


def worth(document: Any) -> list[float]:
    """What they are worth, in the order of the document."""
    if isinstance(document, dict):
        own = [document[name] for name in WORTH if name in document]
        return own + [value for _, inner in sorted(document.items()) for value in worth(inner)]
    return [value for inner in document for value in worth(inner)] if isinstance(document, list) else []


def check_near(rows: list[Any], before: list[Any], results: Any, wanted: Any) -> None:
    """Rounding of other machines moves a run a little: the epoch under way when it was killed, and the end."""
    first = next(n for n, row in enumerate(before) if row["kind"] == "epoch" and row["phase"] == "main")
    assert rows[:first] == before[:first]
    assert rows[first]["losses"] == pytest.approx(before[first]["losses"], rel=ROWS)
    assert results["counts"].keys() == wanted["counts"].keys()
    assert results["together"]["top1"] == pytest.approx(wanted["together"]["top1"], abs=SCORES)


def check_of_use(made: Place) -> None:
    """Everything else that is done with a run."""
    assert made.swc("eval") == 0
    assert made.swc("export", "-o", "exported") == 0
    assert made.swc("report", "-o", "report.html") == 0
    assert made.swc("compare", "build/tiny/run") == 0
    assert made.swc("show") == 0
    for made_file in ("exported/README.md", "report.html", "build/tiny/run/eval/evaluation.json"):
        assert (made.folder / made_file).is_file()


def test_a_finished_run_is_finished_and_of_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = opened("finished", tmp_path)
    spec = made.folder / "tiny.sw"
    assert made.swc("compile", "tiny.sw", "--quiet") == 0  # as people do, out of habit
    assert made.train() == 1  # layers have other start values now, where a spec names none
    assert "what differs: `initialisation kaiming`, now `gains`" in capsys.readouterr().err
    spec.write_text(
        spec.read_text("utf-8").replace("share conv {", "share conv {\n    initialisation kaiming"), "utf-8"
    )
    assert made.swc("compile", "tiny.sw", "--quiet") == 0
    before = (made.run / "eval/evaluation.json").read_text("utf-8")
    assert made.train() == 0
    assert "the run is finished" in capsys.readouterr().err
    assert digest(made.checkpoint) == digest(OLD / "finished/tiny/run/checkpoints/last.safetensors")
    check_of_use(made)
    after = (made.run / "eval/evaluation.json").read_text("utf-8")
    assert scores(after) == pytest.approx(scores(before), abs=2 / 360)


def test_other_words_for_a_default_are_no_other_spec(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = opened("finished", tmp_path)
    spec, program = (made.folder / "build/tiny" / name for name in ("spec.json", "program.json"))
    text = spec.read_text("utf-8")
    other = text.replace("linkage union", "links by union")
    assert other != text
    spec.write_text(other, "utf-8")
    program.write_text(program.read_text("utf-8").replace(hash_of_text(text), hash_of_text(other)), "utf-8")
    assert made.train() == 0
    assert "the run is finished" in capsys.readouterr().err


def scores(evaluation: str) -> list[float]:
    (found,) = json.loads(evaluation)["evaluations"]
    return [one["scores"]["top1"] for one in found["predictors"]]


# --- later versions ---------------------------------------------------------------------------------------------------

COMMANDS = """
import sys
from swc.cli import main
from swc.program.training import Recipe
print(Recipe("x"))
assert main.run(["train", "--threads", "1", "--device", "cpu"]) == 0
assert main.run(["eval"]) == 0
assert main.run(["export", "-o", "exported"]) == 0
"""


def later(folder: Path, before: str, after: str) -> dict[str, str]:
    """The environment in which this project is another version: one line of its recipe was replaced."""
    for package in ("swc", "runtime/swc_runtime"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for beside in ("grammars", "specs"):
        (folder / beside).symlink_to(ROOT / beside)
    training = folder / "swc/program/training.py"
    text = training.read_text("utf-8")
    assert text.count(before) == 1
    training.write_text(text.replace(before, after), "utf-8")
    path = os.pathsep.join([str(folder), str(folder / "runtime")])
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


NORM_BATCH = "    norm_batch: int | None = None\n"


FIELD_MORE = (NORM_BATCH, f"{NORM_BATCH}    clip: float = 5.0\n", "clip=5.0")
OTHER_DEFAULT = (NORM_BATCH, "    norm_batch: int | None = 16\n", "norm_batch=16")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("killed", FIELD_MORE),
        pytest.param("finished", OTHER_DEFAULT, marks=pytest.mark.slow),
        pytest.param("killed", OTHER_DEFAULT, marks=pytest.mark.slow),
        pytest.param("finished", FIELD_MORE, marks=pytest.mark.slow),
    ],
    ids=["killed, a field more", "finished, another default", "killed, another default", "finished, a field more"],
)
def test_a_later_version_opens_it(name: str, change: tuple[str, str, str], tmp_path: Path) -> None:
    before, after, shown = change
    environment = later(tmp_path / "later", before, after)
    made = opened(name, tmp_path / "place")
    command = [sys.executable, "-c", COMMANDS]
    found = subprocess.run(command, cwd=made.folder, env=environment, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert shown in found.stdout
    checkpoint = OLD / name / "tiny/run/checkpoints/last.safetensors"
    wanted = expected(name)["checkpoint_sha256"] if name in KILLED else digest(checkpoint)
    if name == "finished" or is_same_machine(name):
        assert digest(made.checkpoint) == wanted
