"""Arrays in a file: `data arrays("file.npz", classes: N)`, with `x_train`, `y_train`, `x_test`, `y_test`, `classes`.

Takes the facts of the spec; gives a `Dataset`, or the facts that follow from the file. Guarantees: nothing is
unpickled; shapes and types are seen without reading the arrays; what comes is held to them, or refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
from attrs import evolve
from numpy.lib import format as npy
from safetensors import SafetensorError, safe_open
from swc.diagnostics import Diagnostic, DiagnosticError
from swc.diagnostics.catalogue.inputs import ArraysUnreadable
from swc.program.datasets import DataFacts, image_facts
from swc.program.inputs import InputFacts

from swc_runtime.data.checks import PartChecker
from swc_runtime.data.listing import printable
from swc_runtime.data.place import DataPlace
from swc_runtime.data.splits import Dataset, Split

CLASSES = "classes"
IMAGE_AXES = 4
Header = tuple[str, tuple[int, ...]]  # the kind of the numbers (`u`, `i`, `f`, ...), and the shape


def settle(facts: DataFacts, place: DataPlace) -> tuple[DataFacts, tuple[Diagnostic, ...]]:
    """The facts with the shapes and types of the arrays of the training part."""
    path = _path(facts, place)
    headers = _headers(path)
    given = [headers[name] for name in _inputs_of(headers, "train", path)]
    kind, shape = given[0]
    is_image = len(given) == 1 and len(shape) == IMAGE_AXES and kind in "uf"
    if is_image:
        return image_facts(facts, (shape[1], shape[2], shape[3])), ()
    dtypes = ["float32" if kind == "f" else "int64" for kind, _ in given]
    inputs = tuple(InputFacts(shape[1:], dtype) for (_, shape), dtype in zip(given, dtypes, strict=True))  # type: ignore[arg-type]
    return evolve(facts, inputs=inputs), ()


def read(facts: DataFacts, place: DataPlace) -> Dataset:
    """The arrays of the file as the parts of a data set; DiagnosticError where they do not fit."""
    path = _path(facts, place)
    names, checked = _headers(path), PartChecker(facts)
    arrays = _arrays(path)
    parts = ("train", "test", *(["validation"] if any(name.endswith("_validation") for name in names) else []))

    def split(part: str) -> Split:
        inputs = tuple(arrays[name] for name in _inputs_of(names, part, path))
        return checked.split(inputs, arrays[f"y_{part}"], part)

    classes = checked.class_names(_class_names(path, arrays))
    splits = {part: split(part) for part in parts}
    place.announce(f"{facts.title}: " + ", ".join(f"{len(one):,} {part} examples" for part, one in splits.items()))
    return Dataset(facts, splits["train"], splits["test"], classes=classes, validation=splits.get("validation"))


def _path(facts: DataFacts, place: DataPlace) -> Path:
    assert facts.folder is not None, "the spec names the file"
    return Path(facts.folder) if place.named is None else place.named / facts.folder


def _inputs_of(names: Mapping[str, object], part: str, path: Path) -> list[str]:
    """The names of a part's inputs in order: `x_train`, or `x0_train`, `x1_train`, ...."""
    several: list[str] = []
    while f"x{len(several)}_{part}" in names:
        several.append(f"x{len(several)}_{part}")
    found = several or [f"x_{part}"]
    missing = [name for name in (*found, f"y_{part}") if name not in names]
    if missing:
        reason = (
            f"it has no `{missing[0]}`, but {', '.join(f'`{printable(name)}`' for name in sorted(names)) or 'nothing'}"
        )
        raise DiagnosticError(ArraysUnreadable(file=printable(str(path)), reason=reason))
    return found


def _headers(path: Path) -> dict[str, Header]:
    """By name the kind and shape of every array, from the heads of the file."""
    try:
        return _safetensors_headers(path) if path.suffix == ".safetensors" else _npz_headers(path)
    except (OSError, BadZipFile, ValueError, SafetensorError) as error:
        raise DiagnosticError(ArraysUnreadable(file=printable(str(path)), reason=str(error))) from error


def _safetensors_headers(path: Path) -> dict[str, Header]:
    with safe_open(path, "np") as file:
        slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - it is no dictionary
        return {name: (_kind(one.get_dtype()), tuple(one.get_shape())) for name, one in slices.items()}


def _kind(dtype: str) -> str:
    """The kind of `F32`, `BF16`, `I64`, `U8`, `BOOL`: as numpy says it, and `f` of bfloat16 too."""
    return "f" if dtype.startswith("BF") else dtype[0].lower()


def _npz_headers(path: Path) -> dict[str, Header]:
    found: dict[str, Header] = {}
    with ZipFile(path) as archive:
        for member in archive.namelist():
            with archive.open(member) as file:
                version = npy.read_magic(file)
                read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
                shape, _, dtype = read_header(file)
            if dtype.hasobject:
                raise ValueError(f"`{printable(member)}` holds objects, which would have to be unpickled")
            found[member.removesuffix(".npy")] = (dtype.kind, shape)
    return found


def _class_names(path: Path, arrays: Mapping[str, Any]) -> Any:
    """What the file calls the classes: an array of texts, of a .safetensors file a list in its metadata; or ()."""
    if path.suffix != ".safetensors":
        return arrays[CLASSES].tolist() if CLASSES in arrays else ()
    with safe_open(path, "np") as file:
        text = (file.metadata() or {}).get(CLASSES, "[]")
    try:
        return json.loads(text)
    except ValueError as error:
        reason = f"`{CLASSES}` in its metadata is no JSON list: {error}"
        raise DiagnosticError(ArraysUnreadable(file=printable(str(path)), reason=reason)) from error


def _arrays(path: Path) -> Mapping[str, Any]:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file  # numpy has no bfloat16

        return load_file(path)
    with np.load(path, allow_pickle=False) as file:
        return dict(file)
