"""Whole runs with what a recipe or a step may ask for, stopped inside epochs and taken up to the same bits."""

from __future__ import annotations

import json

import pytest
import torch
from attrs import evolve
from swc.loops.tracking import TrackedRun
from swc.report.curves import curves as curves_figure
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


@pytest.mark.slow
def test_networks_with_batches_of_their_own_go_on_to_the_same_bits(tmp_path_factory: Factory) -> None:
    text = small_text(step="step independent(batches: own)")
    whole, stopped = trained_small(tmp_path_factory, text), trained_small(tmp_path_factory, text, 1, 2)
    check_same_bits(stopped, whole)
    assert all(row["ensemble"] is None for row in whole.metrics() if row["kind"] == "epoch")


@pytest.mark.slow
def test_augmented_and_mixed_images_are_the_same_bits_again(tmp_path_factory: Factory) -> None:
    text = small_text("augment crop(pad: 1), randaugment, erasing, mixup, cutmix\n    label_smoothing 0.1")
    whole = trained_small(tmp_path_factory, text)
    check_same_bits(trained_small(tmp_path_factory, text, 1, 2), whole)
    run = open_small(whole)
    (phase,) = run.training.phases
    assert next(run.training_batches(phase, 0, 0, ()))[1].shape == (64, 10)  # type: ignore[index]
    assert next(run.batches(phase, 0))[1].shape == (64,)  # similarities are measured on images that are not mixed


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
    main, rest = observer.lines[-2:]
    assert main.startswith("phase main ends after 4 epochs; the state after epoch 2, the best by its NLL ")
    assert rest == "phase rest ends after 3 epochs; the state after epoch 2, the best by its NLL 1.0000, goes on"
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
    for due, is_over in (("norms", False), ("best", False), ("scores", True)):
        stopped = evolve(saved, meta=evolve(saved.meta, facts={**saved.meta.facts, "due": due}))
        assert stopped.is_finished(training) == is_over, "what changes weights is still to be done"


# --- the average of weights -------------------------------------------------------------------------------------------

AVERAGED = small_text(
    "weight_average ema(decay: 0.8)\n    clip_gradients 1",
    "phase main: 2 epochs\n      after 1 epochs untie coefficients below 1\n    phase rest: 1 epochs",
)


@pytest.fixture(scope="module")
def averaged(tmp_path_factory: Factory) -> Place:
    return trained_small(tmp_path_factory, AVERAGED)


@pytest.mark.slow
def test_an_average_goes_on_to_the_same_bits(averaged: Place, tmp_path_factory: Factory) -> None:
    check_same_bits(trained_small(tmp_path_factory, AVERAGED, 1, 3), averaged)
    assert all(0 <= row["clipped"] <= 1 for row in averaged.metrics() if row["kind"] == "epoch")  # type: ignore[operator]


def test_the_card_of_an_average_has_its_scores(averaged: Place) -> None:
    assert averaged.swc("export", "--average", "--members", "one", "-o", "average") == 0
    card = (averaged.folder / "average/README.md").read_text("utf-8")
    results = averaged.results()
    last, mean = (found["members"][0]["nll"] for found in (results, results["average"]))  # type: ignore[index]
    assert f"{mean:.4f}" in card and f"{last:.4f}" not in card


def test_an_untied_average_goes_on_as_it_is(averaged: Place) -> None:
    tensors, meta = load_checkpoint(averaged.checkpoint)
    assert meta.facts == {"average_steps": 6}  # of three epochs, over an untie and a next phase
    assert under_prefix("average", tensors).keys() == under_prefix("state", tensors).keys()


