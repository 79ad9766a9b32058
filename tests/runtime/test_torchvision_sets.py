"""`data torchvision("NAME")`: what torchvision reads, in small stand-ins of its own layouts, and what is refused."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from attrs import evolve
from PIL import Image
from scipy.io import savemat
from swc.diagnostics import DiagnosticError
from swc.language.semantics.check import check_text
from swc.program.datasets import DataFacts
from swc.program.torchvision_sets import SETS
from torchvision import datasets

from swc_runtime.data import open_data
from swc_runtime.data.splits import Dataset, FolderSplit, MemorySplit
from swc_runtime.data.torchvision_sets import CLASSES

TRAIN, TEST = 6, 4  # images of a stand-in
DRAW = np.random.default_rng(0)
PAGE = (Path(__file__).parents[2] / "docs/reference/data.md").read_text("utf-8")


def facts_of(data: str) -> DataFacts:
    text = f'ensemble a {{\n  data {data}\n  member b = python("a.b:net")\n}}\n'
    return check_text(text, "a.sw").data


def opened(data: str, folder: Path, said: list[str] | None = None, *, offline: bool = True) -> Dataset:
    return open_data(facts_of(data), folder, offline, (said if said is not None else []).append)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every set has as many images as the stand-ins, and no official checksum."""
    for name, published in SETS.items():
        monkeypatch.setitem(SETS, name, evolve(published, num_train=TRAIN, num_test=TEST))
    for module in (datasets.svhn, datasets.stl10, datasets.flowers102):
        monkeypatch.setattr(module, "check_integrity", lambda path, md5=None: Path(path).is_file())


def write_idx(path: Path, array: np.ndarray, *, packed: bool = False) -> None:
    """A file as LeCun's: two zeros, the type of bytes, how many axes, their sizes, the numbers."""
    head = bytes((0, 0, 8, array.ndim)) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    body = head + array.astype(np.uint8).tobytes()
    if packed:
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(body))
    else:
        path.write_bytes(body)


def write_mnist(folder: Path, first: str = "train", second: str = "t10k", *, packed: bool = False) -> None:
    for part, count in ((first, TRAIN), (second, TEST)):
        write_idx(folder / f"{part}-images-idx3-ubyte", DRAW.integers(0, 256, (count, 28, 28)), packed=packed)
        write_idx(folder / f"{part}-labels-idx1-ubyte", np.arange(count) % 3, packed=packed)


def write_svhn(folder: Path) -> None:
    for part, count in (("train", TRAIN), ("test", TEST)):
        labels = np.array([10, 1, 2, 3, 10, 5][:count])[:, None]  # 10 stands for zero
        savemat(folder / f"{part}_32x32.mat", {"X": DRAW.integers(0, 256, (32, 32, 3, count), np.uint8), "y": labels})


def write_stl10(folder: Path) -> None:
    inside = folder / "stl10_binary"
    inside.mkdir()
    for part, count in (("train", TRAIN), ("test", TEST)):
        DRAW.integers(0, 256, (count, 3, 96, 96), np.uint8).tofile(inside / f"{part}_X.bin")
        (np.arange(count, dtype=np.uint8) + 1).tofile(inside / f"{part}_y.bin")
    (inside / "unlabeled_X.bin").touch()
    (inside / "class_names.txt").write_text("\n".join("abcdefghij"))


def write_image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(DRAW.integers(0, 256, (20, 30, 3), np.uint8)).save(path)


def write_flowers(folder: Path) -> None:
    inside, total = folder / "flowers-102", TRAIN + TEST + 2
    for number in range(1, total + 1):
        write_image(inside / f"jpg/image_{number:05d}.jpg")
    numbers = np.arange(1, total + 1)
    savemat(inside / "setid.mat", {"trnid": numbers[:TRAIN], "valid": numbers[-2:], "tstid": numbers[TRAIN:-2]})
    savemat(inside / "imagelabels.mat", {"labels": numbers})


