"""Images of a user's own to test with: a module that gives digits, and a spec that trains on them."""

from __future__ import annotations

from pathlib import Path

PICTURES = """
from pathlib import Path

import numpy as np
from halves import halved
from sklearn.datasets import load_digits

MARKS = Path(__file__).with_name("marks")
MARKS.open("a").write("imported ")


def digits(count: int):
    MARKS.open("a").write("called ")
    bunch = load_digits()
    images = bunch.images[:count, None].astype(np.float32) / 16
    return (*halved(images, bunch.target[:count]), [f"digit {number}" for number in range(10)])
"""
HALVES = """
def halved(images, labels):
    return (images[::2], labels[::2]), (images[1::2], labels[1::2])
"""
DATA = 'python("pictures:digits", classes: 10, shape: [1, 8, 8], count: 400)'


def write_pictures(folder: Path) -> None:
    """The module `pictures`, and `halves` beside it, which it imports."""
    (folder / "pictures.py").write_text(PICTURES, encoding="utf-8")
    (folder / "halves.py").write_text(HALVES, encoding="utf-8")
