"""Folders of images in ImageNet's layout: train/CLASS/IMAGE and val/CLASS/IMAGE.

Takes a folder, gives the files with their classes. Guarantees: classes are numbered in the order of their names and
are the same in both parts; files stand in sorted order; what was found and what was passed over is said.
"""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from attrs import evolve, frozen
from swc.diagnostics import Diagnostic, DiagnosticError
from swc.diagnostics.catalogue.data import (
    DataMissing,
    ImagesPassedOver,
    NotAnImageFolder,
    SharedImages,
    WrongNumberOfClasses,
)
from swc.program.datasets import DataFacts

from swc_runtime.data.listing import beside_classes, class_names, list_images, printable, words_of
from swc_runtime.data.place import DataPlace
from swc_runtime.data.splits import Dataset, FolderSplit
from swc_runtime.data.twins import MOST_PAIRS, twins

PARTS = ("train", "val")
OTHER_NAMES = ("valid", "validation", "test", "testing", "eval", "dev")  # what people call `val`
SMALLEST = 2  # images to train on: BatchNorm has no variance of one
MOST_NAMED = 5  # classes in a message


@frozen(eq=False)
class _Part:
    """One of the two parts: its images, its classes, and how many files were passed over, by ending or reason."""

    images: FolderSplit
    classes: tuple[str, ...]
    passed_over: Counter[str]
    other_images: Counter[str]


def read_own(facts: DataFacts, place: DataPlace) -> Dataset:
    """A spec's own folder, which counts from the current one, or from the one named on the command line."""
    assert facts.folder is not None, "the spec names it"
    tree = Path(facts.folder) if place.named is None else place.named / facts.folder
    return read_folder(facts, tree, place.announce)


def read_imagenet(facts: DataFacts, place: DataPlace) -> Dataset:
    """ImageNet in `imagenet` below the folder of data sets, or right in it."""
    tree = place.folder if (place.folder / "train").is_dir() else place.folder / facts.name
    return read_folder(facts, tree, place.announce)


def read_folder(facts: DataFacts, folder: Path, announce: Callable[[str], None]) -> Dataset:
    """The training and the test split under `folder`; `DiagnosticError` where it is not such a folder."""
    _check_there(facts, folder)
    train, test = (_read_part(facts, folder, name) for name in PARTS)
    if train.classes != test.classes:
        raise DiagnosticError(
            NotAnImageFolder(folder=printable(str(folder)), reason=_difference(train.classes, test.classes))
        )
    if len(train.classes) != facts.num_classes:
        wrong = WrongNumberOfClasses(folder=printable(str(folder)), found=len(train.classes), stated=facts.num_classes)
        raise DiagnosticError(wrong)
    if len(train.images) < SMALLEST:
        raise DiagnosticError(
            NotAnImageFolder(folder=printable(str(folder)), reason=f"`train` holds less than {SMALLEST} images")
        )
    announce(_found(folder, train, test))
    return Dataset(facts, train.images, test.images, folder, train.classes, tuple(_warnings(folder, train, test)))


def read_images(facts: DataFacts, folder: Path, announce: Callable[[str], None] | None = None) -> FolderSplit:
    """All images below a folder, in sorted order, resized as those of a data set; every label is 0.

    `DiagnosticError` where the folder is not there or holds none; `announce` is told of files that are passed over.
    """
    if not folder.is_dir():
        reason = "and no data set of that name"
        raise DiagnosticError(
            DataMissing(
                name=printable(str(folder)), folder=printable(str(folder)), wanted="images", reason=reason, is_own=True
            )
        )
    listing = list_images(folder)
    if not listing.files:
        over = f": {words_of(listing.passed_over)} passed over" if listing.passed_over else ""
        raise DiagnosticError(
            NotAnImageFolder(folder=printable(str(folder)), reason=f"there is no image in it{over}", is_flat=True)
        )
    if listing.passed_over and announce is not None:
        announce(
            f"{printable(str(folder))}: {len(listing.files):,} images; passed over: {words_of(listing.passed_over)}"
        )
    named = evolve(facts, name=printable(str(folder)))  # so that what is wrong with a file is told of this folder
    return FolderSplit(named, listing.files, torch.zeros(len(listing.files), dtype=torch.int64))


