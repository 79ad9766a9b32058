"""Trained networks folded into a half and a quarter: scores before, after folding, and after some epochs.

Takes seeds; for each it trains the networks of specs/folding, folds them, trains on, and adds rows of scores to a CSV
file; goes on from the rows that are there. Guarantees: every run is one of `swc train`; what is scored after folding is
what `swc train` begins with, norms estimated again.

    python -m benchmarks.folding --data FOLDER --table folding.csv --work FOLDER --seeds 0 1 2
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import swc
import torch
from attrs import define, frozen
from swc.loops import begin
from torch import Tensor

from swc_runtime.data.batches import test_batches
from swc_runtime.data.open_dataset import open_data
from swc_runtime.data.splits import Split
from swc_runtime.ensemble import Ensemble
from swc_runtime.tasks.rules import Calibration, TaskRules, rules_of

SPECS = Path(__file__).parents[1] / "specs" / "folding"
SCORES = ("top1", "nll")


@frozen
class FoldingCase:
    """What is trained: an ensemble of the specs, with params; `epochs` 0 is what it begins with."""

    ensemble: str
    amount: str
    epochs: int
    rate: str

    def params(self, seed: int) -> dict[str, str]:
        """The params of its spec."""
        if self.ensemble == "networks":
            return {"seed": str(seed)}
        return {"seed": str(seed), "amount": self.amount, "epochs": str(max(1, self.epochs)), "rate": self.rate}

    def key(self, seed: int) -> dict[str, str]:
        """How its rows are known."""
        return {
            "ensemble": self.ensemble,
            "amount": self.amount,
            "epochs": str(self.epochs),
            "rate": self.rate,
            "seed": str(seed),
        }


@define
class FoldingSeed:
    """One seed, in a folder of its own."""

    folder: Path
    data: Path
    seed: int

    def row(self, setting: FoldingCase) -> dict[str, Any]:
        """Scores on the test images and the validation part."""
        if setting.epochs == 0:
            return setting.key(self.seed) | self.begun(setting)
        return setting.key(self.seed) | self.trained(setting)

    def networks(self, setting: FoldingCase) -> dict[str, Any]:
        """Train the networks, and leave their weights beside the specs."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for spec in SPECS.glob("*.sw"):
            shutil.copy(spec, self.folder)
        found = setting.key(self.seed) | self.trained(setting)
        self.run("export", "build/networks/run", "--format", "safetensors", "-o", "networks")
        return found

    def trained(self, setting: FoldingCase) -> dict[str, Any]:
        """Scores of a run of `swc train`."""
        name = "networks.sw" if setting.ensemble == "networks" else "folded.sw"
        params = [word for pair in setting.params(self.seed).items() for word in ("--set", "=".join(pair))]
        self.run("compile", name, "--ensemble", setting.ensemble, *params)
        self.run("train", setting.ensemble, "--fresh", "--data", str(self.data))
        run = self.folder / "build" / setting.ensemble / "run"
        found = json.loads((run / "results.json").read_text("utf-8"))
        mean = sum(member["top1"] for member in found["members"]) / len(found["members"])
        return _columns(found["together"], found["validation"]["together"], mean)

    def begun(self, setting: FoldingCase) -> dict[str, Any]:
        """Scores of what training begins with."""
        path = self.folder / "folded.sw"
        compiled = swc.compile_file(path, setting.params(self.seed), setting.ensemble, data=self.data)
        data = open_data(compiled.program.data.drawn_by(self.seed), self.data, True, print)
        assert data.validation is not None
        ensemble = begin(compiled, batches=test_batches(data.train, 128)).ensemble.eval()
        rules = rules_of(data.facts, data.scale)
        watched, tested = (_predictions(ensemble, part, rules) for part in (data.validation, data.test))
        calibration = Calibration(*watched)
        found = rules.score(*tested, calibration)
        scores = {name: found.value(name) for name in SCORES}
        of_watched = rules.score(*watched, calibration)
        mean = float((tested[0].argmax(2) == tested[1]).double().mean())
        return _columns(scores, {name: of_watched.value(name) for name in SCORES}, mean)

    def run(self, *words: str) -> None:
        """A command of swc, in the folder."""
        command = [sys.executable, "-m", "swc", *words]
        done = subprocess.run(command, check=False, cwd=self.folder, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")


def _columns(tested: dict[str, float], watched: dict[str, float], mean: float) -> dict[str, float]:
    own = {name: tested[name] for name in SCORES}
    return own | {"mean_member_top1": mean} | {f"validation_{name}": watched[name] for name in SCORES}


@torch.no_grad()
def _predictions(ensemble: Ensemble, part: Split, rules: TaskRules) -> tuple[Tensor, Tensor]:
    """[members, images, classes], and the labels."""
    outputs, labels = [], []
    with ensemble.composed():
        for images, truth in test_batches(part, 500):
            outputs.append(torch.stack([member(images) for member in ensemble.members]))
            labels.append(truth)
    return rules.predictions(torch.cat(outputs, 1).double()), torch.cat(labels)


def settings(amounts: list[str], epochs: list[int], rate: str) -> list[FoldingCase]:
    """What one seed measures, the networks first."""
    longest = max(epochs)
    folded = [FoldingCase("folded", amount, count, rate) for amount in amounts for count in (0, *epochs)]
    return [
        FoldingCase("networks", "", 24, ""),
        *folded,
        *(FoldingCase("fresh", amount, longest, rate) for amount in amounts),
    ]


def main() -> None:
    """Read the flags, and run what the table lacks."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="where the runs lie")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--amounts", nargs="+", default=["50%", "25%"])
    parser.add_argument("--epochs", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--rate", default="0.05")
    flags = parser.parse_args()
    torch.set_num_threads(1)
    rows = list(csv.DictReader(flags.table.open())) if flags.table.exists() else []
    for seed in flags.seeds:
        one = FoldingSeed(flags.work / f"seed_{seed}", flags.data.resolve(), seed)
        for setting in settings(flags.amounts, flags.epochs, flags.rate):
            is_known = any(setting.key(seed).items() <= row.items() for row in rows)
            if setting.ensemble == "networks" and not (is_known and (one.folder / "networks").exists()):
                found = one.networks(setting)  # which the others begin with
            elif is_known:
                continue
            else:
                found = one.row(setting)
            if not is_known:
                rows.append(found)
                _write(flags.table, rows)


def _write(table: Path, rows: list[dict[str, Any]]) -> None:
    print(rows[-1], file=sys.stderr)
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
