"""Corrupted images of a run: made as its spec sees them, scored by `swc eval --corruptions`, read back, and drawn."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from swc.corrupt import arrays, official
from swc.corrupt.corrupt import corrupted_images
from swc.corrupt.published import SEVERITIES, STANDARD, TYPES
from swc.corrupt.source import SplitSource
from swc.files.checksums import write_kept
from swc.report.robustness import corruptions as figure

from support.corrupting import corrupt
from support.runs import Place, place, spec_text
from swc_runtime.data import open_data
from swc_runtime.data.arrays import ArraySplit

NUM_IMAGES = 12
DATA = 'folder("pictures", classes: 2, size: 8)'


def paint(folder: Path) -> None:
    """Two classes of small pictures: dark ones and bright ones, with noise."""
    draw = np.random.default_rng(0)
    for part in ("train", "val"):
        for name, level in (("a", 80), ("b", 140)):
            (folder / part / name).mkdir(parents=True)
            for number in range(NUM_IMAGES // 2):
                pixels = np.clip(draw.normal(level, 50, (12, 10, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / part / name / f"{number}.png")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Two members on a folder of pictures."""
    made = place(tmp_path_factory, data=DATA)
    paint(made.folder / "pictures")
    assert made.train() == 0
    return made


@pytest.fixture(scope="module")
def whole(run: Place) -> Path:
    """All types of the run's pictures."""
    assert corrupt(run, "build/tiny") == 0
    return run.folder / "pictures-c"


def part_of(whole: Path, folder: Path, types: tuple[str, ...]) -> None:
    """A folder with some of the arrays."""
    folder.mkdir()
    for name in (*(f"{name}.npy" for name in types), "labels.npy", "generated.json"):
        shutil.copy(whole / name, folder / name)


def clean(run: Place) -> SplitSource:
    return SplitSource(open_data(run.build().spec.data, run.folder, True, print).test)


def evaluated(run: Place, *arguments: str) -> dict:
    assert run.swc("eval", "--time-batch", "0", *arguments) == 0
    (found,) = json.loads((run.run / "eval/evaluation.json").read_text())["evaluations"]
    return found


@pytest.fixture(scope="module")
def scored(run: Place, whole: Path) -> dict:
    """What an evaluation on all types left in the files of the run, and its table."""
    found = evaluated(run, "--corruptions", str(whole), "-o", "table.txt")
    files = {path.name: path.read_text("utf-8") for path in (run.run / "eval").iterdir()}
    return {"corruptions": found["corruptions"], "table": (run.folder / "table.txt").read_text("utf-8"), **files}


def test_a_folder_of_images_is_corrupted_as_its_spec_sees_it(run: Place, whole: Path) -> None:
    source = clean(run)
    assert sorted(path.stem for path in whole.glob("*.npy")) == sorted((*TYPES, "labels"))
    assert np.load(whole / "labels.npy").tolist() == ([0] * 6 + [1] * 6) * 5
    found = np.load(whole / "frost.npy")
    assert found.shape == (5 * NUM_IMAGES, 8, 8, 3)
    assert np.array_equal(found[NUM_IMAGES:24], corrupted_images(source.images(0, NUM_IMAGES), "frost", 2, 0, 0))


def test_the_folder_is_marked_as_generated(whole: Path) -> None:
    mark = arrays.read_mark(whole)
    assert mark is not None and "not the official arrays" in mark.note
    assert (mark.settings.data, mark.settings.num_images, mark.settings.seed) == ("folder", NUM_IMAGES, 0)
    assert [made.name for made in mark.made] == list(TYPES)
    assert dict(mark.made[0].versions)["numpy"] == np.__version__
    assert dict(mark.settings.constants)["jpeg_compression"][4] == (40.0,)


def test_images_below_8_pixels_are_refused(run: Place, capsys: pytest.CaptureFixture[str]) -> None:
    (run.folder / "small.sw").write_text(spec_text(data=DATA.replace("8", "4")))
    assert corrupt(run, "small.sw", "--types", "contrast", "-o", "small") == 1
    assert "error[SW686]: images of `folder` have 4x4 pixels" in capsys.readouterr().err


