"""The authors' TabM, their package in a loop of its own, on the data and with the settings of a spec of ours.

Takes a spec whose ensemble has like `mlp` members, and seeds; adds a row of scores for each seed to a CSV file, and
goes on from it. Guarantees: rows, features, batch size, rate, decay and patience are those of the spec, and scores are
taken by the same code; the network, its start, its loss, its order of examples and its optimiser are not ours.

    python -m benchmarks.tabm_package specs/tables/churn.sw --data FOLDER --seeds 5 --table package.csv
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from pathlib import Path
from typing import Any

import swc
import torch
import torch.nn.functional as F
from swc.compiler.driver import Compiled
from torch import Tensor, nn

from swc_runtime.data.batches import test_batches
from swc_runtime.data.open_dataset import open_data
from swc_runtime.data.splits import Dataset, Split
from swc_runtime.tasks.rules import Calibration, rules_of


class TabMRun:
    """One seed: the package's model, and what it predicts of a part, [members, examples, outputs]."""

    def __init__(self, compiled: Compiled, folder: Path) -> None:
        import tabm

        assert compiled.spec.training is not None
        self.recipe = compiled.spec.training.recipe
        self.phase = compiled.spec.training.phases[-1]
        self.data: Dataset = open_data(compiled.program.data, folder, True, print)
        self.rules = rules_of(self.data.facts, self.data.scale)
        self.inputs, self.targets = whole(self.data.train)
        self.generator = torch.Generator().manual_seed(self.recipe.seed)
        torch.manual_seed(self.recipe.seed)
        of_member: dict[str, Any] = dict(compiled.spec.members[0].source.arguments)
        self.is_regression = self.targets.is_floating_point()
        self.members = len(compiled.spec.members)
        self.model: nn.Module = tabm.TabM.make(
            n_num_features=self.inputs.shape[1],
            d_out=self.targets.shape[1] if self.is_regression else self.data.facts.num_classes,
            n_blocks=of_member["depth"],
            d_block=of_member["width"],
            dropout=of_member["dropout"],
            k=self.members,
        )
        options = dict(self.recipe.optimiser.arguments)
        rate, decay = float(options["lr"]), float(options["weight_decay"])
        self.optimiser = torch.optim.AdamW(self.model.parameters(), lr=rate, weight_decay=decay)

    def epoch(self) -> None:
        """Every member goes through the rows in an order of its own."""
        self.model.train()
        rows = len(self.targets)
        orders = torch.stack([torch.randperm(rows, generator=self.generator) for _ in range(self.members)], dim=1)
        for chosen_BM in orders.split(self.recipe.batch):
            self.optimiser.zero_grad()
            outputs = self.model(self.inputs[chosen_BM]).flatten(0, 1)
            targets = self.targets[chosen_BM].flatten(0, 1)
            (F.mse_loss(outputs, targets) if self.is_regression else F.cross_entropy(outputs, targets)).backward()
            self.optimiser.step()

    @torch.no_grad()
    def predictions(self, part: Split) -> tuple[Tensor, Tensor]:
        """Those of all members, and the targets."""
        self.model.eval()
        inputs, targets = whole(part)
        found = torch.cat([self.model(rows) for rows in inputs.split(1024)]).transpose(0, 1)
        return self.rules.predictions(found.double()), targets

    def scores(self, part: Split) -> dict[str, float]:
        """The ensemble's, fitted on the validation part where a score needs a fit."""
        assert self.data.validation is not None
        calibration = Calibration(*self.predictions(self.data.validation))
        found = self.rules.score(*self.predictions(part), calibration)
        return {row.name: found.value(row.name) for row in self.rules.task.row.scores}

    def train(self) -> dict[str, float]:
        """Until the score of the phase has not become better for its patience; scores of the best epoch."""
        assert self.data.validation is not None and self.phase.patience is not None
        watched = self.rules.task.row.judged
        best, found, waited, epoch = float("nan"), {}, 0, 0
        begun = time.perf_counter()
        while epoch < self.phase.epochs and waited < self.phase.patience:
            self.epoch()
            epoch += 1
            value = self.scores(self.data.validation)[watched.name]
            waited += 1
            if watched.is_better(value, best):
                best, waited, found = value, 0, self.scores(self.data.test)
        return found | {f"validation_{watched.name}": best, "epochs": epoch, "seconds": time.perf_counter() - begun}


def whole(part: Split) -> tuple[Tensor, Tensor]:
    """All inputs [N, F] and targets of a part."""
    batches = list(test_batches(part, 4096))
    return torch.cat([inputs for inputs, _ in batches]), torch.cat([targets for _, targets in batches])


def main() -> None:
    """Read the flags, and run what the table lacks."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("spec")
    parser.add_argument("--ensemble", default="tabm")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    flags = parser.parse_args()
    torch.set_num_threads(1)
    known = list(csv.DictReader(flags.table.open())) if flags.table.exists() else []
    for seed in flags.seeds:
        if not any(row["seed"] == str(seed) for row in known):
            compiled = swc.compile_file(flags.spec, {}, flags.ensemble, data=flags.data, seed=seed)
            known.append({"ensemble": "package", "seed": str(seed), **TabMRun(compiled, flags.data).train()})
            print(known[-1], file=sys.stderr)
            with flags.table.open("w", newline="") as file:
                writer = csv.DictWriter(file, list(known[0]), lineterminator="\n")
                writer.writeheader()
                writer.writerows(known)


if __name__ == "__main__":
    main()
