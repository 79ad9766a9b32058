"""Images that a function of the user's own gives: `data python("module:function", ...)`.

Takes the facts of the spec and calls the function; gives a `Dataset`. Guarantees: what the function gives is held to
the spec, number by number, or refused; it is called with the same random numbers each time, which are afterwards as
they were; what it raises is told by its own line.

The function gives `(train, test)` or `(train, test, class_names)`. A part is a pair of arrays, images [N, C, H, W] and
labels [N], or a data set of `len(part)` items `part[n]`, pairs of an image [C, H, W] (or one of Pillow) and a label.
"""

from __future__ import annotations

import random
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import Any, NoReturn

import numpy as np
import torch
from attrs import frozen
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.data import DataFunctionFailed, LabelsOutOfRange, WrongImages
from swc.program.datasets import DataFacts
from torch import Tensor

from swc_runtime.data.place import DataPlace
from swc_runtime.data.splits import Dataset, MemorySplit
from swc_runtime.models import find_factory

PARTS = ("train", "test")
WHITE = 255  # as pixels are kept in memory; floats in [0, 1] are multiplied by it
NO_ITEMS = (Tensor, np.ndarray, tuple, list, dict, str)  # have `len` and items, and are no data sets
SEED = 0  # of the random numbers that a function draws


def read(facts: DataFacts, place: DataPlace) -> Dataset:
    """What the function gives, as a data set; DiagnosticError where it fails or gives something else."""
    checked = _Checked(facts)
    parts, classes = checked.taken_apart(_from_function(facts, lambda function: function(**facts.given())))
    train, test = (_split(checked, part, name) for part, name in zip(parts, PARTS, strict=True))
    counts = f"{len(train):,} training and {len(test):,} test images"
    place.announce(f"{facts.title} gave {counts}")
    return Dataset(facts, train, test, classes=classes)


def _from_function(facts: DataFacts, ask: Callable[[Callable[..., Any]], Any]) -> Any:
    """What `ask` makes of the function; whatever its code raises becomes a diagnostic."""
    try:
        with redirect_stdout(sys.stderr), same_chance():
            return ask(find_factory(facts.function))
    except DiagnosticError:
        raise
    except (Exception, SystemExit) as error:
        first = (str(error).strip().splitlines() or [""])[0]
        told = f"{type(error).__name__}: {first}"
        raise DiagnosticError(DataFunctionFailed(name=facts.title, error=told, place=_place(error))) from error