def test_members_and_ensemble_are_scored_on_every_type(scored: dict) -> None:
    found = scored["corruptions"]
    assert found["generated"] is True and found["official"] is False
    assert found["types"] == list(TYPES) and found["severities"] == [1, 2, 3, 4, 5]
    assert found["standard"] == list(STANDARD) and found["missing"] == []
    assert [one["name"] for one in found["predictors"]] == ["deep", "shallow", "ensemble"]
    for one in found["predictors"]:
        for score in ("top1", "nll", "ece"):
            matrix = np.array(one[score])
            assert matrix.shape == (19, 5)
            assert found["mean_standard"][one["name"]][score] == pytest.approx(matrix[:15].mean())
            assert found["mean_all"][one["name"]][score] == pytest.approx(matrix.mean())
    for words in (
        "generated with seed 0, not the official arrays",
        "15 standard",
        "all 19",
        "not in the standard mean",
    ):
        assert words in scored["table"], scored["table"]
    lines = list(csv.DictReader(scored["evaluation.csv"].splitlines()))
    assert len(lines) == 3 + 3 * 19 * 5
    fog = [line for line in lines if (line["corruption"], line["severity"]) == ("fog", "5")]
    assert [line["members"] for line in fog] == ["deep", "shallow", "deep+shallow"]
    assert float(fog[2]["nll"]) == found["predictors"][2]["nll"][TYPES.index("fog")][4]


def test_clean_images_in_the_layout_score_as_clean(run: Place) -> None:
    """An array that holds the test images themselves gives the scores of the test images, temperature included."""
    source = clean(run)
    folder = run.folder / "clean"
    folder.mkdir()
    np.save(folder / "fog.npy", np.tile(source.images(0, NUM_IMAGES), (5, 1, 1, 1)))
    np.save(folder / "labels.npy", np.tile(source.labels, 5).astype(np.uint8))
    for more in ((), ("--temperature",)):
        found = evaluated(run, "--corruptions", str(folder), *more)
        wanted = [found["predictors"][place]["scores"] for place in (0, 1, -1)]
        for one, scores in zip(found["corruptions"]["predictors"], wanted, strict=True):
            for score in ("top1", "nll", "ece", "brier"):
                assert one[score] == [[pytest.approx(scores[score], abs=1e-6)] * 5]
        assert found["corruptions"]["num_images"] == found["num_images"]


