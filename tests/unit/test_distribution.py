"""The distribution is `superweights`: what says so, and what is told where another project's `swc` is in the way."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import swc

ROOT = Path(__file__).parents[2]


def foreign(folder: Path, *ours: str) -> Path:
    """A folder with a package `swc` of another project, in which parts of ours have been left."""
    package = folder / "swc"
    package.mkdir()
    (package / "__init__.py").write_text("'''Another project.'''\n", "utf-8")
    for name in ours:
        (package / name).symlink_to(ROOT / "swc" / name)
    return folder


def python(code: str, *folders: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders))}
    return subprocess.run(
        [sys.executable, "-P", "-c", code], env=environment, capture_output=True, text=True, check=False
    )


def test_name_and_version_are_those_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert (project["name"], project["version"]) == (swc.DISTRIBUTION, swc.__version__)
    assert project["scripts"] == {"swc": "swc.cli.main:main"}


def test_the_runtime_does_not_take_another_project_for_the_compiler(tmp_path: Path) -> None:
    done = python("import swc_runtime", foreign(tmp_path), ROOT / "runtime")
    told = done.stderr.splitlines()[-1]
    assert done.returncode == 1
    assert told.startswith(f"ImportError: the package `swc` in {tmp_path / 'swc/__init__.py'} is another project's")
    assert "pip uninstall swc" in told


def test_the_command_does_not_run_inside_another_project(tmp_path: Path) -> None:
    done = python("from swc.cli.main import main; main()", foreign(tmp_path, "cli"))
    assert done.returncode == 1
    assert done.stderr.startswith(f"the package `swc` in {tmp_path / 'swc/__init__.py'} is another project's")
    assert "Traceback" not in done.stderr