def _place(error: BaseException) -> str:
    """The innermost line that is not ours, as `file:line`; "" where there is none."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    return f"{own[-1].filename.rpartition('/')[2]}:{own[-1].lineno}" if own else ""


@contextmanager
def same_chance() -> Iterator[None]:
    """Inside, Python, numpy and torch draw the same numbers each time; afterwards they go on as before."""
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(SEED)
        np.random.seed(SEED)
        random.seed(SEED)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)


def _split(checked: _Checked, part: Any, name: str) -> MemorySplit:
    images, labels = _arrays(checked, part, name)
    pixels = checked.images(images, name)
    return MemorySplit(checked.facts, pixels, checked.labels(labels, len(pixels), name))


def _arrays(checked: _Checked, part: Any, name: str) -> tuple[Any, Any]:
    """Images and labels of a part, which is a pair of arrays or a data set that is read through once."""
    if isinstance(part, tuple | list) and len(part) == 2 and all(_is_array(one) for one in part):
        return part[0], part[1]
    if not (hasattr(part, "__len__") and hasattr(part, "__getitem__")) or isinstance(part, NO_ITEMS):
        checked.refuse(name, "a pair of arrays (images, labels), or a data set with `len` and numbered items", part)
    items = _from_function(checked.facts, lambda _: [part[number] for number in range(len(part))])
    for item in items:
        if not (isinstance(item, tuple | list) and len(item) == 2):
            checked.refuse(f"an item of {name}", "a pair of an image and a label", item)
    if not items:
        checked.refuse(name, "at least one image", part)
    images = [checked.image(item[0], name) for item in items]
    return np.stack(images), np.asarray([checked.label(item[1], name) for item in items])


def _is_array(found: object) -> bool:
    return isinstance(found, Tensor | np.ndarray)


def _described(found: object) -> str:
    """What a value is, for messages: its type, of an array its numbers and shape too."""
    if isinstance(found, Tensor | np.ndarray):
        return f"{str(found.dtype).removeprefix('torch.')} {list(found.shape)}"
    if isinstance(found, tuple | list):
        return f"a {type(found).__name__} of {len(found)}"
    return f"of type `{type(found).__name__}`"


@frozen
class _Checked:
    """Holds what a function gives to the facts of the spec."""

    facts: DataFacts

    def refuse(self, part: str, wanted: str, found: object) -> NoReturn:
        """DiagnosticError: something else was wanted; `found` is described, a text stands for itself."""
        said = found if isinstance(found, str) else _described(found)
        raise DiagnosticError(WrongImages(name=self.facts.title, part=part, wanted=wanted, found=said))

    def taken_apart(self, found: Any) -> tuple[tuple[Any, Any], tuple[str, ...]]:
        """Both parts, and the names of the classes where they are given."""
        if not isinstance(found, tuple) or len(found) not in (2, 3):
            self.refuse("", "`(train, test)` or `(train, test, class_names)`", found)
        classes = found[2] if len(found) == 3 else ()
        if isinstance(classes, str) or not isinstance(classes, Sequence):
            self.refuse("the class names", "a list of texts", classes if not isinstance(classes, str) else "one text")
        if not all(isinstance(name, str) for name in classes):
            self.refuse("the class names", "a list of texts", classes)
        if classes and len(classes) != self.facts.num_classes:
            count = f"{self.facts.num_classes} texts, one for each class of the spec"
            self.refuse("the class names", count, classes)
        return (found[0], found[1]), tuple(classes)

    def image(self, image: Any, part: str) -> np.ndarray[Any, Any]:
        """One image [C, H, W] as an array; those of Pillow have their channels last, or none."""
        array = image.numpy() if isinstance(image, Tensor) else np.asarray(image)
        if not _is_array(image):  # of Pillow
            array = array[None] if array.ndim == 2 else np.moveaxis(array, -1, 0)
        if array.shape != self.facts.image_shape:
            self.refuse(f"an image of {part}", f"{list(self.facts.image_shape)}", array)
        return array

    def label(self, label: Any, part: str) -> int:
        """One label."""
        found = (
            label.item() if isinstance(label, Tensor | np.generic) or (_is_array(label) and label.ndim == 0) else label
        )
        if isinstance(found, bool) or not isinstance(found, int):
            self.refuse(f"a label of {part}", "a whole number", label)
        return found

    def images(self, images: Any, part: str) -> Tensor:
        """Images as they are kept, [N, C, H, W]: bytes as they are, others as float32 from 0 to 255."""
        name, shape = f"the images of {part}", self.facts.image_shape
        found = torch.as_tensor(images).detach().cpu()
        if found.ndim != 4 or tuple(found.shape[1:]) != shape:
            self.refuse(name, f"[N, {', '.join(map(str, shape))}]", found)
        if found.dtype == torch.uint8:
            return found.contiguous()
        if not found.is_floating_point():
            self.refuse(name, "bytes (uint8), or floats from 0 to 1", found)
        if not bool(found.isfinite().all()):
            self.refuse(name, "finite", "numbers that are not")
        if found.numel() and not (float(found.min()) >= 0 and float(found.max()) <= 1):
            self.refuse(name, "floats from 0 to 1", f"from {float(found.min()):g} to {float(found.max()):g}")
        return found.to(torch.float32).mul(WHITE).contiguous()

    def labels(self, labels: Any, count: int, part: str) -> Tensor:
        """Labels int64 [N] from 0 to the number of classes."""
        found = torch.as_tensor(labels).detach().cpu()
        if found.is_floating_point() or found.is_complex() or found.dtype == torch.bool or found.shape != (count,):
            self.refuse(f"the labels of {part}", f"{count} whole numbers, one for each image", found)
        lowest, highest = (int(found.min()), int(found.max())) if count else (0, 0)
        if lowest < 0 or highest >= self.facts.num_classes:
            wrong = lowest if lowest < 0 else highest
            classes = self.facts.num_classes
            raise DiagnosticError(LabelsOutOfRange(name=self.facts.title, part=part, label=wrong, num_classes=classes))
        return found.to(torch.int64).contiguous()
