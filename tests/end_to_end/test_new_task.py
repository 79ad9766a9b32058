"""The how-to adds a task by a file of rules and two rows, and as a package with nothing of ours changed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from support.patches import ROOT, Copy, copied, patch_of, patched
from support.plug_ins import install

PAGE = "docs/how-to/new_task.md"
RULES = "runtime/swc_runtime/tasks/screening.py"
FINDINGS = """
import numpy as np
from sklearn.datasets import load_digits


def load():
    digits = load_digits()
    images = digits.images[:240, None].astype(np.float32) / 16
    digit = digits.target[:240]
    labels = np.stack([digit % 2 == 0, digit > 4, np.isin(digit, (0, 6, 8, 9))], 1)
    return (images[::2], labels[::2]), (images[1::2], labels[1::2])
"""
pytestmark = pytest.mark.slow  # each trains by a source of its own


def block(kind: str) -> str:
    (found,) = re.findall(rf"^```{kind}\n(.*?)^```", (ROOT / PAGE).read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return found


def follow(copy: Copy, place: Path, path: Path | None = None) -> dict[str, str]:
    """Do what the guide says in `place`; gives what each command printed."""
    place.mkdir()
    (place / "findings.py").write_text(FINDINGS, "utf-8")
    (place / "found.sw").write_text(block("text"), "utf-8")
    printed = {}
    for line in block("sh").splitlines():
        command = line.split()[1:]
        done = copy.run(place, "-m", "swc", *command, path=path)
        assert done.returncode == 0, done.stderr
        printed[command[0]] = done.stdout
    return printed


def check_shown(place: Path, printed: dict[str, str]) -> None:
    assert all("AUROC" in printed[command] for command in ("train", "eval", "compare"))
    assert "the ensemble by label" in printed["eval"] and "top-1" not in "".join(printed.values())
    data = (place / "report.html").read_text("utf-8").partition('id="data">')[2].partition("</script>")[0]
    (run,) = json.loads(data)["runs"]
    assert run["task"]["best"]["name"] == "auroc" and len(run["scored"]["details"]["labels"]) == 3
    assert 0.5 < run["scored"]["predictors"][-1]["scores"]["auroc"] <= 1


def test_the_patch_of_the_guide_is_a_file_and_two_rows(tmp_path: Path) -> None:
    copy = patched(copied(tmp_path / "copy"), patch_of(PAGE))
    assert copy.changed == (RULES, "swc/registry/tasks.py", "swc/registry/losses.py")
    check_shown(tmp_path / "place", follow(copy, tmp_path / "place"))


def test_a_package_adds_it_with_nothing_of_ours_changed(tmp_path: Path) -> None:
    copy = patched(copied(tmp_path / "copy"), patch_of(PAGE))
    modules = {"swc_screening_rules": (copy.folder / RULES).read_text("utf-8"), "swc_screening": block("python")}
    points = {group: dict([part]) for group, part in zip(("swc.tasks", "swc.losses"), entry_points(), strict=True)}
    packages = install(tmp_path / "packages", "swc-screening", points, modules)
    ours = Copy(ROOT)
    check_shown(tmp_path / "place", follow(ours, tmp_path / "place", packages))
    swept = ours.run(tmp_path / "place", "-m", "swc", "sweep", "found.sw", "--storage", "float32", path=packages)
    assert swept.returncode == 1 and "error[SW800]: `swc sweep` is for `task classification or" in swept.stderr
    without = ours.run(tmp_path / "place", "-m", "swc", "show")
    assert without.returncode == 1 and "SW172" in without.stderr


def entry_points() -> list[tuple[str, str]]:
    """The names and places of the entry points that the guide states."""
    return re.findall(r'^(\w+) = "([\w:]+)"$', block("toml"), re.MULTILINE)
