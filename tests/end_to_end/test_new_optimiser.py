"""The how-to adds an optimiser in one file and its line, and as a package with nothing of ours changed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from support.patches import ROOT, Copy, copied, patch_of, patched
from support.plug_ins import install
from support.runs import spec_text
from swc_runtime.records.checkpoint import load_checkpoint

PAGE = "docs/how-to/new_optimiser.md"
SGD = "sgd(lr: rate, momentum: 0.9, nesterov: yes, weight_decay: 5e-4)"
STATE = {"state", "first_moment", "second_moment", "steps", "momentum_product"}


def row() -> str:
    """The file that the patch adds, as a plug-in's module."""
    lines = re.findall(r"^\+(?!\+\+ )(.*)$", patch_of(PAGE).partition("--- a/")[0], re.MULTILINE)
    return "\n".join(lines).replace("NADAM = ", "row = ")


def compiled(copy: Copy, place: Path, path: Path | None = None) -> None:
    text = spec_text(carry="continue").replace(SGD, "nadam(lr: rate)").replace("rate = 0.1", "rate = 0.003")
    (place / "tiny.sw").write_text(text, "utf-8")
    done = copy.run(place, "-m", "swc", "compile", "tiny.sw", path=path)
    assert done.returncode == 0, done.stderr


def check_trained(copy: Copy, place: Path, path: Path | None = None) -> None:
    done = copy.run(place, "-m", "swc", "train", "--threads", "1", "--device", "cpu", path=path)
    assert done.returncode == 0, done.stderr
    tensors, _ = load_checkpoint(place / "build/tiny/run/checkpoints/last.safetensors")
    assert {name.partition("/")[0] for name in tensors} == STATE
    assert all(torch.isfinite(tensor).all() for tensor in tensors.values())


@pytest.mark.slow
def test_the_patch_of_the_guide_is_one_file_and_its_line(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    copy = patched(copied(tmp_path / "copy"), patch_of(PAGE))
    assert copy.changed == ("swc/registry/optimisers/nadam.py", "swc/registry/optimisers/__init__.py")
    compiled(copy, place)
    check_trained(copy, place)


@pytest.mark.slow
def test_a_package_adds_it_with_nothing_of_ours_changed(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    points = {"swc.optimisers": {"nadam": "swc_nadam:row"}}
    packages = install(tmp_path / "packages", "swc-nadam", points, {"swc_nadam": row()})
    ours = Copy(ROOT)
    compiled(ours, place, packages)
    check_trained(ours, place, packages)
    shown = ours.run(place, "-m", "swc", "show", path=packages)
    assert "optimiser nadam comes from the plug-in swc-nadam 1.2" in shown.stdout
    for command in (["show"], ["train"], ["eval"]):
        without = ours.run(place, "-m", "swc", *command)
        assert without.returncode == 1
        assert "SW172" in without.stderr and "pip install swc-nadam==1.2" in without.stderr, without.stderr


def test_the_entry_point_of_the_guide_is_the_one_that_is_tested() -> None:
    assert '[project.entry-points."swc.optimisers"]\nnadam = "swc_nadam:row"' in (ROOT / PAGE).read_text("utf-8")
