"""Examples that a function of the user's own gives: `data python("module:function", ...)`.

Takes the facts of the spec and calls the function; gives a `Dataset`. Guarantees: what the function gives is held to
the spec, number by number, or refused; it is called with the same random numbers each time, which are afterwards as
they were; what it raises is told by its own line.

The function gives `(train, test)`, `(train, test, class_names)`, or those by name: {"train": ..., "test": ...,
"validation": ..., "classes": [...]}. A part is a pair of arrays, inputs [N, ...] and labels [N], or a data set of
`len(part)` items `part[n]`, pairs of an input and a label. Where there are several inputs each is a tuple of them.
"""

from __future__ import annotations

import random
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import Any

import numpy as np
import torch
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.data import DataFunctionFailed
from swc.diagnostics.catalogue.inputs import IterableData
from swc.program.datasets import DataFacts
from torch import Tensor
from torch.utils.data import IterableDataset

from swc_runtime.data.checks import PartChecker, is_array
from swc_runtime.data.place import DataPlace
from swc_runtime.data.splits import Dataset, Split
from swc_runtime.data.targets import stacked_targets
from swc_runtime.models import find_factory

PARTS = ("train", "test", "validation")
CLASSES = "classes"
FORMS = "`(train, test)` or `(train, test, class_names)`, or a dictionary of train, test, validation, classes"
NO_ITEMS = (Tensor, np.ndarray, tuple, list, dict, str)  # have `len` and items, and are no data sets
SEED = 0  # of the random numbers that a function draws


def read(facts: DataFacts, place: DataPlace) -> Dataset:
    """What the function gives, as a data set; DiagnosticError where it fails or gives something else."""
    checked = PartChecker(facts)
    parts = _parts(checked, _from_function(facts, lambda function: function(**facts.given())))
    classes = _class_names(checked, parts.pop(CLASSES, ()))
    splits = {name: _split(checked, part, name) for name, part in parts.items()}
    train, test, validation = splits["train"], splits["test"], splits.get("validation")
    examples = "images" if facts.are_images else "examples"
    beside = f", {len(validation):,} to validate with" if validation is not None else ""
    place.announce(f"{facts.title} gave {len(train):,} training and {len(test):,} test {examples}{beside}")
    return Dataset(facts, train, test, classes=classes, validation=validation)


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


def _parts(checked: PartChecker, found: Any) -> dict[str, Any]:
    """What was given by name: `train` and `test`, where they are given `validation` and `classes` too."""
    if isinstance(found, Mapping):
        unknown = [str(name) for name in found if name not in (*PARTS, CLASSES)]
        if unknown or not {"train", "test"} <= found.keys():
            checked.refuse("", FORMS, f"a dictionary of {', '.join(map(str, found)) or 'nothing'}")
        return {name: found[name] for name in (*PARTS, CLASSES) if name in found}
    if not isinstance(found, tuple) or len(found) not in (2, 3):
        checked.refuse("", FORMS, found)
    if len(found) == 3 and not _are_names(found[2]) and _is_part(found[2]):
        checked.refuse("", f"{FORMS}: a third part is given by its name", "three parts")
    return dict(zip(("train", "test", CLASSES), found, strict=False))


def _are_names(found: Any) -> bool:
    return isinstance(found, Sequence) and all(isinstance(name, str) for name in found)


def _is_part(found: Any) -> bool:
    """Whether a value may have been meant as a part, and not as names of classes."""
    has_items = hasattr(found, "__len__") and hasattr(found, "__getitem__") and not isinstance(found, NO_ITEMS)
    return has_items or isinstance(found, IterableDataset) or (isinstance(found, tuple) and any(map(is_array, found)))


