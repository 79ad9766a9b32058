"""The guides to data: what they show is done to a copy, or installed beside the project, and trained on."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from support.patches import ROOT, Copy, copied, patch_of, patched
from support.plug_ins import install

PAGE = "docs/how-to/new_data.md"
READER = "runtime/swc_runtime/data/stripes.py"
MOST = 5  # files of source, beside the row's own

pytestmark = pytest.mark.slow  # each trains in a copy of the project of its own


def blocks(page: str, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", (ROOT / page).read_text("utf-8"), re.MULTILINE | re.DOTALL)


def scores(place: Path) -> list[float]:
    found = json.loads((place / "build/directions/run/results.json").read_text("utf-8"))
    return [member["top1"] for member in found["members"]]


def train(copy: Copy, place: Path, packages: Path | None = None) -> None:
    (place / "directions.sw").write_text(blocks(PAGE, "text")[0], "utf-8")
    for command in (
        ("compile", "directions.sw", "--quiet"),
        ("train", "--threads", "1", "--device", "cpu"),
    ):
        done = copy.run(place, "-m", "swc", *command, path=packages)
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def added(tmp_path_factory: pytest.TempPathFactory) -> tuple[Copy, Path]:
    """A copy with the patch, and a place where it has trained."""
    place = tmp_path_factory.mktemp("place")
    copy = patched(copied(tmp_path_factory.mktemp("copy")), patch_of(PAGE))
    train(copy, place)
    return copy, place


def test_the_patch_is_a_file_and_a_row(added: tuple[Copy, Path]) -> None:
    copy, place = added
    others = [name for name in copy.changed if name != READER]
    assert others == ["swc/program/datasets.py"]
    assert len(others) <= MOST
    assert max(scores(place)) > 0.5  # of four classes
    spec = (place / "build/directions/spec.json").read_text("utf-8")
    assert "data: size 16" in spec and "data: seed 0" in spec


def test_a_mistake_in_its_arguments_is_told(added: tuple[Copy, Path]) -> None:
    copy, place = added
    text = blocks(PAGE, "text")[0]
    for wrong, code in (("", "SW124"), ("classes: 4, size: 2", "SW202"), ("classes: 4, siz: 9", "SW106")):
        (place / "wrong.sw").write_text(text.replace("classes: 4", wrong), "utf-8")
        done = copy.run(place, "-m", "swc", "check", "wrong.sw")
        assert done.returncode == 1
        assert f"error[{code}" in done.stderr, done.stderr


def test_a_package_adds_it_with_nothing_of_ours_changed(added: tuple[Copy, Path], tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    modules = {
        "swc_stripes_images": (added[0].folder / READER).read_text("utf-8"),
        "swc_stripes": blocks(PAGE, "python")[0],
    }
    packages = install(tmp_path / "packages", "swc-stripes", {"swc.data": {"stripes": "swc_stripes:row"}}, modules)
    assert 'stripes = "swc_stripes:row"' in blocks(PAGE, "toml")[0]
    ours = Copy(ROOT)
    train(ours, place, packages)
    assert scores(place) == scores(added[1])
    shown = ours.run(place, "-m", "swc", "show", path=packages)
    assert "data set stripes comes from the plug-in swc-stripes 1.2" in shown.stdout, shown.stdout + shown.stderr
    without = ours.run(place, "-m", "swc", "show")
    assert without.returncode == 1
    assert "error[SW172]" in without.stderr and "pip install swc-stripes==1.2" in without.stderr
    unknown = ours.run(place, "-m", "swc", "check", "directions.sw")
    assert unknown.returncode == 1
    assert "error[SW103]: there is no data set `stripes`" in unknown.stderr


def test_the_guide_to_own_data_trains(tmp_path: Path) -> None:
    page, ours = "docs/how-to/own_data.md", Copy(ROOT)
    (tmp_path / "pictures.py").write_text(blocks(page, "python")[0], "utf-8")
    (tmp_path / "parity.sw").write_text(blocks(page, "sw")[0], "utf-8")
    compiled = ours.run(tmp_path, "-m", "swc", "compile", "parity.sw", "--quiet")
    assert compiled.returncode == 0, compiled.stderr
    assert "runs pictures.py: even_or_odd" in compiled.stderr
    trained = ours.run(tmp_path, "-m", "swc", "train", "--threads", "1", "--device", "cpu")
    assert trained.returncode == 0, trained.stderr
    assert "300 training and 300 test images" in trained.stderr
