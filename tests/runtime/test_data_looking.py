"""A data set is looked at before and while it is trained on, and what was decoded once is remembered."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from attrs import evolve
from PIL import Image
from swc.diagnostics import DiagnosticError
from swc.program.datasets import DATASETS, DataFacts
from swc.system import cache

from swc_runtime.data import Dataset, PixelCheck, look_at
from swc_runtime.data.folder import read_folder
from swc_runtime.data.splits import FolderSplit, MemorySplit

FACTS = DataFacts("mine", 2, (3, 8, 8), 0, 0, (0.5,) * 3, (0.5,) * 3, folder="mine")
Decoded = list[str]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWC_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for part in ("train", "val"):
        for name in ("cat", "dog"):
            folder = tmp_path / "mine" / part / name
            folder.mkdir(parents=True)
            for number in range(3):
                image = Image.effect_noise((24, 24), 50).convert("RGB")
                image.save(folder / f"{number}.png")
    return tmp_path / "mine"


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Decoded:
    """The files that were decoded, in order."""
    seen: Decoded = []
    decode = FolderSplit.decoded

    def watched(self: FolderSplit, path: str) -> Image.Image:
        seen.append("/".join(Path(path).parts[-3:]))
        return decode(self, path)

    monkeypatch.setattr(FolderSplit, "decoded", watched)
    return seen


def opened(tree: Path) -> Dataset:
    return read_folder(FACTS, tree, lambda _: None)


def decode_all(tree: Path) -> list[str]:
    """Look at a folder as a run does; gives what was said."""
    said: list[str] = []
    dataset = opened(tree)
    look_at(dataset, cache)
    PixelCheck.begun(dataset, said.append, cache).finish()
    return said


def cut(path: Path, share: float) -> None:
    """Cut a file short."""
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def test_all_files_are_decoded_once_and_then_only_those_of_folders_that_changed(tree: Path, decoded: Decoded) -> None:
    assert decode_all(tree) == ["decoding 12 images once, beside the first epoch, to see that all can be read"]
    assert len(decoded) == len(set(decoded)) == 12
    decoded.clear()
    assert decode_all(tree) == []
    assert decoded == []
    os.utime(tree / "val/dog/1.png", ns=(1, 1))
    assert decode_all(tree) != []
    assert sorted(decoded) == [f"val/dog/{number}.png" for number in range(3)]


def test_files_that_are_no_images_are_told_at_once_and_all_together(tree: Path) -> None:
    (tree / "train/cat/1.png").write_text("<html>404</html>", encoding="utf-8")
    (tree / "val/dog/2.png").write_bytes(b"")
    with pytest.raises(DiagnosticError) as refused:
        look_at(opened(tree), cache)
    (told,) = refused.value.diagnostics
    assert (told.code, "2 files of `mine`" in told.message()) == ("SW505", True)
    assert ["train/cat/1.png" in told.notes()[0], "val/dog/2.png" in told.notes()[1]] == [True, True]


def test_pixels_that_are_cut_short_are_told_with_the_path_and_nothing_of_the_folder_is_remembered(
    tree: Path, decoded: Decoded
) -> None:
    cut(tree / "val/cat/2.png", 0.7)
    dataset = opened(tree)
    look_at(dataset, cache)  # the head is whole
    for _ in range(2):
        with pytest.raises(DiagnosticError) as refused:
            PixelCheck.begun(dataset, lambda _: None, cache).finish()
        (told,) = refused.value.diagnostics
        assert (told.code, "val/cat/2.png" in told.message()) == ("SW501", True)


def test_a_check_that_is_closed_ends_early(tree: Path, decoded: Decoded) -> None:
    check = PixelCheck.begun(opened(tree), lambda _: None, cache)
    check.close()
    check.finish()
    check.look()
    assert len(set(decoded)) == len(decoded)


@pytest.mark.parametrize(
    ("train", "test", "code", "words"),
    [
        ([0, 1, 10], [0], "SW504", "a label 10 (example 2, counted from 0), where classes are 0 to 9"),
        (
            [0, 1],
            [3, -1],
            "SW504",
            "the labels of the test part of `digits` have a label -1 (example 1, counted from 0)",
        ),
        ([0], [1], "SW506", "1 train images"),
        ([0, 1], [], "SW506", "0 test images"),
    ],
)
def test_labels_and_numbers_are_looked_at(train: list[int], test: list[int], code: str, words: str) -> None:
    facts = evolve(DATASETS["digits"])
    splits = [
        MemorySplit(facts, torch.zeros(len(labels), 1, 8, 8), torch.tensor(labels, dtype=torch.int64))
        for labels in (train, test)
    ]
    with pytest.raises(DiagnosticError) as refused:
        look_at(Dataset(facts, *splits), cache)
    (told,) = refused.value.diagnostics
    assert (told.code, words in told.message()) == (code, True), told.message()
