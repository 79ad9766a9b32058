"""The patch of a how-to, applied to a copy of the source, and commands that run there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree, ignore_patterns

from attrs import frozen

ROOT = Path(__file__).parents[2]
TREES = ("swc", "runtime", "grammars", "specs")


@frozen
class Copy:
    """A copy of the source in `folder`, and the files that a patch changed there."""

    folder: Path
    changed: tuple[str, ...] = ()

    def run(self, place: Path, *command: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
        """A Python command line in `place`, by the source of the copy and modules on `path`."""
        parts = (self.folder, self.folder / "runtime", *([path] if path else []))
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, parts)), "OMP_NUM_THREADS": "1"}
        return subprocess.run(
            [sys.executable, *command], cwd=place, env=environment, capture_output=True, text=True, check=False
        )


def copied(folder: Path) -> Copy:
    """All that runs, without tests and documents."""
    for tree in TREES:
        copytree(ROOT / tree, folder / tree, ignore=ignore_patterns("__pycache__"))
    return Copy(folder)


def patch_of(page: str) -> str:
    """The one patch of a document."""
    (found,) = re.findall(r"^```diff\n(.*?)^```", (ROOT / page).read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return str(found)


def patched(copy: Copy, patch: str) -> Copy:
    """The copy with a unified diff applied, by its lines and not by their numbers.

    AssertionError where the lines that a hunk replaces do not stand in the file just once.
    """
    changed = []
    for name, hunks in _files(patch):
        path = copy.folder / name
        text = path.read_text("utf-8") if path.exists() else ""
        for before, after in hunks:
            assert text.count(before) == 1 or not before, f"{name} has not just once:\n{before}"
            text = text.replace(before, after, 1) if before else after
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        changed.append(name)
    return Copy(copy.folder, tuple(changed))


def _files(patch: str) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    for part in re.split(r"^--- .*\n", patch, flags=re.MULTILINE)[1:]:
        head, _, body = part.partition("\n")
        assert head.startswith("+++ b/")
        hunks = re.split(r"^@@.*@@.*\n", body, flags=re.MULTILINE)[1:]
        yield head.removeprefix("+++ b/"), [(_side(hunk, "-"), _side(hunk, "+")) for hunk in hunks]


def _side(hunk: str, sign: str) -> str:
    """What a hunk takes away (`-`) or puts there (`+`), with the lines around it."""
    return "".join(f"{line[1:]}\n" for line in hunk.splitlines() if line[:1] in (sign, " "))
