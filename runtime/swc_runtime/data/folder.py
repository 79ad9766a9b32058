"""Folders of images in ImageNet's layout: train/CLASS/IMAGE and val/CLASS/IMAGE.

Takes a folder, gives the files with their classes. Guarantees: classes are numbered in the order of their names and
are the same in both parts; files stand in sorted order.
"""

from __future__ import annotations

from pathlib import Path

import torch
from attrs import evolve
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.data import DataMissing, NotAnImageFolder, WrongNumberOfClasses
from swc.program.datasets import DataFacts

from swc_runtime.data.splits import FolderSplit

PARTS = ("train", "val")
SMALLEST = 2  # images to train on: BatchNorm has no variance of one


def read_folder(facts: DataFacts, folder: Path) -> tuple[FolderSplit, FolderSplit]:
    """The training and the test split under `folder`; `DiagnosticError` where it is not such a folder."""
    if not folder.is_dir():
        wanted = "folders `train` and `val` with one folder of images for each class"
        reason = "it cannot be downloaded by this command"
        raise DiagnosticError(DataMissing(name=facts.name, folder=str(folder), wanted=wanted, reason=reason))
    (train, names), (test, test_names) = (_read_part(facts, folder / part) for part in PARTS)
    if names != test_names:
        odd = sorted(set(names) ^ set(test_names))[0]
        raise DiagnosticError(NotAnImageFolder(folder=str(folder), reason=f"class `{odd}` is in one part only"))
    if len(names) != facts.num_classes:
        wrong = WrongNumberOfClasses(folder=str(folder), found=len(names), stated=facts.num_classes)
        raise DiagnosticError(wrong)
    if len(train) < SMALLEST:
        raise DiagnosticError(NotAnImageFolder(folder=str(folder), reason=f"`train` holds less than {SMALLEST} images"))
    return train, test


def read_images(facts: DataFacts, folder: Path) -> FolderSplit:
    """All images below a folder, in sorted order, resized as those of a data set; every label is 0.

    `DiagnosticError` where the folder is not there or holds none.
    """
    from torchvision.datasets.folder import IMG_EXTENSIONS

    if not folder.is_dir():
        reason = "there is no such folder, and no data set of that name"
        raise DiagnosticError(DataMissing(name=str(folder), folder=str(folder), wanted="images", reason=reason))
    files = sorted(str(path) for path in folder.rglob("*") if path.suffix.lower() in IMG_EXTENSIONS)
    if not files:
        raise DiagnosticError(NotAnImageFolder(folder=str(folder), reason="there is no image in it"))
    named = evolve(facts, name=str(folder))  # so that what is wrong with a file is told of this folder
    return FolderSplit(named, tuple(files), torch.zeros(len(files), dtype=torch.int64))


def _read_part(facts: DataFacts, part: Path) -> tuple[FolderSplit, list[str]]:
    from torchvision.datasets import ImageFolder

    try:
        images = ImageFolder(str(part))
    except OSError as error:
        raise DiagnosticError(NotAnImageFolder(folder=str(part.parent), reason=str(error).splitlines()[0])) from error
    labels = torch.tensor([label for _, label in images.samples], dtype=torch.int64)
    return FolderSplit(facts, tuple(path for path, _ in images.samples), labels), list(images.classes)
