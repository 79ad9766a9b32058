"""Whole runs with what a recipe or a step may ask for, stopped inside epochs and taken up to the same bits."""

from __future__ import annotations

import pytest
import torch
from attrs import evolve
from swc.report.measurements import curves_of
from swc.running import patience
from swc.running.loop import train
from swc.running.observer import Observer
from swc.running.state import State
from swc.running.trained import open_trained

from support.runs import Place
from support.steps import check_same_bits, compiled, open_small, small_text, trained_small
from swc_runtime.ensemble import state_tensors
from swc_runtime.evaluate.metrics import EnsembleScores
from swc_runtime.records.checkpoint import load_checkpoint, under_prefix

Factory = pytest.TempPathFactory


def test_networks_with_batches_of_their_own_go_on_to_the_same_bits(tmp_path_factory: Factory) -> None:
    text = small_text(step="step independent(batches: own)")
    whole, stopped = trained_small(tmp_path_factory, text), trained_small(tmp_path_factory, text, 1, 2)
    check_same_bits(stopped, whole)
    assert all(row["ensemble"] is None for row in whole.metrics() if row["kind"] == "epoch")


# --- patience ---------------------------------------------------------------------------------------------------------

PATIENT = small_text(phases="phase main: up to 9 epochs, patience 2\n    phase rest: up to 5 epochs, patience 1")
SCORES = [3.0, 2.0, 2.5, 2.0, 9.0, 1.0, 1.5]  # two epochs after the second have none better; then the next phase


class KeepStates(Observer):
    """Copies of the numbers after each epoch, and what is said."""

    def __init__(self) -> None:
        self.states: list[dict[str, torch.Tensor]] = []
        self.lines: list[str] = []

    def scored(self, state: State, evaluation: EnsembleScores) -> None:
        self.states.append({name: t.clone() for name, t in state_tensors(state.ensemble).items()})

    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture
def given_scores(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, int], float]:
    """By phase and epoch the score that a state is chosen by, in place of what it has."""
    given = {("main", n): score for n, score in enumerate(SCORES[:4], 1)}
    given |= {("rest", n): score for n, score in enumerate(SCORES[4:], 1)}
    judged = patience.judged

    def instead(run: object, state: State, scores: EnsembleScores) -> State:
        score = given[state.stage.phase.name, state.position.epoch]
        return judged(run, state, evolve(scores, ensemble=evolve(scores.ensemble, nll=score)))  # type: ignore[arg-type]

    monkeypatch.setattr("swc.running.transitions.judged", instead)
    return given


@pytest.fixture
def kept(given_scores: dict[tuple[str, int], float], tmp_path_factory: Factory) -> tuple[Place, KeepStates]:
    made, observer = compiled(tmp_path_factory, PATIENT), KeepStates()
    train(open_small(made), observer)
    return made, observer


def test_a_phase_ends_with_its_best_state_and_the_run_is_scored_with_it(kept: tuple[Place, KeepStates]) -> None:
    made, observer = kept
    assert [(row["phase"], row["epoch"]) for row in made.metrics() if row["kind"] == "epoch"] == [
        *(("main", n) for n in (1, 2, 3, 4)),
        *(("rest", n) for n in (1, 2, 3)),
    ]
    assert observer.lines[-2:] == [
        "phase main ends after 4 epochs; the state after epoch 2 goes on",
        "phase rest ends after 3 epochs; the state after epoch 2 goes on",
    ]
    tensors, meta = load_checkpoint(made.checkpoint)
    best = observer.states[5]  # four epochs of main, then the second of the rest
    found = under_prefix("state", tensors)
    assert found.keys() == best.keys()
    assert [name for name in best if not torch.equal(found[name], best[name])] == []
    assert not under_prefix("best", tensors)
    assert meta.facts == {"best_epoch": 2, "best_score": 1.0, "ended": True}
    assert made.results()["best"] == {"epoch": 2, "trained": 3}
    last = [row for row in made.metrics() if row["kind"] == "scores" and row["of"] == "ensemble"][5]
    assert made.results()["validation"]["together"]["nll"] == pytest.approx(last["nll"])  # type: ignore[index]


@pytest.mark.parametrize("stops", [(5, 1, 1), (10,)])
def test_a_patient_run_goes_on_to_the_same_bits(
    kept: tuple[Place, KeepStates], tmp_path_factory: Factory, stops: tuple[int, ...]
) -> None:
    check_same_bits(trained_small(tmp_path_factory, PATIENT, *stops), kept[0])


def test_a_run_that_patience_ended_is_finished(
    kept: tuple[Place, KeepStates], capsys: pytest.CaptureFixture[str]
) -> None:
    made, _ = kept
    assert made.train() == 0
    assert "the run is finished" in capsys.readouterr().err
    curves = curves_of(made.build())
    assert [epoch for epoch, _ in curves.losses["one"]] == list(range(1, 8))
    assert curves.cuts == ((4, "next phase"),)
    saved = open_trained(made.build())
    training = made.build().spec.training
    assert training is not None
    assert saved.where(training) == "the best of up to 5 epochs of rest"