def _class_names(checked: PartChecker, classes: Any) -> tuple[str, ...]:
    """The names of the classes, one for each."""
    if isinstance(classes, str) or not isinstance(classes, Sequence):
        checked.refuse("the class names", "a list of texts", classes if not isinstance(classes, str) else "one text")
    if not all(isinstance(name, str) for name in classes):
        checked.refuse("the class names", "a list of texts", classes)
    if classes and len(classes) != checked.facts.num_classes:
        checked.refuse("the class names", f"{checked.facts.num_classes} texts, one for each class of the spec", classes)
    return tuple(classes)


def _split(checked: PartChecker, part: Any, name: str) -> Split:
    """A part of arrays, or a data set that is read through once."""
    if isinstance(part, tuple | list) and len(part) == 2 and _is_input(part[0], checked) and is_array(part[1]):
        arrays = part[0] if isinstance(part[0], tuple | list) else (part[0],)
        return checked.split(tuple(arrays), part[1], name)
    _check_numbered(checked, part, name)
    items = _from_function(checked.facts, lambda _: [part[number] for number in range(len(part))])
    each = "an image" if checked.facts.are_images else "an input"
    for item in items:
        if not (isinstance(item, tuple | list) and len(item) == 2):
            checked.refuse(f"an item of {name}", f"a pair of {each} and a label", item)
    if not items:
        checked.refuse(name, f"at least one {each.partition(' ')[2]}", part)
    targets = _targets(checked, [item[1] for item in items], name)
    return checked.split(_stacked(checked, [item[0] for item in items], name), targets, name)


def _is_input(found: Any, checked: PartChecker) -> bool:
    """Whether a value is an array; where there are several inputs, a tuple of arrays."""
    if len(checked.facts.shapes) == 1:
        return is_array(found)
    return isinstance(found, tuple | list) and bool(found) and all(map(is_array, found))


def _check_numbered(checked: PartChecker, part: Any, name: str) -> None:
    """DiagnosticError for what is no data set of numbered items."""
    is_stream = isinstance(part, IterableDataset) or (hasattr(part, "__next__") and not isinstance(part, NO_ITEMS))
    if is_stream:
        raise DiagnosticError(IterableData(name=checked.facts.title, part=name, found=type(part).__name__))
    if not (hasattr(part, "__len__") and hasattr(part, "__getitem__")) or isinstance(part, NO_ITEMS):
        inputs = "images" if checked.facts.are_images else "inputs"
        checked.refuse(name, f"a pair of arrays ({inputs}, labels), or a data set with `len` and numbered items", part)


def _stacked(checked: PartChecker, inputs: list[Any], part: str) -> tuple[Any, ...]:
    """The inputs of all items, each as one array [N, ...]."""
    if checked.facts.are_images:
        return (np.stack([_image(checked, image, part) for image in inputs]),)
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
    for array in arrays:
        if array.shape != wanted.shape:
            checked.refuse(f"an input of {part}", str(wanted), array)
    return np.stack(arrays)


def _image(checked: PartChecker, image: Any, part: str) -> np.ndarray[Any, Any]:
    """One image [C, H, W] as an array; those of Pillow have their channels last, or none."""
    array = image.numpy() if isinstance(image, Tensor) else np.asarray(image)
    if not is_array(image):  # of Pillow
        array = array[None] if array.ndim == 2 else np.moveaxis(array, -1, 0)
    if array.shape != checked.facts.image_shape:
        checked.refuse(f"an image of {part}", f"{list(checked.facts.image_shape)}", array)
    return array


def _targets(checked: PartChecker, targets: list[Any], part: str) -> Any:
    """The targets of all items: whole numbers, or of another task than classification whatever they are."""
    if checked.facts.task.row.targets == "class":
        return np.asarray([_label(checked, target, part) for target in targets])
    return stacked_targets(checked.facts, targets, part)


def _label(checked: PartChecker, label: Any, part: str) -> int:
    """One label."""
    found = label.item() if isinstance(label, Tensor | np.generic) or (is_array(label) and label.ndim == 0) else label
    if isinstance(found, bool) or not isinstance(found, int):
        checked.refuse(f"a label of {part}", "a whole number", label)
    return found
