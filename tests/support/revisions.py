"""The revisions of a run as they begin, beside the ensemble they were made from."""

from __future__ import annotations

import pytest
import torch
from swc.running import session as sessions
from swc.running.run import Run

from swc_runtime.ensemble import Ensemble


class Kept:
    """A revision as it begins; `scores` are those of the ensemble before the recompile and after it."""

    def __init__(self, run: Run, before: sessions.Trained, after: sessions.Trained) -> None:
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
    return sessions.scores(run, ensemble), logits


def keep_revisions(monkeypatch: pytest.MonkeyPatch) -> dict[int, Kept]:
    kept: dict[int, Kept] = {}
    following = sessions.next_revision

    def keep(run: Run, trained: sessions.Trained, stage: object) -> sessions.Trained:
        made = following(run, trained, stage)  # type: ignore[arg-type]
        kept[made.compiled.revision] = Kept(run, trained, made)
        return made

    monkeypatch.setattr(sessions, "next_revision", keep)
    return kept
