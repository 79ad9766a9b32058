"""Examples that a function of the user's own gives: `data python("module:function", ...)`.

Takes the facts of the spec and calls the function; gives a `Dataset`. Guarantees: what the function gives is held to
the spec, number by number, or refused; it is called with the same random numbers each time, which are afterwards as
they were; what it raises is told by its own line.

The function gives `(train, test)`, `(train, test, class_names)`, or those by name: {"train": ..., "test": ...,
"validation": ..., "classes": [...]}. A part is a pair of arrays, inputs [N, ...] and labels [N], or a data set of
`len(part)` items `part[n]`, pairs of an input and a label. Where there are several inputs each is a tuple of them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from typing import Any

import torch
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.data import DataFunctionFailed
from swc.program.datasets import DataFacts
from torch.utils.data import IterableDataset

from swc_runtime.data.checks import PartChecker, is_array
from swc_runtime.data.items import NO_ITEMS, SEED, place_of, same_chance, split_of_items, words_of
from swc_runtime.data.place import DataPlace
from swc_runtime.data.splits import Dataset, Split
from swc_runtime.models import find_factory

PARTS = ("train", "test", "validation")
CLASSES = "classes"
FORMS = "`(train, test)` or `(train, test, class_names)`, or a dictionary of train, test, validation, classes"


def read(facts: DataFacts, place: DataPlace) -> Dataset:
    """What the function gives, as a data set; DiagnosticError where it fails or gives something else."""
    checked = PartChecker(facts)
    parts = _parts(checked, _from_function(facts, lambda function: function(**facts.given())))
    classes = checked.class_names(parts.pop(CLASSES, ()))
    splits = {name: _split(checked, part, name, place) for name, part in parts.items()}
    train, test, validation = splits["train"], splits["test"], splits.get("validation")
    examples = "images" if facts.are_images else "examples"
    beside = f", {len(validation):,} to validate with" if validation is not None else ""
    place.announce(f"{facts.title} gave {len(train):,} training and {len(test):,} test {examples}{beside}")
    return Dataset(facts, train, test, classes=classes, validation=validation)


def _from_function(facts: DataFacts, ask: Callable[[Callable[..., Any]], Any]) -> Any:
    """What `ask` makes of the function; whatever its code raises becomes a diagnostic."""
    try:
        with redirect_stdout(sys.stderr), same_chance():
            torch.manual_seed(SEED)  # on every device
            return ask(find_factory(facts.function))
    except DiagnosticError:
        raise
    except (Exception, SystemExit) as error:
        failed = DataFunctionFailed(name=facts.title, error=words_of(error), place=place_of(error))
        raise DiagnosticError(failed) from error


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


def _split(checked: PartChecker, part: Any, name: str, place: DataPlace) -> Split:
    """A part of arrays, or a data set of numbered items."""
    if isinstance(part, tuple | list) and len(part) == 2 and _is_input(part[0], checked) and is_array(part[1]):
        arrays = part[0] if isinstance(part[0], tuple | list) else (part[0],)
        return checked.split(tuple(arrays), part[1], name)
    return split_of_items(checked, part, name, one_by_one=place.workers is not None, announce=place.announce)


def _is_input(found: Any, checked: PartChecker) -> bool:
    """Whether a value is an array; where there are several inputs, a tuple of arrays."""
    if len(checked.facts.shapes) == 1:
        return is_array(found)
    return isinstance(found, tuple | list) and bool(found) and all(map(is_array, found))
