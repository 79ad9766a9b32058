"""The revisions of a run as they begin, beside the ensemble they were made from."""

from __future__ import annotations

import pytest
import torch
from swc.running import loop
from swc.running.observer import Observer
from swc.running.run import Run
from swc.running.state import State
from swc.running.transitions import next_revision, scores

from swc_runtime.ensemble import Ensemble


class FirstState:
    """A revision as it begins; `scores` are those of the ensemble before the recompile and after it."""

    def __init__(self, run: Run, before: State, after: State) -> None:
        self.compiled = after.compiled
        self.state = [tensor.clone() for tensor in after.ensemble.state_dict().values()]
        self.momentum = bool(after.optimiser.state)
        self.scores = outputs(run, before.ensemble), outputs(run, after.ensemble)


def outputs(run: Run, ensemble: Ensemble) -> tuple[object, list[float]]:
    images = run.dataset.test.fetch(torch.arange(32).numpy(), None).float()
    training = ensemble.training
    ensemble.eval()
    with torch.no_grad():
        logits = ensemble(images).flatten().tolist()
    ensemble.train(training)
    return scores(run, ensemble, run.dataset.watched), logits


def keep_revisions(monkeypatch: pytest.MonkeyPatch) -> dict[int, FirstState]:
    kept: dict[int, FirstState] = {}

    def keep(run: Run, state: State, observer: Observer) -> State:
        following = next_revision(run, state, observer)
        kept[following.compiled.revision] = FirstState(run, state, following)
        return following

    monkeypatch.setattr(loop, "next_revision", keep)
    return kept