def _check_there(facts: DataFacts, folder: Path) -> None:
    if not folder.is_dir():
        wanted = "folders `train` and `val` with one folder of images for each class"
        is_own = facts.folder is not None
        reason = "it cannot be downloaded by this command"
        if is_own:
            reason = f"and the current folder is `{printable(str(Path.cwd()))}`"
        missing = DataMissing(
            name=facts.name, folder=printable(str(folder)), wanted=wanted, reason=reason, is_own=is_own
        )
        raise DiagnosticError(missing)
    for name in PARTS:
        if not (folder / name).is_dir():
            there = [other for other in OTHER_NAMES if (folder / other).is_dir()]
            instead = f"; `{there[0]}` is there: rename it, or link to it" if there and name == "val" else ""
            raise DiagnosticError(
                NotAnImageFolder(folder=printable(str(folder)), reason=f"there is no folder `{name}` in it{instead}")
            )


def _read_part(facts: DataFacts, folder: Path, name: str) -> _Part:
    """One folder for each class, as torchvision's `ImageFolder` reads it, but for what is hidden."""
    part = folder / name
    classes = class_names(part)
    if not classes:
        raise DiagnosticError(
            NotAnImageFolder(folder=printable(str(folder)), reason=f"`{name}` has no folder of a class")
        )
    _check_names(folder, classes)
    listings = [list_images(part / found) for found in classes]
    passed_over: Counter[str] = Counter()
    other_images: Counter[str] = Counter()
    for listing in listings:
        passed_over.update(listing.passed_over)
        other_images.update(listing.other_images)
    empty = [found for found, listing in zip(classes, listings, strict=True) if not listing.files]
    if empty:
        over = f"; passed over: {words_of(passed_over)}" if passed_over else ""
        reason = f"{_named(empty)} without any image that can be read in `{name}`{over}"
        raise DiagnosticError(NotAnImageFolder(folder=printable(str(folder)), reason=reason))
    passed_over.update(beside_classes(part))
    labels = torch.tensor([number for number, one in enumerate(listings) for _ in one.files], dtype=torch.int64)
    files = tuple(file for listing in listings for file in listing.files)
    return _Part(FolderSplit(facts, files, labels), classes, passed_over, other_images)


def _check_names(folder: Path, classes: Sequence[str]) -> None:
    """Names of classes go into files of runs and exports, which are UTF-8."""
    odd = [name for name in classes if os.fsencode(name).decode("utf-8", "replace") != name]
    if odd:
        reason = f"the name of class `{printable(odd[0])}` is no UTF-8: rename its folder"
        raise DiagnosticError(NotAnImageFolder(folder=printable(str(folder)), reason=reason))


def _difference(train: Sequence[str], test: Sequence[str]) -> str:
    """How the classes of both parts differ; also where nobody could see it."""
    only = [[name for name in one if name not in other] for one, other in ((train, test), (test, train))]
    alike = {_folded(name): name for name in only[1]}
    for name in only[0]:
        if other := alike.get(_folded(name)):
            both = f"`{printable(name)}` in `train` and `{printable(other)}` in `val`"
            return f"{both} differ in case or in how letters are encoded"
    said = [f"{_named(names)} in `{part}` alone" for names, part in zip(only, PARTS, strict=True) if names]
    return ", ".join(said)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold().strip()


def _named(classes: Sequence[str]) -> str:
    named = ", ".join(f"`{printable(name)}`" for name in classes[:MOST_NAMED])
    more = len(classes) - MOST_NAMED
    return f"{'class' if len(classes) == 1 else 'classes'} {named}{f' and {more:,} more' if more > 0 else ''}"


def _found(folder: Path, train: _Part, test: _Part) -> str:
    """One line of what was found and what was not read."""
    counts = f"{len(train.images):,} images in `train`, {len(test.images):,} in `val`"
    over = train.passed_over + test.passed_over
    classes = f"{len(train.classes):,} {'class' if len(train.classes) == 1 else 'classes'}"
    return f"{printable(str(folder))}: {counts}, {classes}" + (f"; passed over: {words_of(over)}" if over else "")


def _warnings(folder: Path, train: _Part, test: _Part) -> list[Diagnostic]:
    found: list[Diagnostic] = []
    if others := train.other_images + test.other_images:
        found.append(
            ImagesPassedOver(folder=printable(str(folder)), num_images=others.total(), endings=words_of(others))
        )
    if pairs := twins(train.images.files, test.images.files):
        first, second = (printable(name) for name in pairs[0])
        is_more = len(pairs) == MOST_PAIRS
        found.append(
            SharedImages(
                folder=printable(str(folder)), num_images=len(pairs), is_more=is_more, first=first, second=second
            )
        )
    return found
