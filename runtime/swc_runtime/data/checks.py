"""Holding examples that somebody gave, by a function or in a file, to what the spec says of them.

Takes the facts of the spec and a part; gives a `Split`. Guarantees: what does not fit is refused with what was wanted
and what was found, by its place; nothing is converted that could mean two things.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
import torch
from attrs import frozen
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.data import LabelsOutOfRange, WrongInputs
from swc.program.datasets import DataFacts
from swc.program.inputs import InputFacts
from torch import Tensor

from swc_runtime.data.augment import WHITE
from swc_runtime.data.given import tensor_of
from swc_runtime.data.keys import Integers
from swc_runtime.data.splits import MemorySplit, Split
from swc_runtime.data.targets import checked_targets
from swc_runtime.data.tensors import TensorSplit

CLASS_NAMES = "the class names"  # what messages call them
INTEGERS = (torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8)


def is_array(found: object) -> bool:
    """Whether a value is an array of numpy or torch."""
    return isinstance(found, Tensor | np.ndarray)


def described(found: object) -> str:
    """What a value is, for messages: its type, of an array its numbers and shape too."""
    if isinstance(found, Tensor | np.ndarray):
        return f"{str(found.dtype).removeprefix('torch.')} {list(found.shape)}"
    if isinstance(found, tuple | list):
        return f"a {type(found).__name__} of {len(found)}"
    if isinstance(found, str):
        return f"the text {found!r}"
    return f"of type `{type(found).__name__}`"


def first_without_class(facts: DataFacts, labels_N: Tensor) -> int | None:
    """The place of the first label that is of no class; None where each has one."""
    wrong = ((labels_N < 0) | (labels_N >= facts.num_classes)).nonzero()
    return int(wrong[0]) if len(wrong) else None


@frozen(eq=False)
class PartChecker:
    """Holds what was given to the facts of the spec.

    `numbers` [N] are those of the examples in their part, for messages (None: they are counted as they come).
    """

    facts: DataFacts
    numbers: Integers | None = None

    def number_of(self, place: int) -> int:
        """The number in its part of the example at a place."""
        return place if self.numbers is None else int(self.numbers[place])

    def refuse(self, part: str, wanted: str, found: object) -> NoReturn:
        """DiagnosticError: something else was wanted; `found` is described, a text stands for itself."""
        said = found if isinstance(found, str) else described(found)
        raise DiagnosticError(WrongInputs(name=self.facts.title, part=part, wanted=wanted, found=said))

    def class_names(self, classes: Any) -> tuple[str, ...]:
        """The names of the classes, or none: a sequence of texts, one for each."""
        wanted = "a list of texts"
        if isinstance(classes, str) or not isinstance(classes, Sequence):
            self.refuse(CLASS_NAMES, wanted, classes if not isinstance(classes, str) else "one text")
        if not all(isinstance(name, str) for name in classes):
            self.refuse(CLASS_NAMES, wanted, classes)
        if classes and len(classes) != self.facts.num_classes:
            self.refuse(CLASS_NAMES, f"{self.facts.num_classes} texts, one for each class of the spec", classes)
        return tuple(classes)

    def split(self, arrays: tuple[Any, ...], labels: Any, part: str) -> Split:
        """A part of so many arrays, one for each input, and labels [N]."""
        if len(arrays) != len(self.facts.shapes):
            self.refuse(f"the inputs of {part}", f"{len(self.facts.shapes)} arrays", f"{len(arrays)}")
        if self.facts.are_images:
            pixels = self.images(arrays[0], part)
            return MemorySplit(self.facts, pixels, self.labels(labels, len(pixels), part))
        tensors = tuple(self._tensor(one, facts, part) for one, facts in zip(arrays, self.facts.inputs, strict=True))
        self._check_lengths(tensors, part)
        return TensorSplit(self.facts, tensors, self.labels(labels, len(tensors[0]), part))

    def _check_lengths(self, tensors: tuple[Tensor, ...], part: str) -> None:
        lengths = [len(tensor) for tensor in tensors]
        if len(set(lengths)) > 1:
            self.refuse(f"the inputs of {part}", "of as many examples each", " and ".join(map(str, lengths)))

    def images(self, images: Any, part: str) -> Tensor:
        """Images as they are kept, [N, C, H, W]: bytes as they are, others as float32 from 0 to 255."""
        name, shape = f"the images of {part}", self.facts.image_shape
        found = self._as_tensor(images, name, "numbers")
        if found.ndim != 4 or tuple(found.shape[1:]) != shape:
            self.refuse(name, f"[N, {', '.join(map(str, shape))}]", found)
        if found.dtype == torch.uint8:
            return found.contiguous()
        if not found.is_floating_point():
            self.refuse(name, "bytes (uint8), or floats from 0 to 1", found)
        self._check_finite(found, name)
        if found.numel() and not (float(found.min()) >= 0 and float(found.max()) <= 1):
            self.refuse(name, "floats from 0 to 1", f"from {float(found.min()):g} to {float(found.max()):g}")
        return found.to(torch.float32).mul(WHITE).contiguous()

    def _tensor(self, given: Any, facts: InputFacts, part: str) -> Tensor:
        """One input of all examples, [N, ...], in the type that the spec says."""
        name, wanted = f"the inputs of {part}", f"{facts.dtype} [N, {', '.join(map(str, facts.shape))}]"
        found = self._as_tensor(given, name, wanted)
        if tuple(found.shape[1:]) != facts.shape or found.ndim != len(facts.shape) + 1:
            self.refuse(name, wanted, found)
        if facts.dtype == "int64" and found.dtype in INTEGERS:
            return found.to(torch.int64).contiguous()
        if facts.dtype != "float32" or not found.is_floating_point():
            self.refuse(name, wanted, found)
        numbers = found.to(torch.float32).contiguous()
        self._check_finite(numbers, name)
        return numbers

    def _check_finite(self, found: Tensor, name: str) -> None:
        is_finite_N = found.isfinite().flatten(1).all(1)
        if not bool(is_finite_N.all()):
            first = int((~is_finite_N).nonzero()[0])
            number = next(float(one) for one in found[first].flatten() if not one.isfinite())
            where = f"example {self.number_of(first):,} (counted from 0)"
            self.refuse(name, "finite numbers", f"`{number}` in {where}")

    def _as_tensor(self, given: Any, name: str, wanted: str) -> Tensor:
        try:
            return tensor_of(given)
        except (TypeError, ValueError, RuntimeError):  # what torch raises of texts and objects
            self.refuse(name, wanted, given)

    def labels(self, labels: Any, count: int, part: str) -> Tensor:
        """Labels int64 [N] from 0 to the number of classes; of another task its targets, float64 [N, C]."""
        if self.facts.task.row.targets != "class":
            return checked_targets(self.facts, labels, count, part)
        each = "image" if self.facts.are_images else "example"
        name, wanted = f"the labels of {part}", f"{count} whole numbers, one for each {each}"
        found = self._as_tensor(labels, name, wanted)
        if found.is_floating_point() or found.is_complex() or found.dtype == torch.bool or found.shape != (count,):
            self.refuse(name, wanted, found)
        wrong = first_without_class(self.facts, found)
        if wrong is not None:
            label, number, classes = int(found[wrong]), self.number_of(wrong), self.facts.num_classes
            told = LabelsOutOfRange(name=self.facts.title, part=part, label=label, num_classes=classes, number=number)
            raise DiagnosticError(told)
        return found.to(torch.int64).contiguous()
