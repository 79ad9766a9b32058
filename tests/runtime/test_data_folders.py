"""Folders of images as people have them: what is read, what is passed over, and what is refused."""

from __future__ import annotations

import os
import unicodedata
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from attrs import evolve
from PIL import Image, ImageOps
from swc.diagnostics import Diagnostic, DiagnosticError
from swc.program.datasets import DATA, DATASETS, DataFacts
from torchvision.datasets import ImageFolder

from swc_runtime.data import Dataset, open_data, read_images
from swc_runtime.data.splits import FolderSplit

PIXELS = np.random.default_rng(0)


def write(path: Path, size: tuple[int, int] = (20, 16), mode: str = "RGB") -> Path:
    """An image of random pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    wide, high = size
    channels = len(mode)
    shape = (high, wide) if channels == 1 else (high, wide, channels)
    Image.fromarray(PIXELS.integers(0, 256, shape, dtype=np.uint8), mode).save(path)
    return path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two classes with three images to train on and one to test with."""
    for name in ("cat", "dog"):
        for number in range(3):
            write(tmp_path / "train" / name / f"{number}.png")
        write(tmp_path / "val" / name / "0.png")
    return tmp_path


def facts_of(folder: Path, classes: int = 2, channels: int = 3) -> DataFacts:
    values = (0.5,) * channels
    return DataFacts("folder", classes, (channels, 8, 8), 0, 0, values, values, folder=str(folder))


def opened(folder: Path, classes: int = 2, said: list[str] | None = None) -> Dataset:
    return open_data(facts_of(folder, classes), None, True, (said if said is not None else []).append)


def refusal(folder: Path, classes: int = 2) -> Diagnostic:
    with pytest.raises(DiagnosticError) as caught:
        opened(folder, classes)
    return caught.value.diagnostics[0]


def names(split: FolderSplit) -> list[str]:
    return ["/".join(Path(file).parts[-2:]) for file in split.files]


# --- what is found ----------------------------------------------------------------------------------------------------


def test_files_and_classes_stand_in_torchvisions_order(tree: Path) -> None:
    for part in ("train", "val"):
        for name in ("Zebra", "ant", "10", "9", "é"):
            write(tree / part / name / "b.JPG")
            write(tree / part / name / "a.jpeg")
            write(tree / part / name / "deep" / "er" / "c.png")
            write(tree / part / name / "B.bmp")
    found = opened(tree, 7)
    for part, split in (("train", found.train), ("val", found.test)):
        theirs = ImageFolder(str(tree / part))
        assert isinstance(split, FolderSplit)
        assert list(zip(split.files, split.labels.tolist(), strict=True)) == theirs.samples
        assert found.classes == tuple(theirs.classes)


def test_what_systems_leave_behind_is_neither_image_nor_class_and_is_counted(tree: Path) -> None:
    clean = names(opened(tree).train)
    for place in (tree / "train", tree / "train" / "cat", tree / "val" / "dog"):
        for name in (".DS_Store", "._0.jpg", ".hidden.png", "Thumbs.db", "desktop.ini"):
            (place / name).write_bytes(b"nothing")
        for name in (".ipynb_checkpoints", "__MACOSX", "@eaDir"):
            write(place / name / "0.png")
    (tree / "train" / "cat" / "notes.TXT").write_text("x")
    (tree / "train" / "0.png").write_bytes(b"loose")
    said: list[str] = []
    found = opened(tree, said=said)
    assert names(found.train) == clean and found.classes == ("cat", "dog")
    over = "passed over: 24 hidden, 1 outside of class folders, 1 .txt"
    assert said == [f"{tree}: 6 images in `train`, 2 in `val`, 2 classes; {over}"]
    assert not found.warnings


def test_images_of_formats_that_are_not_read_are_told_by_ending(tree: Path) -> None:
    for number in range(3):
        (tree / "train" / "cat" / f"{number}.HEIC").write_bytes(b"x")
    write(tree / "val" / "dog" / "1.gif")
    (warning,) = opened(tree).warnings
    assert warning.code == "SW507"  # ImagesPassedOver
    assert "4 images in formats that are not read: 3 .heic, 1 .gif" in warning.message()
    assert ".jpeg" in (warning.help() or "")


