from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from support.examples import percent
from support.programs import ensemble_of, images, tiny_program
from swc_runtime.evaluate import evaluate, predict, predict_logits
from swc_runtime.evaluate.metrics import score, score_ensemble
from swc_runtime.precision import Arithmetic
from swc_runtime.tasks.class_scores import doubt

FULL = Arithmetic("cpu", torch.float32, "tests")


def plain_scores(p: np.ndarray, labels: np.ndarray) -> tuple[float, float, float]:
    """Written from the definitions, one image and one bin at a time."""
    confidence, predicted = p.max(1), p.argmax(1)
    hit = predicted == labels
    gap = 0.0
    for b in range(15):
        inside = [n for n, c in enumerate(confidence) if b / 15 <= c < (b + 1) / 15 or (b == 14 and c >= 1)]
        if inside:
            gap += len(inside) / len(labels) * abs(hit[inside].mean() - confidence[inside].mean())
    at_label = np.maximum(p[np.arange(len(labels)), labels], np.finfo(np.float64).tiny)
    return float(hit.mean()), float(-np.log(at_label).mean()), gap


@percent(40)
@given(st.integers(1, 60), st.integers(2, 12), st.floats(0.1, 60), st.integers(0, 10_000))
def test_scores_equal_the_definitions(num: int, classes: int, sharpness: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits = torch.from_numpy(rng.normal(size=(num, classes)) * sharpness)
    p, labels = logits.softmax(-1), torch.from_numpy(rng.integers(0, classes, num))
    scores = score(p, labels)
    top1, nll, ece = plain_scores(p.numpy(), labels.numpy())
    assert scores.top1 == pytest.approx(top1, abs=1e-7)
    assert scores.nll == pytest.approx(nll, rel=1e-6)
    assert scores.ece == pytest.approx(ece, abs=1e-6)
    assert scores.num_images == num


def test_certain_predictions_share_the_last_bin_with_nearly_certain_ones() -> None:
    p = torch.tensor([[1.0, 0.0], [0.96, 0.04]])
    # right at 1.0 and wrong at 0.96: one bin of accuracy 0.5 and confidence 0.98
    assert score(p, torch.tensor([0, 1])).ece == pytest.approx(0.48, abs=1e-6)


def test_a_mean_that_rounds_above_one_is_still_a_probability() -> None:
    p = torch.tensor([[1.0 + 1e-7, 0.0], [0.75, 0.25]])
    assert score(p, torch.tensor([0, 0])).ece == pytest.approx(0.125, abs=1e-6)


def test_an_impossible_label_costs_much_but_not_infinitely_much() -> None:
    assert score(torch.tensor([[1.0, 0.0]]), torch.tensor([1])).nll == pytest.approx(708.3964, abs=1e-3)


def test_the_ensemble_is_the_mean_of_probabilities_not_of_logits() -> None:
    logits = torch.tensor([[[9.0, 0.0, 0.0]], [[0.0, 3.0, 0.0]], [[0.0, 3.0, 0.0]]])
    assert logits.mean(0).argmax() == 0  # the mean of logits would choose another class
    together = score_ensemble(logits.softmax(-1), torch.tensor([1])).ensemble
    assert together.top1 == 1.0
    assert together.nll == pytest.approx(-float(logits.softmax(-1).mean(0)[0, 1].log()), rel=1e-6)


def test_no_images_are_refused() -> None:
    with pytest.raises(ValueError, match="no images"):
        score(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64))


def test_predictions_are_those_of_each_member_in_eval_mode() -> None:
    ensemble = ensemble_of(tiny_program(((1, 3, 3), (1, 4, 4)), (("0",), ("1",))), torch.float32)
    ensemble.train()
    ensemble.members[1].norms[0].eval()
    state = {name: t.clone() for name, t in ensemble.state_dict().items()}
    batches = [(images(4, n, torch.float32), torch.tensor([0, 1, 1, 0])) for n in range(3)]
    p, labels = predict(ensemble, batches, FULL)
    assert all(torch.equal(t, state[name]) for name, t in ensemble.state_dict().items())
    assert ensemble.training and ensemble.members[0].norms[0].training
    assert not ensemble.members[1].norms[0].training
    ensemble.eval()
    with torch.no_grad():
        expected = torch.cat([ensemble(x).double().softmax(-1) for x, _ in batches], 1)
    torch.testing.assert_close(p, expected)
    assert labels.tolist() == [0, 1, 1, 0] * 3
    ece, members = evaluate(ensemble, batches, FULL).ensemble.ece, evaluate(ensemble, batches, FULL).members
    assert 0 <= ece <= 1 and len(members) == 2


def test_in_bfloat16_the_weights_are_still_composed_in_full() -> None:
    ensemble = ensemble_of(tiny_program(((1, 3, 3),), (("0",), ("1",))), torch.float32)
    batches = [(images(4, 0, torch.float32), torch.zeros(4, dtype=torch.int64))]
    half = Arithmetic("cpu", torch.bfloat16, "tests")
    logits, _ = predict_logits(ensemble, batches, half)
    p, _ = predict(ensemble, batches, half)
    assert (logits.dtype, p.dtype) == (torch.float32, torch.float64)
    torch.testing.assert_close(p.sum(-1), torch.ones(1, 4, dtype=torch.float64))


def test_probabilities_of_sure_members_are_told_apart() -> None:
    """From a margin of 17 on a softmax in float32 is 1, from 37 on one less it is 0 in float64 too."""
    ensemble = ensemble_of(tiny_program(((1, 3, 3),), (("0",), ("1",))), torch.float32)
    x = images(4, 0, torch.float32) * torch.tensor([1.0, 2e2, 1e3, 3e3])[:, None, None, None]
    logits, _ = predict_logits(ensemble, [(x, torch.zeros(4, dtype=torch.int64))], FULL)
    p, _ = predict(ensemble, [(x, torch.zeros(4, dtype=torch.int64))], FULL)
    margins = (logits[0].amax(-1) - logits[0].amin(-1)).double()  # of two classes
    assert 17 < margins[1:].max() < 700 and margins.unique().numel() == 4
    torch.testing.assert_close(doubt(p[0]), torch.sigmoid(-margins))


def test_images_that_are_all_but_sure_are_ranked_by_what_is_left() -> None:
    margins = torch.tensor([20.0, 40.0, 50.0, 60.0], dtype=torch.float64)
    p = torch.stack([margins, torch.zeros(4, dtype=torch.float64)], -1).softmax(-1)
    right = score(p, torch.tensor([1, 0, 0, 0])).aurc  # the least sure is the one that is wrong
    assert right == pytest.approx((1 / 4) / 4)
    assert score(p, torch.tensor([0, 0, 0, 1])).aurc == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4) / 4)


def test_nothing_to_predict_is_refused() -> None:
    ensemble = ensemble_of(tiny_program(((1, 3, 3),), (("0",), ("1",))))
    with pytest.raises(ValueError, match="no images"):
        predict(ensemble, [], FULL)
