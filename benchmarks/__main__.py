"""Every benchmark of the project, one after another, each in a process of its own, and one table of all they found.

    python -m benchmarks [-o FOLDER] [--rounds N]

What each found is kept as `NAME.txt` and `NAME.json` in the folder, the table as `bench.txt` and `bench.json`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.table import Row, arguments, give

BENCHMARKS = {
    "step": "step",
    "parts": "parts",
    "statistics": "statistics_cost",
    "data_wait": "data_wait",
    "equal_time": "equal_time",
    "decoding": "decoding",
    "compiler": "compiler",
}  # what each writes, and its module


def rows_of(name: str, folder: Path, rounds: int) -> list[Row]:
    """Run one, and read its rows."""
    print(f"{name} ...", file=sys.stderr)
    command = [sys.executable, "-m", f"benchmarks.{BENCHMARKS[name]}", "-o", str(folder), "--rounds", str(rounds)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    found = json.loads((folder / f"{name}.json").read_text("utf-8"))["rows"]
    return [Row(**{key: value for key, value in row.items() if key != "met"}) for row in found]


def main(folder: Path, rounds: int) -> None:
    """Run all, and give the one table."""
    folder.mkdir(parents=True, exist_ok=True)
    give([row for name in BENCHMARKS for row in rows_of(name, folder, rounds)], folder, "bench")


if __name__ == "__main__":
    given = arguments(__doc__)
    main(given.output or Path("build/bench"), given.rounds)
