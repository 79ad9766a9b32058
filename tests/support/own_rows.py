"""Rows and tokens of a user's own to test with: a module that gives them, models for them, and a spec."""

from __future__ import annotations

from pathlib import Path

ROWS = """
import numpy as np
import torch
from torch import nn


def examples(count: int):
    draw = np.random.default_rng(0)
    numbers = draw.normal(size=(count, 6))
    codes = draw.integers(0, 4, (count, 2))
    labels = (numbers[:, 0] + codes[:, 0] > 1.5).astype(np.int64)
    parts = [slice(0, count // 2), slice(count // 2, -count // 4), slice(-count // 4, None)]
    train, test, validation = (((numbers[one].copy(), codes[one].copy()), labels[one].copy()) for one in parts)
    return {"train": train, "test": test, "validation": validation, "classes": ["low", "high"]}


class Both(nn.Module):
    def __init__(self, width, num_classes, input_shape):
        super().__init__()
        (features,), (fields,) = input_shape
        self.codes = nn.Embedding(4, 3)
        self.first = nn.Linear(features + 3 * fields, width)
        self.second = nn.Linear(width, width)
        self.head = nn.Linear(width, num_classes)

    def forward(self, numbers, codes):
        x = torch.cat([numbers, self.codes(codes).flatten(1)], dim=1)
        return self.head(self.second(self.first(x).relu()).relu())


def both(width: int, num_classes: int, input_shape):
    return Both(width, num_classes, input_shape)
"""
DATA = 'python("rows:examples", classes: 2, shape: [[6], [2]], dtype: [float32, int64], count: 160, validation: given)'
SPEC = f"""
ensemble tiny {{
  data {DATA}
  member wide = python("rows:both", width: 16)
  member narrow = python("rows:both", width: 12)
  budget 80% of native
  share linear {{ clusters one }}
  train {{
    batch 32
    optimiser sgd(lr: 0.1, momentum: 0.9)
    phase search: 1 epochs
      then split clusters below 0.3
      then continue
    phase main: 2 epochs
      after 1 epochs untie coefficients below 0.9
  }}
}}
"""


def write_rows(folder: Path) -> None:
    """The module `rows`."""
    (folder / "rows.py").write_text(ROWS, encoding="utf-8")
