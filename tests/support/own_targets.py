"""Numbers to predict and labels to decide, of a user's own: a module that gives them for digits, and small specs."""

from __future__ import annotations

from pathlib import Path

MODULE = '''
import numpy as np
from sklearn.datasets import load_digits

bunch = load_digits()


def parts(count, targets):
    images = bunch.images[:count, None].astype(np.float32) / 16
    return (images[::2], targets[:count:2]), (images[1::2], targets[1:count:2])


def ink(count: int, offset: float = 5000.0):
    """How much ink a digit has, in an odd unit."""
    return parts(count, 100 * bunch.images.sum((1, 2)) + offset)


def halves(count: int):
    """Ink in the upper and the lower half; the unit of the second is a thousandth."""
    sums = bunch.images.reshape(len(bunch.images), 2, -1).sum(-1)
    return parts(count, sums * np.array([1.0, 1000.0]))


def kinds(count: int):
    """Whether a digit is even, above four, and has a hole."""
    digit = bunch.target
    labels = np.stack([digit % 2 == 0, digit > 4, np.isin(digit, (0, 6, 8, 9))], 1)
    return (*parts(count, labels), ["even", "above [four]", "with a hole"])
'''
SPEC = """
import "digits.sw"

ensemble tiny {{
  data python("measures:{function}", {classes}shape: [1, 8, 8], validation: 20%, count: {count})
  task {task}
  member a = wrn(depth: 10, width: 1)
  member b = wrn(depth: 10, width: 1)
  {step}
  budget 60% of native
  share conv {{
    clusters by depth in 2 bins
    coefficients by partner
  }}
  train {{
    batch 64
    optimiser sgd(lr: 0.02, momentum: 0.9, nesterov: yes, weight_decay: 0)
    phase search: 1 epochs at lr 0.02
      then split clusters below 0.1
      then continue
    phase main: {epochs} epochs
      after 1 epochs untie coefficients below 0.9
  }}
}}
"""


def spec_of(task: str, function: str, *, step: str = "", classes: int = 0, count: int = 240, epochs: int = 2) -> str:
    """The text of a spec that trains on a function of `MODULE`."""
    stated = f"classes: {classes}, " if classes else ""
    return SPEC.format(task=task, function=function, step=step, classes=stated, count=count, epochs=epochs)


def write_measures(folder: Path) -> None:
    """The module `measures`."""
    (folder / "measures.py").write_text(MODULE, encoding="utf-8")
