"""Write the first images of each class of CIFAR-100, at half their size, as folders for `data folder(...)`."""

import sys
from collections import Counter
from pathlib import Path

from torchvision.datasets import CIFAR100


def write(data: Path, output: Path, *, of_each: int) -> None:
    """Write `of_each` training images of each class, and all test images, of 16 x 16 pixels (means of 2 x 2)."""
    for split, train in (("train", True), ("val", False)):
        written = Counter[int]()
        for image, label in CIFAR100(data, train=train):
            if train and written[label] == of_each:
                continue
            folder = output / split / f"{label:02}"
            folder.mkdir(parents=True, exist_ok=True)
            image.reduce(2).save(folder / f"{written[label]:03}.png")
            written[label] += 1


write(Path(sys.argv[1]), Path(sys.argv[2]), of_each=100)
