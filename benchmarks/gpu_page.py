"""What `benchmarks.gpu` has found, as a page of docs/results.

    python -m benchmarks.gpu_page build/gpu -o docs/results/gpu/README.md

Takes the folder that was written; gives Markdown. Guarantees: nothing is measured here; a part that failed, was late or
left nothing is said to have done so; what was tried on the CPU is not a result, and is refused.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from benchmarks.gpu import SCHEMA

TITLES = {
    "tests": "Tests marked `cuda`",
    "kernels": "Kernels against the reference",
    "ensembles": "Steps and peak memory of the shipped ensembles, shared over plain",
    "killed": "A training that is killed and resumed",
}


def page_of(folder: Path) -> str:
    """The page; ValueError where the folder holds no such output, or one of the CPU."""
    found = read(folder)
    if found["device"] == "cpu":
        raise ValueError("this was tried on the CPU, which is not a result of a GPU")
    return "\n".join([*head(found), *(line for part in found["parts"] for line in section(part, folder))]) + "\n"


def read(folder: Path) -> dict[str, Any]:
    """What was written; ValueError where it is not there or of another form."""
    try:
        found: dict[str, Any] = json.loads((folder / "gpu.json").read_text("utf-8"))
    except FileNotFoundError as error:
        raise ValueError(f"there is no gpu.json in {folder}: run benchmarks/gpu.sh first") from error
    if found.get("schema") != SCHEMA:
        raise ValueError(f"{folder / 'gpu.json'} has another form: {found.get('schema')}, not {SCHEMA}")
    return found


def head(found: dict[str, Any]) -> Iterator[str]:
    """What was run, on what, with which versions and seed."""
    machine, gpu = found["machine"], found["machine"]["gpu"]
    versions = ", ".join(f"{name} {number}" for name, number in sorted(machine["versions"].items()))
    yield "# On a GPU"
    yield ""
    yield f"`{found['command']}`, seed {found['seed']}."
    yield ""
    yield "| | |"
    yield "|---|---|"
    yield f"| GPU | {gpu['name']}, {gpu['memory'] / 2**30:.0f} GiB |"
    yield f"| CUDA, driver | {gpu['cuda']}, {gpu['driver']} |"
    yield f"| processor | {machine['lines'][0].partition(';')[0]} |"
    yield f"| versions | Python {machine['python']}, {versions} |"
    yield f"| device | `{found['device']}` |"


def section(part: dict[str, Any], folder: Path) -> Iterator[str]:
    """A part: how it ended, and what it found."""
    yield ""
    yield f"## {TITLES[part['name']]}"
    yield ""
    ended = {"done": "", "failed": f" It failed: {part['detail']}.", "late": f" It was too late: {part['detail']}."}
    yield f"`{part['command']}`: {part['seconds']:.0f} s of {part['limit']:.0f}.{ended[part['ended']]}"
    yield ""
    yield from tests(folder / "tests.xml") if part["name"] == "tests" else rows(folder / f"{part['name']}.json")


def tests(path: Path) -> Iterator[str]:
    """How many passed, and the names of those that did not."""
    if not path.is_file():
        yield "No test was run."
        return
    cases = list(ElementTree.parse(path).getroot().iter("testcase"))
    failed = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    skipped = [case for case in cases if case.find("skipped") is not None]
    passed = len(cases) - len(failed) - len(skipped)
    yield f"{passed} passed, {len(failed)} failed, {len(skipped)} skipped."
    if failed:
        yield ""
        yield from (f"- failed: `{case.get('classname')}.{case.get('name')}`" for case in failed)


def rows(path: Path) -> Iterator[str]:
    """What was measured, a line of a table each."""
    if not path.is_file():
        yield "It left nothing."
        return
    yield "| what | goal | found | met |"
    yield "|---|---|---|---|"
    for row in json.loads(path.read_text("utf-8"))["rows"]:
        yield f"| {row['what']} | {row['goal']} | {row['seen']} | {row['met']} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page, or say why there is none."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/results/gpu/README.md"))
    given = parser.parse_args(arguments)
    try:
        page = page_of(given.folder)
    except ValueError as error:
        print(f"gpu_page: {error}", file=sys.stderr)
        return 1
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(page, encoding="utf-8")
    print(f"wrote {given.output}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