def test_a_class_whose_images_are_all_passed_over_is_refused_with_the_endings(tree: Path) -> None:
    for part in ("train", "val"):
        (tree / part / "emu").mkdir()
    (tree / "train" / "emu" / "1.heic").write_bytes(b"x")
    told = refusal(tree, 3)
    assert told.code == "SW502" and "class `emu` without any image that can be read in `train`" in told.message()
    assert "1 .heic" in told.message()


def test_all_classes_that_one_part_lacks_are_named(tree: Path) -> None:
    write(tree / "train" / "emu" / "0.png")
    write(tree / "val" / "gnu" / "0.png")
    write(tree / "val" / "yak" / "0.png")
    assert "class `emu` in `train` alone, classes `gnu`, `yak` in `val` alone" in refusal(tree, 3).message()


@pytest.mark.parametrize("change", [str.upper, lambda name: unicodedata.normalize("NFD", name)])
def test_names_that_only_look_alike_are_told_as_such(tree: Path, change: Callable[[str], str]) -> None:
    write(tree / "train" / "élan" / "0.png")
    write(tree / "val" / change("élan") / "0.png")
    assert "differ in case or in how letters are encoded" in refusal(tree, 3).message()


@pytest.mark.parametrize("name", ["test", "valid", "validation"])
def test_another_name_for_val_is_pointed_at(tree: Path, name: str) -> None:
    (tree / "val").rename(tree / name)
    assert f"no folder `val` in it; `{name}` is there" in refusal(tree).message()


