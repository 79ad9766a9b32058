"""The first minutes on a GPU: every part in a process of its own, each with a limit, ten minutes in all.

    benchmarks/gpu.sh     or     python -m benchmarks.gpu [--device cuda|cpu] [-o FOLDER]

Writes `gpu.json` into the folder after every part, and what each part said as `NAME.txt`. Guarantees: a part that fails
or takes too long leaves no process and stops no other; what is missing in the environment is said before anything
runs. On the CPU everything is small, and nothing of it says anything of a GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from time import monotonic
from typing import Any

from attrs import asdict, frozen

SCHEMA = 1
SEED = 0  # of all parts that draw anything
NEEDED = ("torch", "torchvision", "cattrs", "click", "lark", "networkx", "numpy", "safetensors", "scipy", "sklearn")
USEFUL = {
    "pytest": "the tests are left out",
    "hypothesis": "the tests are left out",
    "cupy": "kernels are not compared: torch's alone are there",
}
SHOWN = ("torch", "torchvision", "numpy", "cupy-cuda13x", "cupy-cuda12x")


@frozen
class Part:
    """A module and its arguments, and the seconds it may take."""

    name: str
    arguments: tuple[str, ...]
    limit: float


@frozen
class Outcome:
    """How a part ended: `done`, `failed` or `late`, in words; `seconds` it took."""

    name: str
    ended: str
    detail: str
    seconds: float
    limit: float
    command: str


def parts_for(device: str, folder: Path) -> tuple[Part, ...]:
    """All parts in the order in which they run; what is most worth knowing comes first."""
    slack = 5 if device == "cpu" else 1  # where nothing is measured, limits only end what hangs
    own = ("--device", device, "-o", str(folder))
    tests = ("-q", "-m", "cuda", "-p", "no:cacheprovider", f"--junitxml={folder / 'tests.xml'}", "tests/runtime")
    return (
        Part("tests", ("-m", "pytest", *tests), 150 * slack),
        Part("kernels", ("-m", "benchmarks.gpu_parts", "kernels", *own), 90 * slack),
        Part("ensembles", ("-m", "benchmarks.gpu_parts", "ensembles", *own), 210 * slack),
        Part("killed", ("-m", "benchmarks.gpu_parts", "killed", *own), 120 * slack),
    )


def missing(device: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is not there without which nothing runs, and what is not there without which a part is left out."""
    needed = [f"{name} is not installed" for name in NEEDED if find_spec(name) is None]
    if find_spec("swc_runtime") is None:
        needed.append("superweights is not installed: pip install --no-deps --editable .")
    if not needed and device != "cpu":
        needed += _missing_device(device)
    useful = [f"{name} is not installed: {loss}" for name, loss in USEFUL.items() if find_spec(name) is None]
    return tuple(needed), tuple(useful)


def _missing_device(device: str) -> list[str]:
    import torch

    return [] if torch.cuda.is_available() else [f"torch {torch.__version__} sees no CUDA device for `{device}`"]


def run(part: Part, folder: Path) -> Outcome:
    """Run a part with what it says in a file; it ends within its limit, with all that it has begun."""
    command = [sys.executable, *part.arguments]
    started = monotonic()
    with (folder / f"{part.name}.txt").open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            status: int | None = process.wait(timeout=part.limit)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            _end_group(process)
    ended, detail = _words(status, part.limit)
    shown = " ".join(["python", *part.arguments])
    return Outcome(part.name, ended, detail, round(monotonic() - started, 1), part.limit, shown)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End what a part has begun too."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _words(status: int | None, limit: float) -> tuple[str, str]:
    if status is None:
        return "late", f"it was ended after {limit:g} s"
    return ("done", "") if status == 0 else ("failed", f"it ended with status {status}")


def facts(device: str) -> dict[str, Any]:
    """What was measured on, and with: no name or path of the machine itself."""
    import torch
    from swc.system.version import VERSION

    from benchmarks.machine import machine_lines

    versions = {name: found for name in SHOWN if (found := _version(name)) is not None} | {"swc": VERSION}
    gpu: dict[str, Any] = {}
    if device != "cpu":
        seen = torch.cuda.get_device_properties(0)
        gpu = {"name": seen.name, "memory": seen.total_memory, "cuda": torch.version.cuda, "driver": _driver()}
    return {"lines": machine_lines(), "python": platform.python_version(), "versions": versions, "gpu": gpu}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _driver() -> str:
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.splitlines()[0].strip() if done.stdout.strip() else "unknown"


def write(folder: Path, device: str, about: dict[str, Any], outcomes: Sequence[Outcome]) -> None:
    """Keep what is known so far."""
    command = "benchmarks/gpu.sh" if device != "cpu" else "DEVICE=cpu benchmarks/gpu.sh"
    plain = {"schema": SCHEMA, "command": command, "device": device, "seed": SEED, "machine": about}
    plain |= {"parts": [asdict(outcome) for outcome in outcomes]}
    (folder / "gpu.json").write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all parts; the status is 1 where something is missing, or a part failed or was late."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N or cpu")
    parser.add_argument("-o", "--output", type=Path, default=Path("build/gpu"))
    given = parser.parse_args(arguments)
    needed, useful = missing(given.device)
    for line in (*needed, *useful):
        print(f"gpu: {line}", file=sys.stderr)
    if needed:
        return 1
    given.output.mkdir(parents=True, exist_ok=True)
    about, outcomes = facts(given.device), []
    for part in parts_for(given.device, given.output):
        print(f"{part.name}, {part.limit:g} s at most ...", file=sys.stderr, flush=True)
        outcomes.append(run(part, given.output))
        print(f"{part.name} {outcomes[-1].ended} {outcomes[-1].detail}".rstrip(), file=sys.stderr, flush=True)
        write(given.output, given.device, about, outcomes)
    print(f"wrote {given.output}", file=sys.stderr)
    return int(any(outcome.ended != "done" for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
