"""One target under atheris: `python -m fuzzing.hunt TARGET FINDS [libFuzzer's options] CORPUS`.

Guarantees: it goes on after a find; what looks like one is kept as a file in FINDS, each kind of it once.
"""

from __future__ import annotations

import sys
import traceback
from hashlib import sha256
from pathlib import Path
from time import process_time

import atheris

with atheris.instrument_imports(include=["swc", "swc_runtime"]):
    from fuzzing import judge, targets

from fuzzing.mutate import mutated

BUSY = 2.5  # seconds of an instrumented run after which an input is worth a second look


class Hunt:
    """Runs inputs and keeps those that look like finds."""

    def __init__(self, name: str, finds: Path) -> None:
        self.name, self.finds = name, finds
        self.known: set[str] = set()
        self.slow = 0

    def one(self, data: bytes) -> None:
        """Run one input."""
        data = data[: targets.LARGEST]
        started = process_time()
        try:
            targets.TARGETS[self.name](data)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a find
            self._keep(data, _place(error))
        if process_time() - started > BUSY and self.slow < 20:
            self.slow += 1
            self._keep(data, f"slow {self.slow}")

    def _keep(self, data: bytes, kind: str) -> None:
        if kind in self.known:
            return
        self.known.add(kind)
        path = self.finds / f"{self.name}-{sha256(data).hexdigest()[:12]}"
        path.write_bytes(data)
        print(f"{self.name}: {kind}: {path}", flush=True)


def _place(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/swc" in frame.filename] or list(frames)
    return f"{type(error).__name__} {own[-1].filename}:{own[-1].lineno}"


def _words(name: str, corpus: Path) -> tuple[bytes, ...]:
    found = {word for path in corpus.glob("*") for word in _parts(path.read_bytes())}
    if name in targets.TEXTS:
        from swc.language.syntax.scan import words

        found |= {word.encode() for word in words()}
    return tuple(sorted(found))[:2_000] or (b"x",)


def _parts(data: bytes) -> list[bytes]:
    from fuzzing.mutate import TOKEN

    return [part for part in TOKEN.findall(data[:20_000]) if part.strip() and len(part) < 60]


def main() -> None:
    """Hunt until libFuzzer's time is up."""
    name, finds, *options = sys.argv[1:]
    hunt = Hunt(name, Path(finds))
    words = _words(name, Path(options[-1]))
    judge.warm(name)

    def mutator(data: bytes, most: int, seed: int) -> bytes:
        if seed % 3 == 0:
            return atheris.Mutate(data, most)
        return mutated(data, most, seed, words)

    atheris.Setup([sys.argv[0], *options], hunt.one, custom_mutator=mutator)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