def write_pets(folder: Path) -> None:
    inside = folder / "oxford-iiit-pet"
    for part, count in (("trainval", TRAIN), ("test", TEST)):
        names = [f"cat_{part}_{number}" for number in range(count)]
        for name in names:
            write_image(inside / f"images/{name}.jpg")
        (inside / "annotations").mkdir(exist_ok=True)
        (inside / f"annotations/{part}.txt").write_text(
            "".join(f"{name} {1 + n} 1 1\n" for n, name in enumerate(names))
        )


def write_food(folder: Path) -> None:
    inside = folder / "food-101"
    (inside / "meta").mkdir(parents=True)
    for part, count in (("train", TRAIN), ("test", TEST)):
        listed = {"pie": [f"pie/{part}{n}" for n in range(count - 1)], "ham": [f"ham/{part}"]}
        for name in (name for names in listed.values() for name in names):
            write_image(inside / f"images/{name}.jpg")
        (inside / f"meta/{part}.json").write_text(json.dumps(listed))


WRITERS: dict[str, tuple[str, Callable[[Path], None], list[int]]] = {
    "MNIST": ("", lambda folder: write_mnist(folder / "MNIST/raw"), [0, 1, 2, 0, 1, 2]),
    "FashionMNIST": ("", lambda folder: write_mnist(folder / "FashionMNIST", packed=True), [0, 1, 2, 0, 1, 2]),
    "KMNIST": ("", lambda folder: write_mnist(folder / "KMNIST/raw", packed=True), [0, 1, 2, 0, 1, 2]),
    "EMNIST": (
        "",
        lambda folder: write_mnist(folder / "EMNIST/raw", "emnist-balanced-train", "emnist-balanced-test"),
        [0, 1, 2, 0, 1, 2],
    ),
    "SVHN": ("", write_svhn, [0, 1, 2, 3, 0, 5]),
    "STL10": ("", write_stl10, [0, 1, 2, 3, 4, 5]),
    "Flowers102": (", size: 8", write_flowers, [0, 1, 2, 3, 4, 5]),
    "OxfordIIITPet": (", size: 8", write_pets, [0, 1, 2, 3, 4, 5]),
    "Food101": (", size: 8", write_food, [1, 1, 1, 1, 1, 0]),
}


@pytest.mark.parametrize("name", SETS)
def test_every_set_is_read_in_its_own_layout(name: str, tmp_path: Path) -> None:
    arguments, write, labels = WRITERS[name]
    write(tmp_path)
    dataset = opened(f'torchvision("{name}"{arguments})', tmp_path)
    published = SETS[name]
    assert (len(dataset.train), len(dataset.test)) == (TRAIN, TEST)
    assert dataset.train.labels.tolist() == labels
    images = dataset.train.fetch(np.arange(2), None)
    assert isinstance(images, torch.Tensor) and images.dtype == torch.uint8
    assert tuple(images.shape[1:]) == (published.shape or (3, 8, 8)) == dataset.facts.image_shape
    assert isinstance(dataset.train, FolderSplit if published.shape is None else MemorySplit)
    assert len(dataset.classes) in (0, published.num_classes)


def test_rows_and_classes_name_the_same_sets_and_the_reference_knows_them() -> None:
    assert list(SETS) == list(CLASSES)
    for name, published in SETS.items():
        assert hasattr(datasets, name)
        (line,) = re.findall(rf"^\| `{name}` \|.*$", PAGE, re.M)
        assert f"| {published.num_classes} |" in line
        assert CLASSES[name].files.split("`")[1].split("/")[0] in line


def test_pixels_and_their_place_are_those_of_torchvision(tmp_path: Path) -> None:
    write_mnist(tmp_path / "FashionMNIST/raw")
    found = opened('torchvision("FashionMNIST")', tmp_path)
    theirs = datasets.FashionMNIST(str(tmp_path), train=False)
    assert isinstance(found.test, MemorySplit)
    assert torch.equal(found.test.images[:, 0], theirs.data)
    assert found.classes == tuple(theirs.classes)


def test_parts_are_drawn_as_of_any_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SETS, "MNIST", evolve(SETS["MNIST"], num_classes=3))
    write_mnist(tmp_path / "MNIST/raw")
    dataset = opened('torchvision("MNIST", validation: 3)', tmp_path)
    assert dataset.validation is not None
    assert (len(dataset.train), len(dataset.validation)) == (3, 3)
    assert facts_of('torchvision("MNIST", validation: 3)').num_train == 3
    assert facts_of('torchvision("Flowers102", size: 64)').title == "torchvision(Flowers102, size: 64)"


