"""`python -m fuzzing --seconds 3600 [--seed N] [--target NAME] [-o FOLDER]`: all targets in turn.

Each target gets a part of the time. Prints the seed, and for each target how many inputs were tried; keeps finds as
files. Its status is 1 if there is one.
"""

from __future__ import annotations

import argparse
import json
import re
import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE, STDOUT
from time import monotonic

from fuzzing.targets import LARGEST, TARGETS

CORPUS = Path(__file__).parent / "corpus"
HANGS = 120  # seconds by the clock after which one input counts as endless


def main() -> None:
    """Read the options, hunt, and tell."""
    parser = argparse.ArgumentParser(prog="python -m fuzzing", description="Fuzz what reads text and files.")
    parser.add_argument("--seconds", type=int, default=600, help="for all targets together")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31), help="default: a fresh one, printed")
    parser.add_argument("--target", choices=TARGETS, action="append", help="only this one; repeatable")
    parser.add_argument("-o", "--output", type=Path, default=Path("build/fuzz"), help="where finds and new inputs go")
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    names = given.target or list(TARGETS)
    found = [one for name in names for one in _hunted(name, given.seconds // len(names), given.seed, given.output)]
    print(f"seed {given.seed}: {len(found)} finds" + "".join(f"\n  {one}" for one in found), flush=True)
    sys.exit(1 if found else 0)


def _hunted(name: str, seconds: int, seed: int, output: Path) -> list[str]:
    """The finds of one target, each confirmed by a process of its own."""
    finds, fresh = output / "finds", output / "corpus" / name
    for folder in (finds, fresh):
        folder.mkdir(parents=True, exist_ok=True)
    stop, runs = monotonic() + seconds, 0
    while (left := int(stop - monotonic())) > 0:
        log = _hunt(name, left, seed, finds, fresh)
        runs += sum(map(int, re.findall(r"Done (\d+) runs", log)))
        if "Done" in log:
            break
        seed += 1  # it ended before its time: on an input that never ends, or by the system
        print(f"{name}: ended early, and goes on with seed {seed}\n{log[-2_000:]}", flush=True)
    confirmed = [told for path in sorted(finds.glob(f"{name}-*")) if (told := _confirmed(name, path))]
    print(f"{name}: {runs:,} inputs in {seconds} seconds, {len(confirmed)} finds", flush=True)
    return confirmed


def _hunt(name: str, seconds: int, seed: int, finds: Path, fresh: Path) -> str:
    options = [
        f"-max_total_time={seconds}",
        f"-seed={seed % 2**31 or 1}",
        f"-max_len={LARGEST}",
        f"-timeout={HANGS}",
        "-rss_limit_mb=0",
        f"-artifact_prefix={finds / name}-",
        "-print_final_stats=1",
    ]
    command = [sys.executable, "-m", "fuzzing.hunt", name, str(finds), *options, str(fresh), str(CORPUS / name)]
    done = subprocess.run(command, check=False, stdout=PIPE, stderr=STDOUT, text=True, errors="replace")
    return done.stdout


def _confirmed(name: str, path: Path) -> str | None:
    """What is wrong with an input, or None; a file that is no find is removed."""
    try:
        command = [sys.executable, "-m", "fuzzing.judge", name, str(path)]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=10 * HANGS)
        wrong = json.loads(done.stdout.splitlines()[-1])["wrong"] if done.returncode == 0 else done.stderr[-500:]
    except subprocess.TimeoutExpired:
        wrong = "it never ends"
    if wrong is None:
        shutil.move(path, path.with_name(f"unconfirmed-{path.name}"))
        return None
    return f"{path}: {wrong.strip().splitlines()[-1]}"


if __name__ == "__main__":
    main()