def test_the_average_is_scored_beside_the_last_weights(averaged: Place) -> None:
    rows = [row for row in averaged.metrics() if row["kind"] == "scores" and row["of"] == "ensemble"]
    assert [(row["phase"], row["epoch"], row.get("is_average", False)) for row in rows] == [
        (phase, epoch, is_average)
        for phase, epoch in (("main", 1), ("main", 2), ("rest", 1))
        for is_average in (False, True)
    ]
    results = averaged.results()
    assert results["average"]["validation"]["together"]["nll"] == rows[-1]["nll"]  # type: ignore[index]
    assert results["validation"]["together"]["nll"] == rows[-2]["nll"]  # type: ignore[index]
    curves = curves_of(averaged.build())
    assert [epoch for epoch, _ in curves.scores["ensemble"]] == [1, 2, 3]
    assert [value for _, value in curves.averages["ensemble"]] == [row["top1"] for row in rows[1::2]]
    drawn = curves_figure(averaged.build()).axes[1]
    labels = {line.get_label(): line for line in drawn.lines}
    assert labels["ensemble, average of weights"].get_linestyle() == "--" != labels["ensemble"].get_linestyle()


def test_an_average_is_evaluated_where_it_is_asked_for(averaged: Place) -> None:
    assert averaged.swc("eval", "--average", "--time-batch", "0", "build/tiny/run") == 0
    found = json.loads((averaged.run / "eval/average/evaluation.json").read_text("utf-8"))["evaluations"][0]
    assert found["stage"] == "epoch 1 of rest, average of the weights"
    expected = averaged.results()["average"]["together"]["nll"]  # type: ignore[index]
    assert found["predictors"][-1]["scores"]["nll"] == pytest.approx(expected, rel=1e-5)
    assert not (averaged.run / "eval/evaluation.json").exists()


def test_an_average_is_exported_where_it_is_asked_for(averaged: Place) -> None:
    assert averaged.swc("export", "--average", "--members", "one", "-o", "out", "build/tiny/run") == 0
    written = torch.load(averaged.folder / "out/one.pt", weights_only=True)
    norms = load_checkpoint(averaged.checkpoint)[0]
    name = next(name for name in norms if name.startswith("average/member/one/") and name.endswith("running_mean"))
    path = name.removeprefix("average/member/one/")
    assert torch.equal(written[path], norms[name])
    assert not torch.equal(norms[name], norms[name.replace("average/", "state/", 1)])


@pytest.mark.slow
def test_a_split_begins_the_average_anew(tmp_path_factory: Factory) -> None:
    phases = (
        "phase search: 1 epochs\n      then split clusters below 0.99\n      then continue\n    phase main: 1 epochs"
    )
    made, observer = compiled(tmp_path_factory, small_text("weight_average ema", phases)), KeepStates()
    train(open_small(made), observer)
    assert "the average of the weights begins anew" in observer.lines
    assert load_checkpoint(made.checkpoint)[1].facts == {"average_steps": 2}


def test_a_run_without_an_average_says_so(kept: tuple[Place, KeepStates], capsys: pytest.CaptureFixture[str]) -> None:
    made, _ = kept
    assert made.swc("eval", "--average", "build/tiny/run") == 1
    assert "SW613" in capsys.readouterr().err


@pytest.mark.slow
def test_patience_brings_the_average_back_that_was_beside_the_best(
    given_scores: dict[tuple[str, int], float], tmp_path_factory: Factory
) -> None:
    text = PATIENT.replace("phase main", "weight_average ema(decay: 0.5)\n    phase main")
    made = compiled(tmp_path_factory, text)
    train(open_small(made))
    _, meta = load_checkpoint(made.checkpoint)
    assert meta.facts["average_steps"] == 8  # the second epoch of main, then the second of the rest
    check_same_bits(trained_small(tmp_path_factory, text, 7, 6), made)


class Notes:
    """A tracker that notes the names of numbers."""

    def __init__(self) -> None:
        self.named: set[str] = set()

    def numbers(self, numbers: dict[str, float], epoch: int) -> None:
        self.named |= numbers.keys()

    def __getattr__(self, name: str) -> object:
        return lambda *_: None


@pytest.mark.slow
def test_a_tracker_hears_of_the_average(tmp_path_factory: Factory) -> None:
    run, notes = (
        open_small(compiled(tmp_path_factory, small_text("weight_average ema", "phase main: 1 epochs"))),
        Notes(),
    )
    train(run, TrackedRun(run, notes))  # type: ignore[arg-type]
    assert "main/average/validation/nll/ensemble" in notes.named
    assert {"final/test/nll/ensemble", "final/average/test/nll/ensemble"} <= notes.named
