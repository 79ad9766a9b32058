"""Arrays in files: shapes from the head, parts by name, nothing unpickled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_tensors
from swc.diagnostics import DiagnosticError
from swc.program.data_parts import Portion
from swc.program.datasets import DATA, DataFacts
from swc.program.dividing import divided

from swc_runtime.data import open_data
from swc_runtime.data import test_batches as batches_of
from swc_runtime.data.array_files import settle
from swc_runtime.data.place import DataPlace

ROWS, LABELS = np.random.default_rng(0).normal(size=(8, 5)), np.arange(8) % 3
IMAGES = np.random.default_rng(0).integers(0, 256, (8, 1, 4, 4), dtype=np.uint8)


def settled(path: Path, validation: bool = False, **arrays: Any) -> DataFacts:
    (save_file if path.suffix == ".safetensors" else lambda given, place: np.savez(place, **given))(arrays, path)
    facts = DATA["arrays"].facts_of({"path": str(path), "classes": 3})
    facts = divided(facts, None, Portion(is_given=True)) if validation else facts
    return settle(facts, DataPlace(None, True, print))[0]


def settled_again(path: Path) -> DataFacts:
    """The facts of a file that is there."""
    return settle(DATA["arrays"].facts_of({"path": str(path), "classes": 3}), DataPlace(None, True, print))[0]


def write_named(path: Path, arrays: dict[str, Any], names: Any) -> None:
    if path.suffix == ".safetensors":
        save_file(arrays, path, {"classes": json.dumps(names)})
    else:
        np.savez(path, **arrays, classes=np.array(names))


def parts_of(x: Any, *names: str) -> dict[str, Any]:
    return {name: one for part in names for name, one in ((f"x_{part}", x), (f"y_{part}", LABELS))}


@pytest.mark.parametrize("ending", ["npz", "safetensors"])
def test_rows_and_images_are_taken(tmp_path: Path, ending: str) -> None:
    facts = settled(tmp_path / f"a.{ending}", True, **parts_of(ROWS, "train", "test", "validation"))
    assert facts.inputs_text == "float32 [5]"
    found = open_data(facts, None, True, print)
    assert found.validation is not None
    assert next(iter(batches_of(found.test, 8)))[0].tolist() == ROWS.astype(np.float32).tolist()  # type: ignore[union-attr]
    images = settled(tmp_path / f"b.{ending}", **parts_of(IMAGES, "train", "test"))
    assert (images.are_images, images.image_shape, images.mean) == (True, (1, 4, 4), (0.5,))
    assert len(open_data(images, None, True, print).train) == 8


@pytest.mark.parametrize("labels", ["uint16", "uint32", "uint64", ">i8", "int8"])
@pytest.mark.parametrize("rows", [">f4", "float16", ">f8"])
def test_numbers_of_any_type_and_order_of_bytes_are_taken(tmp_path: Path, rows: str, labels: str) -> None:
    given = parts_of(ROWS, "train", "test")
    arrays = {name: one.astype(labels if name[0] == "y" else rows) for name, one in given.items()}
    train = open_data(settled(tmp_path / "a.npz", **arrays), None, True, print).train
    np.testing.assert_array_equal(train.fetch(np.arange(8), None), ROWS.astype(rows).astype(np.float32))  # type: ignore[arg-type]
    assert train.labels.tolist() == LABELS.tolist()


def test_bfloat16_is_a_float(tmp_path: Path) -> None:
    path, numbers = tmp_path / "a.safetensors", torch.from_numpy(ROWS).to(torch.bfloat16)
    labels = torch.from_numpy(LABELS)
    save_tensors({"x_train": numbers, "y_train": labels, "x_test": numbers.clone(), "y_test": labels.clone()}, path)
    facts = settled_again(path)
    assert facts.inputs_text == "float32 [5]"
    found = open_data(facts, None, True, print).train.fetch(np.arange(8), None)
    torch.testing.assert_close(found, numbers.float(), rtol=0, atol=0)


def test_a_number_that_int64_cannot_hold_is_refused(tmp_path: Path) -> None:
    tokens = np.array([[2**63]] * 8, dtype=np.uint64)
    with pytest.raises(DiagnosticError, match="the inputs of train"):
        open_data(settled(tmp_path / "a.npz", **parts_of(tokens, "train", "test")), None, True, print)


def test_several_inputs_have_numbers(tmp_path: Path) -> None:
    both = {f"x{n}_{part}": one for part in ("train", "test") for n, one in enumerate((ROWS, LABELS[:, None]))}
    facts = settled(tmp_path / "a.npz", **both, y_train=LABELS, y_test=LABELS)
    assert facts.inputs_text == "float32 [5], int64 [1]"
    assert open_data(facts, None, True, print).train.fetch(np.arange(2), None)[1].tolist() == [[0], [1]]


@pytest.mark.parametrize("ending", ["npz", "safetensors"])
def test_classes_have_names_where_the_file_gives_them(tmp_path: Path, ending: str) -> None:
    path, arrays = tmp_path / f"a.{ending}", parts_of(ROWS, "train", "test")
    assert open_data(settled(path, **arrays), None, True, print).classes == ()
    write_named(path, arrays, ["red", "größer", "none"])
    assert open_data(settled_again(path), None, True, print).outputs == ("red", "größer", "none")


@pytest.mark.parametrize("ending", ["npz", "safetensors"])
@pytest.mark.parametrize(
    ("names", "found"), [(["red", "green"], "a list of 2"), ([1, 2, 3], "a list of 3"), ("red", "one text")]
)
def test_names_that_are_none_of_the_classes_are_refused(tmp_path: Path, ending: str, names: Any, found: str) -> None:
    path = tmp_path / f"a.{ending}"
    write_named(path, parts_of(ROWS, "train", "test"), names)
    with pytest.raises(DiagnosticError, match="the class names") as caught:
        open_data(settled_again(path), None, True, print)
    assert caught.value.diagnostics[0].code == "SW512" and found in str(caught.value)


def test_metadata_that_are_no_list_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file(parts_of(ROWS, "train", "test"), path, {"classes": "red, green"})
    with pytest.raises(DiagnosticError, match="`classes` in its metadata is no JSON list"):
        open_data(settled_again(path), None, True, print)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x_train": ROWS}, "it has no `y_train`, but `x_train`"),
        ({"x_train": ROWS.astype(object), "y_train": LABELS}, "holds objects"),
    ],
)
def test_what_is_missing_or_pickled_is_refused(tmp_path: Path, arrays: dict[str, Any], words: str) -> None:
    with pytest.raises(DiagnosticError) as caught:
        settled(tmp_path / "a.npz", **arrays)
    assert caught.value.diagnostics[0].code == "SW576" and words in caught.value.diagnostics[0].message()


def test_a_file_that_is_none(tmp_path: Path) -> None:
    for name in ("nowhere.npz", "nowhere.safetensors"):
        with pytest.raises(DiagnosticError, match="cannot be read as arrays"):
            settle(DATA["arrays"].facts_of({"path": str(tmp_path / name), "classes": 3}), DataPlace(None, True, print))
