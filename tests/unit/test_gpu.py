"""The first minutes on a GPU: tried on the CPU, with limits, parts that fail and a page of recorded output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks import gpu, gpu_page, gpu_parts
from benchmarks.gpu import Outcome, Part, main, missing, run, write
from benchmarks.table import Row

from support.groups import is_left_alone
from support.programs import ensemble_of, tiny_program
from swc_runtime.ensemble import Ensemble

ROOT = Path(__file__).parents[2]
ABOUT = {
    "lines": ["A processor, 16 cores, AVX512; A GPU", "Python 3.12.1, torch 2.14"],
    "python": "3.12.1",
    "versions": {"torch": "2.14", "swc": "0.1.0"},
    "gpu": {"name": "A GPU", "memory": 141 * 2**30, "cuda": "13.0", "driver": "580.1"},
}
JUNIT = """<?xml version="1.0"?><testsuites><testsuite>
<testcase classname="a" name="good"/><testcase classname="a" name="bad"><failure>no</failure></testcase>
<testcase classname="a" name="left"><skipped/></testcase></testsuite></testsuites>"""


def python(name: str, code: str, limit: float) -> Part:
    return Part(name, ("-c", code), limit)


def test_a_part_that_fails_or_takes_too_long_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = (
        python("tests", "print('fine')", 60),
        python("kernels", "raise SystemExit(3)", 60),
        python("ensembles", "import time; time.sleep(600)", 0.5),
        python("killed", "print('after all')", 60),
    )
    monkeypatch.setattr(gpu, "parts_for", lambda device, folder: parts)
    monkeypatch.setattr(gpu, "missing", lambda device: ((), ("cupy is not installed: a loss",)))
    assert main(["--device", "cpu", "-o", str(tmp_path / "out")]) == 1
    found = json.loads((tmp_path / "out/gpu.json").read_text("utf-8"))
    ended = [(part["name"], part["ended"]) for part in found["parts"]]
    assert ended == [("tests", "done"), ("kernels", "failed"), ("ensembles", "late"), ("killed", "done")]
    assert found["parts"][1]["detail"] == "it ended with status 3"
    assert (tmp_path / "out/killed.txt").read_text("utf-8") == "after all\n"
    assert "cupy is not installed: a loss" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds processes in /proc")
def test_a_part_that_is_late_leaves_no_process(tmp_path: Path) -> None:
    inner = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; print(1); time.sleep(600)'])"
    assert run(python("killed", f"import os; print(os.getpgid(0), flush=True); {inner}", 2), tmp_path).ended == "late"
    group = int((tmp_path / "killed.txt").read_text("utf-8").split()[0])
    assert is_left_alone(group)


def test_what_is_missing_is_said_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu, "find_spec", lambda name: None if name in ("torch", "pytest") else object())
    assert missing("cuda")[0] == ("torch is not installed",)
    assert main(["-o", str(tmp_path / "out")]) == 1
    told = capsys.readouterr().err
    assert "gpu: torch is not installed" in told and "gpu: pytest is not installed: the tests are left out" in told
    assert not (tmp_path / "out").exists()


def test_the_script_says_what_it_needs(tmp_path: Path) -> None:
    script = ROOT / "benchmarks/gpu.sh"
    old = tmp_path / "python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = subprocess.run([script], env={**os.environ, "PYTHON": str(old)}, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "older than Python 3.11" in done.stderr


def test_all_parts_take_ten_minutes_at_most(tmp_path: Path) -> None:
    parts = gpu.parts_for("cuda", tmp_path)
    assert sum(part.limit for part in parts) <= 600
    assert [part.name for part in parts] == list(gpu_page.TITLES)
    assert {part.arguments[2] for part in parts if "benchmarks.gpu_parts" in part.arguments} == set(gpu_parts.PARTS)


def tiny(device: str) -> Ensemble:
    return ensemble_of(tiny_program(((1, 4, 4, 6), (1, 6, 6, 5)))).float()


def test_kernels_are_compared_in_both_precisions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_parts, "compiled", lambda name: type("C", (), {"program": None}))
    monkeypatch.setattr(gpu_parts, "build", lambda program, device: tiny(device))
    gpu_parts.main(["kernels", "--device", "cpu", "-o", str(tmp_path)])
    rows = json.loads((tmp_path / "kernels.json").read_text("utf-8"))["rows"]
    assert [row["met"] for row in rows] == ["yes", "yes"] and rows[1]["value"] > rows[0]["value"]
    with pytest.raises(RuntimeError, match="CuPy"):
        gpu_parts.cupy(tiny("cpu"), "cpu")


def test_a_training_that_is_killed_is_held_against_an_undisturbed_one(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []

    def swc(folder: Path, *arguments: str) -> str:
        asked.append(arguments)
        return "going on in phase main after epoch 1" if arguments[-1] == "killed" else ""

    monkeypatch.setattr(gpu_parts, "swc", swc)
    monkeypatch.setattr(gpu_parts, "kill", lambda folder, *arguments: 1)
    monkeypatch.setattr(gpu_parts, "results", lambda run: {"top1": 0.5, "nll": 1.0})
    rows = list(gpu_parts.killed_rows("cpu"))
    assert [row.met for row in rows] == ["yes", "yes", "yes", "-"] and rows[-1].seen == "yes"
    assert [arguments[0] for arguments in asked] == ["compile", "train", "train"]


def test_the_plain_side_shares_nothing() -> None:
    shared = gpu_parts.compiled("quickstart")
    program = gpu_parts.plain(shared)
    assert [member.name for member in program.members] == [member.name for member in shared.program.members]
    assert not program.banks and not program.tensors


def outcomes() -> tuple[Outcome, ...]:
    ended = {"tests": ("failed", "it ended with status 1"), "ensembles": ("late", "it was ended after 210 s")}
    return tuple(
        Outcome(name, *ended.get(name, ("done", "")), 12.0, 90.0, f"python -m {name}") for name in gpu_page.TITLES
    )


def test_the_output_becomes_a_page(tmp_path: Path) -> None:
    write(tmp_path, "cuda", ABOUT, outcomes())
    (tmp_path / "tests.xml").write_text(JUNIT, encoding="utf-8")
    row = Row("multi_width, float32", 2e-6, "2e-06", at_most=1e-4)
    kept = {"what": row.what, "goal": row.goal, "seen": row.seen, "met": row.met}
    (tmp_path / "kernels.json").write_text(json.dumps({"rows": [kept]}), encoding="utf-8")
    target = tmp_path / "page/README.md"
    assert gpu_page.main([str(tmp_path), "-o", str(target)]) == 0
    page = target.read_text("utf-8")
    for words in (
        "`benchmarks/gpu.sh`, seed 0.",
        "| GPU | A GPU, 141 GiB |",
        "| CUDA, driver | 13.0, 580.1 |",
        "| versions | Python 3.12.1, swc 0.1.0, torch 2.14 |",
        "1 passed, 1 failed, 1 skipped.",
        "- failed: `a.bad`",
        "| multi_width, float32 | <= 0.0001 | 2e-06 | yes |",
        "It was too late: it was ended after 210 s.",
        "It left nothing.",
    ):
        assert words in page


def test_no_page_is_made_of_what_is_no_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu_page.main([str(tmp_path)]) == 1
    write(tmp_path, "cpu", ABOUT | {"gpu": {}}, outcomes())
    assert gpu_page.main([str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert "run benchmarks/gpu.sh first" in told and "tried on the CPU" in told


@pytest.mark.slow
def test_the_script_runs_on_the_cpu(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHON": sys.executable, "DEVICE": "cpu", "OUT": str(tmp_path)}
    done = subprocess.run([ROOT / "benchmarks/gpu.sh"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "gpu.json").read_text("utf-8"))
    assert [part["ended"] for part in found["parts"]] == ["done"] * 4
    assert all((tmp_path / f"{name}.json").is_file() for name in gpu_parts.PARTS)
