"""Every input of the committed corpus is answered as a user would want, and the fuzzer's own parts do as they say."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from fuzzing.judge import judge
from fuzzing.mutate import mutated
from fuzzing.targets import LARGEST, TARGETS

CORPUS = Path(__file__).parents[2] / "tests" / "fuzzing" / "corpus"
FILES = sorted(path for path in CORPUS.glob("*/*"))


def test_every_target_has_inputs() -> None:
    assert {path.parent.name for path in FILES} == set(TARGETS)
    assert sum(path.stat().st_size for path in FILES) < 500_000


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_of_the_corpus_is_a_find(name: str) -> None:
    inputs = [path for path in FILES if path.parent.name == name]
    assert inputs
    for path in inputs:
        assert TARGETS[name](path.read_bytes()) is None, path.name  # a find raises


def test_a_find_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(data: bytes) -> None:
        raise KeyError(len(data))

    monkeypatch.setitem(TARGETS, "layout", fail)
    assert "KeyError: 3" in str(judge("layout", b"abc")["wrong"])


def test_changes_are_settled_by_their_seed_and_keep_to_the_size() -> None:
    words = (b"member", b"{", b"}")
    random = Random(1)
    for seed in range(200):
        data = random.randbytes(200)
        found = mutated(data, 1_000, seed, words)
        assert found == mutated(data, 1_000, seed, words)
        assert len(found) <= 1_000
    assert len(mutated(b"x " * LARGEST, 10 * LARGEST, 1, words)) <= LARGEST
