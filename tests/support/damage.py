"""Damage to the files of a run, and what the commands that look at it then say.

A damage takes the path of a file and says whether it changed anything. `looked` runs what looks at a run and gives what
it shows; what it refuses is a DiagnosticError, and anything else a mistake of ours.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from random import Random

from swc.compare.comparison import comparison_of
from swc.compare.record import as_json as compared
from swc.diagnostics import Sink
from swc.files.checksums import CHECKSUMS
from swc.files.metric_lines import rows_of
from swc.folders.store import open_build, read_machine
from swc.report.gather import as_json as reported
from swc.report.gather import report_of
from swc.show.exports import as_json as exported
from swc.show.plain import plain
from swc.show.text import overview

from swc_runtime.records.records import METRICS, Records

OLD = Path(__file__).parents[1] / "old_runs"
Damage = Callable[[Path], bool]


def with_checksums(run: Path) -> None:
    """Give an older run what this version would have written beside its files, and into its records."""
    folders = {path.parent for path in run.rglob("*.json")}
    for folder in folders:
        files = sorted(path for path in folder.iterdir() if path.suffix in (".json", ".txt", ".csv"))
        lines = [f"{sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
        (folder / CHECKSUMS).write_text("".join(lines), "utf-8")
    rows = rows_of((run / METRICS).read_bytes(), METRICS)
    (run / METRICS).unlink()
    with Records(run) as records:
        for row in rows:
            records.write(row)
    shutil.rmtree(run / "checkpoints")  # it knows the lengths of the records as they were


def looked(run: Path) -> str:
    """Everything that `swc show`, `report` and `compare` show of a run."""
    build = open_build(run)
    shown = [plain(overview(revision, build.spec, 110, read_machine(run))) for revision in build.revisions]
    shown += [exported(revision, build.spec) for revision in build.revisions]
    return "\n".join([*shown, reported(report_of([build])), compared(comparison_of((build,), run, Sink()))])


def _text(change: Callable[[str, Random], str | None], seed: int = 0) -> Damage:
    def damage(path: Path) -> bool:
        before = path.read_bytes().decode("utf-8", "surrogateescape")
        after = change(before, Random(seed))
        if after is None or after == before:
            return False
        path.write_bytes(after.encode("utf-8", "surrogateescape"))
        return True

    return damage


def _other_number(text: str, random: Random) -> str | None:
    found = list(re.finditer(r"(?<![\w.])-?\d+(\.\d+)?(e-?\d+)?(?![\w.])", text))
    if not found:
        return None
    spot = random.choice(found)
    number = str(int(spot[0]) + 1) if re.fullmatch(r"-?\d+", spot[0]) else repr(float(spot[0]) * 0.5 + 0.01)
    return text[: spot.start()] + number + text[spot.end() :]


def _other_word(text: str, random: Random) -> str | None:
    found = list(re.finditer(r"[a-zA-Z]{3,}", text))
    if not found:
        return None
    spot = random.choice(found)
    return text[: spot.start()] + spot[0] + "q" + text[spot.end() :]


def _without_a_line(text: str, random: Random) -> str | None:
    lines = text.splitlines(keepends=True)
    if len(lines) < 2:
        return None
    del lines[random.randrange(len(lines))]
    return "".join(lines)


def _a_line_twice(text: str, random: Random) -> str | None:
    lines = text.splitlines(keepends=True)
    if not lines:
        return None
    lines.insert(place := random.randrange(len(lines)), lines[place])
    return "".join(lines)


def _folder(path: Path) -> bool:
    path.unlink()
    path.mkdir()
    return True


def _loop(path: Path) -> bool:
    path.unlink()
    path.symlink_to(path.name)
    return True


def _gone(path: Path) -> bool:
    path.unlink()
    return True


CHANGES: dict[str, Damage] = {
    **{f"number {seed}": _text(_other_number, seed) for seed in range(2)},
    **{f"word {seed}": _text(_other_word, seed) for seed in range(2)},
    "a line less": _text(_without_a_line),
    "a line twice": _text(_a_line_twice),
}
RUIN: dict[str, Damage] = {
    "cut": _text(lambda text, random: text[: len(text) // 2]),
    "empty": _text(lambda text, random: ""),
    "no UTF-8": _text(lambda text, random: text[:7] + "\udcff\udcfe" + text[7:]),
    "other JSON": _text(lambda text, random: "[]\n"),
    "deep": _text(lambda text, random: "[" * 50_000),
    "folder": _folder,
    "loop": _loop,
}
GONE: dict[str, Damage] = {"gone": _gone}
