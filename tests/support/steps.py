"""Tiny runs that are stopped after a given number of steps and taken up again, in this process."""

from __future__ import annotations

import pytest
import torch
from swc.diagnostics import Sink
from swc.folders.store import open_build
from swc.running.loop import train
from swc.running.observer import Observer
from swc.running.options import Options
from swc.running.run import Run, open_run
from swc.running.state import State

from support.runs import Place
from swc_runtime.records.checkpoint import load_checkpoint

TEXT = """
import "digits.sw"

ensemble tiny {{
  data digits(train: 128, validation: 64)
  member one = wrn(depth: 10, width: 1)
  member two = wrn(depth: 10, width: 1)
  {step}
  budget 50% of native
  share conv {{ clusters one }}
  train {{
    batch 64
    optimiser sgd(lr: 0.1, momentum: 0.9)
    {recipe}
    {phases}
  }}
}}
"""


def small_text(recipe: str = "", phases: str = "phase main: 2 epochs", step: str = "") -> str:
    """Two small networks on 128 digits: two steps an epoch."""
    return TEXT.format(step=step, recipe=recipe, phases=phases)


class StopAfter(Observer):
    """Ends a run after so many steps."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def step_done(self, state: State) -> None:
        """Count one."""
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


def open_small(made: Place, workers: int | None = None) -> Run:
    """The run of a compiled spec, with a checkpoint after every step."""
    build = made.build() if made.run.exists() else open_build(made.folder / "build/tiny", prefer_run=False)
    options = Options(threads=1, device="cpu", checkpoint_every=0, workers=workers)
    return open_run(build, options, Sink(), lambda _: None)


def compiled(factory: pytest.TempPathFactory, text: str) -> Place:
    """A new place with a compiled spec."""
    made = Place(factory.mktemp("small"))
    assert made.compile(text) == 0
    return made


def trained_small(factory: pytest.TempPathFactory, text: str, *stops: int) -> Place:
    """A new place with a finished run, which was stopped after each of `stops` more steps and taken up again."""
    made = compiled(factory, text)
    for steps in stops:
        with pytest.raises(KeyboardInterrupt):
            train(open_small(made), StopAfter(steps))
    train(open_small(made))
    return made


def check_same_bits(found: Place, expected: Place) -> None:
    """Two finished runs have the same checkpoint, metrics and results."""
    (left, left_meta), (right, right_meta) = load_checkpoint(found.checkpoint), load_checkpoint(expected.checkpoint)
    assert left.keys() == right.keys()
    assert [name for name in right if not torch.equal(left[name], right[name])] == []
    assert left_meta.facts == right_meta.facts
    assert found.metrics() == expected.metrics()
    assert found.results() == expected.results()