def test_links_are_followed_and_circles_end(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    write(elsewhere / "9.png")
    (tree / "train" / "cat" / "far").symlink_to(elsewhere)
    (tree / "train" / "cat" / "up").symlink_to("..")
    (tree / "train" / "cat" / "self").symlink_to(".")
    (tree / "train" / "dog" / "round").symlink_to("round")
    said: list[str] = []
    assert names(opened(tree, said=said).train)[:4] == ["cat/0.png", "cat/1.png", "cat/2.png", "far/9.png"]
    assert "2 in circular links" in said[0]


def test_a_link_that_leads_nowhere_is_named_at_once(tree: Path) -> None:
    (tree / "train" / "dog" / "7.jpg").symlink_to(tree / "gone.jpg")
    told = refusal(tree)
    assert told.code == "SW501" and "7.jpg" in told.message() and "leads nowhere" in told.message()


def test_a_pipe_is_no_image(tree: Path) -> None:
    os.mkfifo(tree / "train" / "dog" / "7.jpg")
    assert "it is no file" in refusal(tree).message()


def test_file_names_that_are_no_utf8_are_read_and_class_names_refused(tree: Path) -> None:
    source = write(tree / "train" / "cat" / "8.png")
    source.rename(os.fsdecode(os.fsencode(tree / "train" / "cat") + b"/\xff\xe9.png"))
    found = opened(tree)
    assert len(found.train) == 7 and len(found.digest()) == 16
    assert found.train.fetch(np.arange(7), None).shape == (7, 3, 8, 8)
    for part in ("train", "val"):
        write(tree / part / "emu" / "0.png")
        (tree / part / "emu").rename(os.fsdecode(os.fsencode(tree / part) + b"/\xff"))
    told = refusal(tree, 3)
    assert "is no UTF-8" in told.message()
    told.message().encode()


def test_one_image_of_a_class_is_enough(tree: Path) -> None:
    for part in ("train", "val"):
        write(tree / part / "emu" / "0.png", (1, 1))
        write(tree / part / "fox" / "0.png", (700, 1))
    found = opened(tree, 4)
    assert found.train.fetch(np.arange(8), None).shape == (8, 3, 8, 8)
    crops = np.arange(8, dtype=np.uint64)
    assert found.train.fetch(np.arange(8), crops).shape == (8, 3, 8, 8)


def test_images_in_both_parts_are_told(tree: Path) -> None:
    copy = tree / "val" / "dog" / "copy.png"
    copy.write_bytes((tree / "train" / "cat" / "1.png").read_bytes())
    almost = bytearray(copy.read_bytes() * 40)
    (tree / "train" / "dog" / "long.png").write_bytes(almost)
    almost[len(almost) // 2] ^= 1
    (tree / "val" / "dog" / "long.png").write_bytes(almost)  # both ends alike
    (warning,) = opened(tree).warnings
    assert warning.code == "SW508"  # SharedImages
    assert "one image of `val`" in warning.message() and "val/dog/copy.png" in warning.message()
    assert "train/cat/1.png" in warning.message()


def test_a_folder_that_is_not_there_speaks_of_no_download(tmp_path: Path) -> None:
    told = refusal(tmp_path / "nowhere")
    assert told.code == "SW500" and f"there is no folder `{tmp_path / 'nowhere'}`" in told.message()
    assert str(Path.cwd()) in told.message()
    assert "download" not in told.message() + (told.help() or "")


def test_a_damaged_image_of_ones_own_speaks_of_no_download(tree: Path) -> None:
    (tree / "train" / "cat" / "0.png").write_bytes(b"")
    with pytest.raises(DiagnosticError) as caught:
        opened(tree).train.fetch(np.arange(1), None)
    told = caught.value.diagnostics[0]
    assert told.code == "SW501" and "download" not in told.message() + (told.help() or "")


def test_a_flat_folder_says_what_it_passed_over(tree: Path) -> None:
    said: list[str] = []
    assert len(read_images(facts_of(tree), tree / "train", said.append)) == 6 and not said
    (tree / "train" / "cat" / ".DS_Store").write_bytes(b"x")
    assert len(read_images(facts_of(tree), tree / "train", said.append)) == 6
    assert said == [f"{tree / 'train'}: 6 images; passed over: 1 hidden"]
    (tree / "gifs").mkdir()
    (tree / "gifs" / "0.gif").write_bytes(b"x")
    with pytest.raises(DiagnosticError, match=r"there is no image in it: 1 \.gif passed over"):
        read_images(facts_of(tree), tree / "gifs")


# --- how it is read ---------------------------------------------------------------------------------------------------


def decoded(path: Path, channels: int = 3, name: str = "folder", size: int = 8) -> torch.Tensor:
    facts = evolve(facts_of(path.parent, channels=channels), name=name, image_shape=(channels, size, size))
    return FolderSplit(facts, (str(path),), torch.zeros(1, dtype=torch.int64)).fetch(np.arange(1), None)[0]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif"])
def test_photographs_are_turned_upright_but_those_of_imagenet(tmp_path: Path, orientation: int, ending: str) -> None:
    corner = Image.new("L", (64, 48))
    corner.paste(255, (0, 0, 32, 16))
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"photo.{ending}"
    corner.convert("RGB").save(path, exif=exif)
    with Image.open(path) as file:
        upright = ImageOps.exif_transpose(file).convert("RGB")
    upright.save(tmp_path / "upright.png", exif=Image.Exif())
    assert torch.equal(decoded(path), decoded(tmp_path / "upright.png"))
    if orientation != 1 and ending != "tif":  # Pillow turns TIFF by itself
        assert not torch.equal(decoded(path, name="imagenet"), decoded(path))


def test_deep_greys_are_scaled_or_refused_and_never_clipped(tmp_path: Path) -> None:
    deep = np.linspace(0, 65535, 64, dtype=np.uint16).reshape(8, 8)
    for name, ending in (("deep", "png"), ("deep", "tif"), ("deep", "pgm")):
        Image.fromarray(deep).save(tmp_path / f"{name}.{ending}")
        found = decoded(tmp_path / f"{name}.{ending}", channels=1)
        assert (found.max() - found.min()) > 200 and len(found.unique()) > 30
    for name, values, said in (
        ("twelve.png", deep >> 4, "values end at 4,095"),
        ("long.tif", deep.astype(np.int32), "mode I"),
        ("float.tif", (deep / 65535).astype(np.float32), "mode F"),
        ("eight.png", deep >> 8, "values end at 255"),
    ):
        Image.fromarray(values).save(tmp_path / name)
        with pytest.raises(DiagnosticError, match=said):
            decoded(tmp_path / name, channels=1)
    Image.fromarray(np.zeros((8, 8), dtype=np.uint16)).save(tmp_path / "black.png")
    assert decoded(tmp_path / "black.png").eq(0).all()


def test_deep_colours_are_scaled_or_refused(tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    deep = np.linspace(0, 65535, 192, dtype=np.uint16).reshape(8, 8, 3)
    for ending in ("png", "tif"):
        cv2.imwrite(str(tmp_path / f"deep.{ending}"), deep)
        assert decoded(tmp_path / f"deep.{ending}").max() > 200
        cv2.imwrite(str(tmp_path / f"twelve.{ending}"), deep >> 4)
        with pytest.raises(DiagnosticError, match="16-bit values end below"):
            decoded(tmp_path / f"twelve.{ending}")


def test_a_deep_grey_whose_zero_is_white_is_not_read_as_its_negative(tmp_path: Path) -> None:
    deep = np.linspace(0, 65535, 64, dtype=np.uint16).reshape(8, 8)
    Image.fromarray(deep).save(tmp_path / "black.tif", tiffinfo={262: 1})
    raw = bytearray((tmp_path / "black.tif").read_bytes())
    place = raw.find((262).to_bytes(2, "little") + (3).to_bytes(2, "little"))
    raw[place + 8 : place + 10] = (0).to_bytes(2, "little")  # the photometric tag: white is zero
    (tmp_path / "white.tif").write_bytes(raw)
    black, white = (decoded(tmp_path / f"{name}.tif", channels=1).int() for name in ("black", "white"))
    assert (black + white - 255).abs().max() <= 1


def test_every_kind_of_pixels_is_read_as_torchvision_reads_it_without_a_word(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    colours = Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
    clear = colours.quantize(8)
    clear.info["transparency"] = bytes(range(0, 256, 32))
    alpha = colours.copy()
    alpha.putalpha(Image.fromarray(rng.integers(0, 256, (16, 16), dtype=np.uint8)))
    images = {
        "palette.png": (clear, {"transparency": bytes(range(0, 256, 32))}),
        "index.png": (colours.quantize(8), {"transparency": 3}),
        "alpha.png": (alpha, {}),
        "grey_alpha.png": (alpha.convert("LA"), {}),
        "bits.png": (colours.convert("1"), {}),
        "cmyk.jpg": (colours.convert("CMYK"), {}),
        "animated.webp": (colours, {"save_all": True, "append_images": [colours.rotate(90)], "lossless": True}),
        "pages.tif": (colours, {"save_all": True, "append_images": [colours.rotate(90)]}),
    }
    for name, (image, options) in images.items():
        image.save(tmp_path / name, **options)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = decoded(tmp_path / name, size=14)
        with warnings.catch_warnings(), Image.open(tmp_path / name) as file:
            warnings.simplefilter("ignore")
            theirs = file.convert("RGB")
        theirs.save(tmp_path / "theirs.png")
        assert torch.equal(found, decoded(tmp_path / "theirs.png", size=14)), name
        decoded(tmp_path / name, channels=1)


def test_broken_exif_spoils_no_image(tmp_path: Path) -> None:
    Image.new("RGB", (16, 16), (255, 0, 0)).save(tmp_path / "0.jpg", exif=b"Exif\0\0broken")
    assert decoded(tmp_path / "0.jpg")[0].float().mean() > 250


def test_named_data_sets_have_as_many_class_names_as_classes() -> None:
    known = {row.name: row.class_names for row in DATA.rows if row.class_names}
    for name, found in known.items():
        assert len(found) == len(set(found)) == DATASETS[name].num_classes
    assert set(known) == {name for name in DATASETS if name != "imagenet"}
