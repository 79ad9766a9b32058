"""Examples that a data set of the user's own gives by number, one at a time.

Takes `part[n]`, pairs of an input and a label; gives a `Split`, of everything in memory or of items that are read when
they are asked for. Guarantees: an item is asked for with random numbers that its part and its number settle, whoever
asks and however often; both kinds of splits give the same bits; what fails is told by the number of the item.
"""

from __future__ import annotations

import random
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from math import prod
from typing import Any
from zlib import crc32

import numpy as np
import torch
from attrs import evolve, frozen
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.inputs import IterableData
from swc.diagnostics.catalogue.reading import ItemFailed
from swc.program.datasets import DataFacts
from torch import Tensor
from torch.utils.data import IterableDataset

from swc_runtime.data.checks import PartChecker, described, is_array
from swc_runtime.data.keys import ITEM, Hashes, Integers, base_of, hashes
from swc_runtime.data.requests import Reader
from swc_runtime.data.splits import Split
from swc_runtime.data.targets import stacked_targets
from swc_runtime.inputs import Inputs

NO_ITEMS = (Tensor, np.ndarray, tuple, list, dict, str)  # have `len` and items, and are no data sets
SEED = 0  # of the random numbers that a function draws
BYTES = {"float32": 4, "int64": 8}
MOST_IN_MEMORY = 1 << 31  # bytes of the inputs of a part, pixels counted as floats; more are read when asked for


@frozen(eq=False)
class ItemSplit:
    """A split whose examples are read from `part`, by their `numbers`, when they are fetched; labels [N] are known.

    `name` is that of the part in messages; a `reader` reads ahead.
    """

    facts: DataFacts
    part: Any
    name: str
    numbers: Integers
    labels: Tensor
    reader: Reader | None = None

    def __len__(self) -> int:
        return len(self.numbers)

    def fetch(self, samples: Integers, crops: Hashes | None) -> Inputs:
        """The inputs of these items; DiagnosticError for one that fails or is not as the spec says."""
        numbers = self.numbers[samples]
        checked = PartChecker(self.facts, numbers)
        items = read_items(checked, self.part, self.name, numbers)
        read = _in_memory(checked, items, self.name)
        self._check_labels(checked, samples, read.labels)
        return read.fetch(np.arange(len(items), dtype=np.int64), crops)

    def _check_labels(self, checked: PartChecker, samples: Integers, labels: Tensor) -> None:
        wanted = self.labels[torch.from_numpy(samples)]
        if labels.ndim == wanted.ndim == 1 and not torch.equal(labels, wanted):
            place = int((labels != wanted).nonzero()[0])
            told = f"{int(wanted[place])}, as before or in `targets`"
            number = checked.number_of(place)
            checked.refuse(f"the label of item {number:,} of {self.name}", told, f"{int(labels[place])}")

    def to(self, device: torch.device | str) -> ItemSplit:
        """The same: batches are moved one by one."""
        return self

    def known_as(self, facts: DataFacts) -> ItemSplit:
        """The same examples under other facts."""
        return evolve(self, facts=facts)

    def take(self, samples: Integers) -> ItemSplit:
        """These items alone."""
        return evolve(self, numbers=self.numbers[samples], labels=self.labels[torch.from_numpy(samples)])


def seeds_torch(split: Split) -> bool:
    """Whether fetching seeds torch's random state in this process and puts it back: no thread may draw meanwhile."""
    return isinstance(split, ItemSplit) and split.reader is None


def split_of_items(
    checked: PartChecker, part: Any, name: str, *, one_by_one: bool, announce: Callable[[str], None]
) -> Split:
    """A part that is a data set: in memory, or (`one_by_one`, or where it is large) read when it is asked for."""
    _check_numbered(checked, part, name)
    numbers = np.arange(len(part), dtype=np.int64)
    if not len(numbers):
        checked.refuse(name, "at least one image" if checked.facts.are_images else "at least one input", part)
    if not (one_by_one or size_in_memory(checked.facts, len(numbers)) > MOST_IN_MEMORY):
        return _in_memory(checked, read_items(checked, part, name, numbers), name)
    labels = _known_labels(checked, part, name)
    if labels is None:
        announce(f"reading the {len(numbers):,} items of {name} once, for their labels: it has no list `targets`")
        labels = _read_labels(checked, part, name, numbers)
    return ItemSplit(checked.facts, part, name, numbers, labels)


def size_in_memory(facts: DataFacts, count: int) -> int:
    """The bytes that the inputs of so many examples take; those of pixels as floats."""
    each = [prod(facts.image_shape) * BYTES["float32"]] if facts.are_images else []
    return count * sum(each + [prod(one.shape) * BYTES[one.dtype] for one in facts.inputs])


def _known_labels(checked: PartChecker, part: Any, name: str) -> Tensor | None:
    """Labels that a data set has in its list `targets`, as those of torchvision do."""
    targets = getattr(part, "targets", None)
    if not isinstance(targets, list | tuple | np.ndarray | Tensor) or len(targets) != len(part):
        return None
    return checked.labels(_targets(checked, list(targets), name), len(part), name)


def _read_labels(checked: PartChecker, part: Any, name: str, numbers: Integers) -> Tensor:
    targets = [read_items(checked, part, name, numbers[place : place + 1])[0][1] for place in range(len(numbers))]
    return checked.labels(_targets(checked, targets, name), len(numbers), name)


# --- asking for items -------------------------------------------------------------------------------------------------