def test_missing_types_are_told_and_leave_no_headline(
    run: Place, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    part_of(whole, run.folder / "fifteen", STANDARD)
    found = evaluated(run, "--corruptions", "fifteen")["corruptions"]
    told = capsys.readouterr()
    assert "warning[SW684]: `fifteen` lacks speckle_noise, gaussian_blur, spatter, saturate" in told.err
    assert found["mean_standard"] is not None and found["mean_all"] is None
    assert "no mean of all 19 types: speckle_noise, gaussian_blur, spatter, saturate not there" in told.out
    part_of(whole, run.folder / "three", ("fog", "frost", "saturate"))
    found = evaluated(run, "--corruptions", "three")["corruptions"]
    assert found["mean_standard"] is None
    assert "no mean of the 15 standard types: gaussian_noise, shot_noise, impulse_noise," in capsys.readouterr().out


def test_some_severities_leave_no_headline(run: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert corrupt(run, "build/tiny", "--severities", "4, 2", "-o", "some") == 0
    found = evaluated(run, "--corruptions", "some")["corruptions"]
    told = capsys.readouterr()
    assert found["severities"] == [2, 4] and found["mean_standard"] is None
    assert "lacks severity 1, severity 3, severity 5" in told.err
    assert "no mean of the 15 standard types: severities 2, 4 alone are there" in told.out


def test_arrays_that_do_not_fit_are_told(run: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert corrupt(run, "build/tiny", "--types", "contrast", "-o", "wrong") == 0
    folder = run.folder / "wrong"
    good, labels = np.load(folder / "contrast.npy"), np.load(folder / "labels.npy")

    def told(code: str, *words: str) -> None:
        capsys.readouterr()
        assert run.swc("eval", "--time-batch", "0", "--corruptions", "wrong") == 1
        found = capsys.readouterr().err
        assert f"error[{code}]" in found and all(word in found for word in words), found

    for wrong in (good[:-1], good.astype(np.int16), good[..., :1]):
        np.save(folder / "contrast.npy", wrong)
        told("SW683", "where uint8 60x8x8x3 belongs")
    np.save(folder / "contrast.npy", good)
    (folder / "contrast.npy").write_bytes((folder / "contrast.npy").read_bytes()[:-100])
    told("SW683", "it is not a whole array")
    np.save(folder / "contrast.npy", good)
    np.save(folder / "labels.npy", labels[:12])
    told("SW683", "5 times 12 labels belong")
    np.save(folder / "labels.npy", labels + (np.arange(60) == 7))
    told("SW683", "1 of 60 labels are not those")
    np.save(folder / "labels.npy", np.array([{}] * 60), allow_pickle=True)
    told("SW683", "it is not a whole array")
    (folder / "labels.npy").unlink()
    told("SW682", "there is no `labels.npy`")
    np.save(folder / "labels.npy", labels)
    mark = (folder / "generated.json").read_text()
    (folder / "generated.json").write_text(mark.replace('"data": "folder"', '"data": "cifar10"'))
    told("SW683", "it was made of `cifar10`, not of `folder`")
    (folder / "generated.json").write_text("{")
    told("SW650")
    (folder / "generated.json").write_text(mark)
    (folder / "contrast.npy").unlink()
    told("SW682", "nor any other type")


def test_official_arrays_are_known_by_their_sums(whole: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert all(tuple(sums) == TYPES for sums in official.SUMS.values())
    (tmp_path / "fog.npy").write_bytes(b"fog")
    found = arrays.Arrays(tmp_path, "cifar10", None, ("fog",), SEVERITIES, (32, 32, 3), 10_000)
    assert not official.is_official(found)
    monkeypatch.setitem(official.SUMS, "cifar10", {"fog": "d7ec3ab84d0aa9bd2de62a46ce0a6a3e"})
    monkeypatch.setitem(official.SUMS["cifar10"], "fog", official._md5(found, "fog"))
    assert official.is_official(found)


def test_images_are_read_where_they_are_looked_at(run: Place, whole: Path) -> None:
    labels = clean(run).labels
    found = arrays.open_arrays(whole, "folder", (8, 8, 3), labels).images("fog", 3)
    assert isinstance(found, np.memmap)
    split = ArraySplit(None, found, torch.from_numpy(labels))  # type: ignore[arg-type]
    fetched = split.fetch(np.array([5, 2]), None)
    assert fetched.shape == (2, 3, 8, 8)
    assert np.array_equal(fetched.permute(0, 2, 3, 1), np.load(whole / "fog.npy")[[24 + 5, 24 + 2]])
    with pytest.raises(ValueError, match="not cropped"):
        split.fetch(np.array([0]), np.zeros(1, np.uint64))


def test_the_heat_map_shows_every_number(run: Place, scored: dict, capsys: pytest.CaptureFixture[str]) -> None:
    write_kept(run.run / "eval/evaluation.json", scored["evaluation.json"])
    assert evaluated(run)["corruptions"] == scored["corruptions"]  # kept from before
    (run.run / "eval/evaluation.json").unlink()
    evaluated(run)
    assert run.swc("plot", "corruptions") == 1
    assert "has no corruptions evaluated" in capsys.readouterr().err
    write_kept(run.run / "eval/evaluation.json", scored["evaluation.json"])
    found = scored["corruptions"]
    drawn = figure(run.build())
    standard, others = drawn.axes[:2]
    assert [label.get_text() for label in standard.get_yticklabels()] == list(STANDARD)
    assert [label.get_text() for label in others.get_yticklabels()] == list(TYPES[15:])
    numbers = [float(text.get_text()) for text in (*standard.texts, *others.texts)]
    wanted = [[*row, np.mean(row)] for row in found["predictors"][-1]["top1"]]
    assert numbers == pytest.approx(100 * np.ravel(wanted), abs=0.051)
    assert "generated arrays" in drawn.get_suptitle()
    assert run.swc("plot", "corruptions") == 0
    assert (run.folder / "tiny_corruptions.png").read_bytes().startswith(b"\x89PNG")
