"""Runs of tiny ensembles on scikit-learn's digits, and what they leave behind."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from PIL import Image
from swc.cli import main
from swc.folders.store import Build, open_build

SPEC = """
import "digits.sw"

ensemble tiny {{
  data {data}
  param amount = 50%
  param tau = 0.3
  param rate = 0.1

  member deep = wrn(depth: 16, width: 1)
  member shallow = wrn(depth: 10, width: 1)
  budget amount of native

  share conv {{
    clusters by depth in 2 bins
    coefficients by partner
    templates {templates} up to 8
    initialisation kaiming
  }}

  train digits {{
    batch {batch}
    optimiser sgd(lr: rate, momentum: 0.9, nesterov: yes, weight_decay: 5e-4)
    phase search: {search} epochs at lr rate
      then split clusters below tau{sketch}
      then {carry}
    phase main: {main} epochs
      after 1 epochs untie coefficients below 0.9
  }}
}}
"""


def spec_text(
    *,
    data: str = "digits",
    templates: str = "even",
    carry: str = "restart",
    batch: int = 128,
    search: int = 1,
    main: int = 2,
    sketch: str = "",
) -> str:
    """The text of a spec; as small as one can be that does everything."""
    return SPEC.format(
        data=data, templates=templates, carry=carry, batch=batch, search=search, main=main, sketch=sketch
    )


@frozen
class Place:
    """A folder with a spec, its build and its runs."""

    folder: Path

    def swc(self, *arguments: str) -> int:
        """Run a command line here, in this process; gives the exit status."""
        before = Path.cwd()
        os.chdir(self.folder)
        try:
            return main.run(arguments)
        finally:
            os.chdir(before)

    def compile(self, text: str, *arguments: str) -> int:
        """Write the spec and compile it."""
        (self.folder / "tiny.sw").write_text(text, encoding="utf-8")
        return self.swc("compile", "tiny.sw", "--quiet", *arguments)

    def train(self, *arguments: str) -> int:
        """Train on one thread."""
        return self.swc("train", "--threads", "1", "--device", "cpu", *arguments)

    def start(self, *arguments: str, code: str = "from swc.cli.main import main; main()") -> subprocess.Popen[str]:
        """Begin to train in a process of its own; its error stream is a pipe."""
        command = [sys.executable, "-c", code, "train", "--threads", "1", "--device", "cpu", *arguments]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            command, cwd=self.folder, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )

    @property
    def run(self) -> Path:
        """The run's folder."""
        return self.folder / "build/tiny/run"

    @property
    def checkpoint(self) -> Path:
        """The run's newest checkpoint."""
        return self.run / "checkpoints/last.safetensors"

    def revision(self, number: int, name: str) -> str:
        """A file of a revision."""
        return (self.run / "revisions" / str(number) / name).read_text("utf-8")

    def build(self) -> Build:
        """What `swc show` sees."""
        return open_build(self.run)

    def results(self) -> dict[str, object]:
        """What the run came to."""
        found: dict[str, object] = json.loads((self.run / "results.json").read_text("utf-8"))
        return found

    def metrics(self) -> list[dict[str, object]]:
        """The lines of the metrics, without the seconds that passed or were waited."""
        rows = [json.loads(line) for line in (self.run / "metrics.jsonl").read_text("utf-8").splitlines()]
        aside = ("seconds", "waited", "check")  # the last is a checksum, also of the seconds
        return [{key: value for key, value in row.items() if key not in aside} for row in rows]

    def contents(self) -> dict[str, bytes]:
        """Every file of the run by its path."""
        return {
            path.relative_to(self.run).as_posix(): path.read_bytes()
            for path in sorted(self.run.rglob("*"))
            if path.is_file()
        }


TO_COPY: dict[str, Place] = {}  # finished runs, by the options of their specs


def place(factory: pytest.TempPathFactory, **options: object) -> Place:
    """A new place with a compiled spec."""
    made = Place(factory.mktemp("place"))
    assert made.compile(spec_text(**options)) == 0  # type: ignore[arg-type]
    return made


def trained(factory: pytest.TempPathFactory, *arguments: str, **options: object) -> Place:
    """A new place with a finished run."""
    made = place(factory, **options)
    assert made.train(*arguments) == 0
    return made


def copied(factory: pytest.TempPathFactory, **options: object) -> Place:
    """A new place with a copy of a finished run, which is trained once for all modules of a process."""
    made, wanted = Place(factory.mktemp("place")), repr(sorted(options.items()))
    if wanted not in TO_COPY:
        TO_COPY[wanted] = trained(factory, **options)
    shutil.copytree(TO_COPY[wanted].folder, made.folder, dirs_exist_ok=True)
    return made


def evaluated(run: Place, *arguments: str) -> dict[str, Any]:
    """What `swc eval` finds, without times, as it writes it down."""
    assert run.swc("eval", "--time-batch", "0", *arguments) == 0
    (found,) = json.loads((run.folder / "build/tiny/run/eval/evaluation.json").read_text())["evaluations"]
    return found


def black(folder: Path) -> None:
    """A folder of one black image of 8 x 8 pixels."""
    folder.mkdir(exist_ok=True)
    Image.new("L", (8, 8)).save(folder / "0.png")