# --- what cannot be had -----------------------------------------------------------------------------------------------


def test_offline_nothing_is_downloaded_and_the_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DiagnosticError) as caught:
        opened('torchvision("KMNIST")', tmp_path)
    (told,) = caught.value.diagnostics
    assert told.code == "SW500" and "`--offline`" in told.message()
    assert "`KMNIST/raw`, as train-images-idx3-ubyte" in (told.help() or "")


def test_a_download_is_announced_and_its_files_move_in_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(self: datasets.KMNIST) -> None:
        if not self._check_exists():
            assert ".partial-" in str(self.root)
            write_mnist(Path(self.raw_folder))

    monkeypatch.setattr(datasets.KMNIST, "download", download)
    said: list[str] = []
    assert len(opened('torchvision("KMNIST")', tmp_path, said, offline=False).train) == TRAIN
    assert said == [f"downloading KMNIST from codh.rois.ac.jp to {tmp_path}"]
    assert [path.name for path in tmp_path.iterdir()] == ["KMNIST"]
    again: list[str] = []
    opened('torchvision("KMNIST")', tmp_path, again, offline=False)
    assert again == []


@pytest.mark.parametrize("error", [RuntimeError("File not found or corrupted"), OSError("no route to host")])
def test_a_download_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def download(self: datasets.SVHN) -> None:
        (Path(self.root) / "train_32x32.mat").write_bytes(b"half")
        raise error

    monkeypatch.setattr(datasets.SVHN, "download", download)
    with pytest.raises(DiagnosticError) as caught:
        opened('torchvision("SVHN")', tmp_path, offline=False)
    assert caught.value.diagnostics[0].code == "SW500"
    assert f"the download failed: {error}" in caught.value.diagnostics[0].message()
    assert list(tmp_path.iterdir()) == []


def cut(folder: Path) -> None:
    path = folder / "MNIST/raw/train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-5])


def cut_packed(folder: Path) -> None:
    (folder / "MNIST/raw/train-images-idx3-ubyte").unlink()
    write_idx(folder / "MNIST/raw/train-images-idx3-ubyte", np.zeros((TRAIN, 28, 28)), packed=True)
    path = folder / "MNIST/raw/train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-9])


def smaller(folder: Path) -> None:
    write_idx(folder / "MNIST/raw/train-images-idx3-ubyte", np.zeros((TRAIN, 20, 20)))


def fewer(folder: Path) -> None:
    write_idx(folder / "MNIST/raw/train-images-idx3-ubyte", np.zeros((TRAIN - 1, 28, 28)))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (cut, "shape"),
        (cut_packed, "end-of-stream"),
        (smaller, r"its training images are \[1, 20, 20\], not \[1, 28, 28\]"),
        (fewer, "it has 5 training images, and MNIST 6"),
    ],
    ids=["cut", "cut-packed", "smaller", "fewer"],
)
def test_files_that_are_not_as_published_are_refused(
    tmp_path: Path, change: Callable[[Path], None], reason: str
) -> None:
    write_mnist(tmp_path / "MNIST/raw")
    change(tmp_path)
    with pytest.raises(DiagnosticError) as caught:
        opened('torchvision("MNIST")', tmp_path)
    (told,) = caught.value.diagnostics
    assert told.code == "SW501" and re.search(reason, told.message())


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ('torchvision("FashonMNIST")', "FashionMNIST"),
        ('torchvision("CIFAR10")', "FashionMNIST"),
        ('torchvision("Flowers102")', "say to which they are brought, `size: 128`"),
        ('torchvision("SVHN", size: 64)', "the images of `SVHN` have 32 x 32 pixels: leave `size` out"),
        ("torchvision()", "set"),
    ],
)
def test_mistakes_in_a_spec_are_told_at_their_place(data: str, said: str) -> None:
    with pytest.raises(DiagnosticError) as caught:
        facts_of(data)
    told = caught.value.diagnostics[0]
    assert told.span is not None and told.span.line == 2
    assert said in told.message() + (told.help() or "")