def read_items(checked: PartChecker, part: Any, name: str, numbers: Integers) -> list[tuple[Any, Any]]:
    """Pairs of an input and a label; DiagnosticError for an item that fails, or is no pair."""
    seeds = hashes(base_of(SEED, crc32(name.encode()), 0, ITEM), numbers) >> np.uint64(32)
    with redirect_stdout(sys.stderr), same_chance():
        return [_item(checked, part, name, int(n), int(seed)) for n, seed in zip(numbers, seeds, strict=True)]


def _item(checked: PartChecker, part: Any, name: str, number: int, seed: int) -> tuple[Any, Any]:
    _seed_all(seed)
    try:
        item = part[number]
    except DiagnosticError:
        raise
    except (Exception, SystemExit) as error:
        failed = ItemFailed(
            name=checked.facts.title, part=name, item=number, error=words_of(error), place=place_of(error)
        )
        raise DiagnosticError(failed) from error
    if not (isinstance(item, tuple | list) and len(item) == 2):
        each = "an image" if checked.facts.are_images else "an input"
        checked.refuse(f"an item of {name}", f"a pair of {each} and a label", item)
    return item[0], item[1]


def _seed_all(seed: int) -> None:
    """Seed Python, numpy and torch on the CPU: a process that was forked must leave CUDA alone."""
    random.seed(seed)
    np.random.seed(seed)
    torch.default_generator.manual_seed(seed)


@contextmanager
def same_chance() -> Iterator[None]:
    """Inside, Python, numpy and torch draw the same numbers each time; afterwards they go on as before."""
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=()):
        _seed_all(SEED)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)


def words_of(error: BaseException) -> str:
    """What was raised, in a line."""
    first = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}"


def place_of(error: BaseException) -> str:
    """The innermost line that is not ours, as `file:line`; "" where there is none."""
    here = __file__.rpartition("/")[0]
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.rpartition("/")[0] != here]
    return f"{own[-1].filename.rpartition('/')[2]}:{own[-1].lineno}" if own else ""


# --- items as arrays --------------------------------------------------------------------------------------------------


def _check_numbered(checked: PartChecker, part: Any, name: str) -> None:
    """DiagnosticError for what is no data set of numbered items."""
    is_stream = isinstance(part, IterableDataset) or (hasattr(part, "__next__") and not isinstance(part, NO_ITEMS))
    if is_stream:
        raise DiagnosticError(IterableData(name=checked.facts.title, part=name, found=type(part).__name__))
    if not (hasattr(part, "__len__") and hasattr(part, "__getitem__")) or isinstance(part, NO_ITEMS):
        inputs = "images" if checked.facts.are_images else "inputs"
        checked.refuse(name, f"a pair of arrays ({inputs}, labels), or a data set with `len` and numbered items", part)


def _in_memory(checked: PartChecker, items: Sequence[tuple[Any, Any]], name: str) -> Split:
    targets = _targets(checked, [item[1] for item in items], name)
    return checked.split(_stacked(checked, [item[0] for item in items], name), targets, name)


def _stacked(checked: PartChecker, inputs: list[Any], part: str) -> tuple[Any, ...]:
    """The inputs of all items, each as one array [N, ...]."""
    if checked.facts.are_images:
        return (np.stack([_image(checked, image, part, place) for place, image in enumerate(inputs)]),)
    shapes = checked.facts.shapes
    if len(shapes) == 1:
        inputs = [(one,) for one in inputs]
    for one in inputs:
        if not isinstance(one, tuple | list) or len(one) != len(shapes):
            checked.refuse(f"an item of {part}", f"a tuple of {len(shapes)} inputs and a label", one)
    return tuple(_rows(checked, [one[place] for one in inputs], place, part) for place in range(len(shapes)))


def _rows(checked: PartChecker, values: list[Any], place: int, part: str) -> np.ndarray[Any, Any]:
    """One input of all items, each of the shape that the spec says."""
    wanted = checked.facts.inputs[place]
    arrays = [np.asarray(value.detach().cpu() if isinstance(value, Tensor) else value) for value in values]
    for number, array in enumerate(arrays):
        if array.shape != wanted.shape:
            checked.refuse(f"an input of {part}", str(wanted), _in_item(checked, array, number))
    return np.stack(arrays)


def _in_item(checked: PartChecker, found: object, place: int) -> str:
    """What was found, and in which item."""
    return f"{described(found)} in item {checked.number_of(place):,}"


def _image(checked: PartChecker, image: Any, part: str, place: int) -> np.ndarray[Any, Any]:
    """One image [C, H, W] as an array; those of Pillow have their channels last, or none."""
    array = image.numpy() if isinstance(image, Tensor) else np.asarray(image)
    if not is_array(image):  # of Pillow
        array = array[None] if array.ndim == 2 else np.moveaxis(array, -1, 0)
    if array.shape != checked.facts.image_shape:
        wanted = f"{list(checked.facts.image_shape)}"
        checked.refuse(f"an image of {part}", wanted, _in_item(checked, array, place))
    return array


def _targets(checked: PartChecker, targets: list[Any], part: str) -> Any:
    """The targets of all items: whole numbers, or of another task than classification whatever they are."""
    if checked.facts.task.row.targets == "class":
        return np.asarray([_label(checked, target, part, place) for place, target in enumerate(targets)])
    return stacked_targets(checked.facts, targets, part)


def _label(checked: PartChecker, label: Any, part: str, place: int) -> int:
    """One label."""
    found = label.item() if isinstance(label, Tensor | np.generic) or (is_array(label) and label.ndim == 0) else label
    if isinstance(found, bool) or not isinstance(found, int):
        checked.refuse(f"a label of {part}", "a whole number", _in_item(checked, label, place))
    return found
