"""Scores of each task against scikit-learn, scipy and written-out formulas."""

from __future__ import annotations

from itertools import pairwise
from math import isnan, log

import numpy as np
import pytest
import torch
from attrs import evolve
from scipy.integrate import quad
from scipy.optimize import minimize_scalar
from scipy.stats import norm
from sklearn import metrics
from swc.files.run import TargetScale
from swc.program.datasets import DATASETS
from swc.program.task import Task
from swc.running.patience import chosen_by

from swc_runtime.evaluate.metrics import EnsembleScores
from swc_runtime.tasks import PLAIN, TaskRules, rules_of
from swc_runtime.tasks.gaussian import crps, fit_noise
from swc_runtime.tasks.rules import Calibration

DRAWS = np.random.default_rng(0)
UNIT = TargetScale((100.0, -3.0), (20.0, 0.5))
TARGETS = DRAWS.normal(size=(60, 2))
PREDICTED = TARGETS + DRAWS.normal(size=(4, 60, 2)) * (0.4, 0.8) + DRAWS.normal(size=(60, 2)) * 0.3
OTHERS = DRAWS.normal(size=(40, 2))
HELD = DRAWS.integers(0, 2, (60, 3))
LABELLED = 1 / (1 + np.exp(-(2 * HELD - 1 + DRAWS.normal(size=(3, 60, 3)) * 1.5)))


def rules(task: Task, scale: TargetScale | None = None) -> TaskRules:
    return rules_of(evolve(DATASETS["digits"], task=task), scale)


def own(values: np.ndarray) -> np.ndarray:
    """Numbers in their own units."""
    return values * np.array(UNIT.deviation) + np.array(UNIT.mean)


REGRESSION = rules(Task.of("regression", targets=2), UNIT)
MULTILABEL = rules(Task.of("multilabel"))
CALIBRATION = Calibration(torch.tensor(OTHERS + DRAWS.normal(size=(4, 40, 2))), torch.tensor(OTHERS))


def test_errors_are_scikit_learns_in_the_unit_of_the_targets() -> None:
    found = REGRESSION.score(torch.tensor(PREDICTED), torch.tensor(TARGETS))
    wanted, said = own(TARGETS), own(PREDICTED.mean(0))
    assert found.value("rmse") == pytest.approx(metrics.root_mean_squared_error(wanted, said), rel=1e-12)
    assert found.value("mae") == pytest.approx(metrics.mean_absolute_error(wanted, said), rel=1e-12)
    assert found.value("r2") == pytest.approx(metrics.r2_score(wanted, said), rel=1e-12)
    by_target = metrics.root_mean_squared_error(wanted, said, multioutput="raw_values")
    assert [found.value("rmse[0]"), found.value("rmse[1]")] == pytest.approx(by_target.tolist())
    assert found.value("nrmse") == pytest.approx(metrics.root_mean_squared_error(TARGETS, PREDICTED.mean(0)), rel=1e-12)
    assert found.num_images == 60 and isnan(found.top1)


def test_targets_in_any_unit_weigh_alike_in_what_is_chosen_by() -> None:
    """The first target is in the larger numbers: who knows the second better wins by the NRMSE, and not by the RMSE."""
    wanted = torch.tensor(TARGETS)
    first, second = (wanted + torch.tensor(off, dtype=torch.float64) for off in ((0.2, 0.4), (0.3, 0.1)))
    one, other = (REGRESSION.score(said[None], wanted) for said in (first, second))
    assert one.value("rmse") < other.value("rmse") and one.value("nrmse") > other.value("nrmse")
    task = Task.of("regression", targets=2)
    assert task.row.judged == task.row.ranking == task.row.score("nrmse")
    assert chosen_by(EnsembleScores((), one), task) > chosen_by(EnsembleScores((), other), task)


def test_without_images_to_fit_noise_on_no_density_is_stated() -> None:
    found = REGRESSION.score(torch.tensor(PREDICTED), torch.tensor(TARGETS))
    assert all(isnan(found.value(name)) for name in ("nll", "crps", "coverage50", "coverage90"))
    assert REGRESSION.reliability(torch.tensor(PREDICTED), torch.tensor(TARGETS)) == ()


def test_densities_are_those_of_scipys_gaussian_with_the_fitted_noise() -> None:
    found = REGRESSION.score(torch.tensor(PREDICTED), torch.tensor(TARGETS), CALIBRATION)
    fitted = CALIBRATION.predictions.numpy()
    noise = [_best_noise(fitted.mean(0)[:, t], fitted.var(0)[:, t], OTHERS[:, t]) for t in (0, 1)]
    deviation = np.sqrt(PREDICTED.var(0) + noise) * np.array(UNIT.deviation)
    law = norm(own(PREDICTED.mean(0)), deviation)
    assert found.nll == pytest.approx(-law.logpdf(own(TARGETS)).mean(), rel=1e-6)
    for level in (0.5, 0.9):
        low, high = law.interval(level)
        inside = ((own(TARGETS) >= low) & (own(TARGETS) <= high)).mean()
        assert found.value(f"coverage{round(100 * level)}") == pytest.approx(inside)
    bins = REGRESSION.reliability(torch.tensor(PREDICTED), torch.tensor(TARGETS), CALIBRATION)
    assert [one.confidence for one in bins] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
    assert bins[4].accuracy == found.value("coverage50") and bins[8].accuracy == found.value("coverage90")


def _best_noise(mean: np.ndarray, spread: np.ndarray, observed: np.ndarray) -> float:
    def loss(logarithm: float) -> float:
        return float(-norm(mean, np.sqrt(spread + np.exp(logarithm))).logpdf(observed).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-10, 5), method="bounded", options={"xatol": 1e-10}).x))


def test_the_noise_of_one_member_is_the_mean_squared_error() -> None:
    mean, wanted = torch.tensor(PREDICTED[0]), torch.tensor(TARGETS)
    found = fit_noise(mean, torch.zeros_like(mean), wanted)
    assert found.tolist() == pytest.approx((mean - wanted).square().mean(0).tolist(), rel=1e-9)


def test_noise_stays_finite_where_nothing_is_wrong_and_vanishes_where_members_spread_far() -> None:
    wanted = torch.tensor(TARGETS)
    assert 0 < float(fit_noise(wanted, torch.zeros_like(wanted), wanted).max()) < 1e-9
    assert float(fit_noise(wanted + 0.1, torch.ones_like(wanted), wanted).max()) < 1e-9
    with pytest.raises(ValueError, match="no images"):
        fit_noise(wanted[:0], wanted[:0], wanted[:0])


@pytest.mark.parametrize(("mean", "deviation", "observed"), [(0.0, 1.0, 0.3), (2.0, 0.5, -1.0), (-1.0, 3.0, -1.0)])
def test_the_crps_is_the_integral_that_defines_it(mean: float, deviation: float, observed: float) -> None:
    below, _ = quad(lambda x: norm.cdf(x, mean, deviation) ** 2, -30, observed)
    above, _ = quad(lambda x: (norm.cdf(x, mean, deviation) - 1) ** 2, observed, 30)
    given = (torch.tensor([[value]], dtype=torch.float64) for value in (mean, deviation**2, observed))
    assert float(crps(*given)) == pytest.approx(below + above, abs=1e-7)


def test_the_crps_of_a_certain_prediction_is_its_absolute_error_in_the_unit() -> None:
    certain = Calibration(torch.tensor(OTHERS)[None], torch.tensor(OTHERS))  # right on all: no noise
    found = REGRESSION.score(torch.tensor(PREDICTED[:1]), torch.tensor(TARGETS), certain)
    assert found.value("crps") == pytest.approx(found.value("mae"), rel=1e-4)


def test_images_that_are_scored_have_the_noise_of_the_other_half() -> None:
    predicted, wanted = torch.tensor(PREDICTED), torch.tensor(TARGETS)
    both = REGRESSION.score(predicted, wanted, Calibration(predicted, wanted, is_scored=True))
    halves = [slice(0, None, 2), slice(1, None, 2)]
    apart = [
        REGRESSION.score(predicted[:, one], wanted[one], Calibration(predicted[:, other], wanted[other])).nll
        for one, other in (halves, halves[::-1])
    ]
    assert both.nll == pytest.approx(sum(apart) / 2)


def test_another_unit_scales_errors_and_shifts_the_nll() -> None:
    plain = rules(Task.of("regression", targets=2), TargetScale((0.0, 0.0), (1.0, 1.0)))
    twice = rules(Task.of("regression", targets=2), TargetScale((5.0, 5.0), (2.0, 2.0)))
    given = (torch.tensor(PREDICTED), torch.tensor(TARGETS), CALIBRATION)
    one, other = plain.score(*given), twice.score(*given)
    assert other.value("rmse") == pytest.approx(2 * one.value("rmse"))
    assert other.value("crps") == pytest.approx(2 * one.value("crps"))
    assert other.nll == pytest.approx(one.nll + log(2))
    assert [other.value(n) for n in ("r2", "coverage90")] == pytest.approx([one.value(n) for n in ("r2", "coverage90")])


def test_what_is_counted_while_training_is_the_rmse_in_the_unit() -> None:
    outputs, wanted = torch.tensor(PREDICTED[:, :, :1]), torch.tensor(TARGETS[:, :1])
    one = rules(Task.of("regression"), TargetScale((0.0,), (20.0,)))
    counted = one.count(outputs, wanted) / 60
    expected = [20 * float(np.sqrt(((member - TARGETS[:, :1]) ** 2).mean())) for member in PREDICTED[:, :, :1]]
    assert [one.counted(value) for value in counted.tolist()] == pytest.approx(expected)
    together = one.counted(float(one.count_together(outputs.sum(0), 4, wanted)) / 60)
    assert together == pytest.approx(one.score(outputs, wanted).value("rmse"))


def test_a_sample_is_in_the_unit_of_its_target() -> None:
    found = REGRESSION.details(torch.tensor(PREDICTED), torch.tensor(TARGETS), CALIBRATION)
    assert [one.target for one in found.targets] == [0, 1] and found.labels == ()
    second = found.targets[1]
    assert second.observed == pytest.approx(own(TARGETS)[:, 1].tolist())
    assert second.predicted == pytest.approx(own(PREDICTED.mean(0))[:, 1].tolist())
    assert second.spread == pytest.approx((0.5 * PREDICTED.std(0))[:, 1].tolist())
    assert all(whole > part for whole, part in zip(second.deviation, second.spread, strict=True))
    without = REGRESSION.details(torch.tensor(PREDICTED), torch.tensor(TARGETS))
    assert without.targets[0].deviation == () and without.targets[0].predicted == found.targets[0].predicted


def test_many_examples_are_sampled_evenly_and_of_many_targets_the_first() -> None:
    wanted = torch.arange(1000.0)[:, None].expand(-1, 6)
    found = rules(Task.of("regression", targets=6)).details(wanted[None], wanted)
    assert [one.target for one in found.targets] == [0, 1, 2, 3]
    observed = found.targets[0].observed
    assert (len(observed), observed[0], observed[-1]) == (200, 0.0, 999.0)
    assert {round(later - earlier) for earlier, later in pairwise(observed)} == {5, 6}


def test_each_label_has_the_scores_that_the_means_are_of() -> None:
    given = (torch.tensor(LABELLED), torch.tensor(HELD).float())
    labels, whole = MULTILABEL.details(*given).labels, MULTILABEL.score(*given)
    assert [one.share for one in labels] == pytest.approx(HELD.mean(0).tolist())
    assert np.mean([one.average_precision for one in labels]) == pytest.approx(whole.value("map"))
    assert np.mean([one.f1 for one in labels]) == pytest.approx(whole.value("macro_f1"))


def test_members_of_a_regression_differ_by_their_squared_distance_over_the_error() -> None:
    found = REGRESSION.disagreement(torch.tensor(PREDICTED), torch.tensor(TARGETS))
    apart = ((PREDICTED[1] - PREDICTED[2]) ** 2).mean() / ((PREDICTED[1] - TARGETS) ** 2).mean()
    assert float(found[1, 2]) == pytest.approx(apart) and float(found[1, 1]) == 0


def test_labels_are_scored_as_scikit_learn_does() -> None:
    found = MULTILABEL.score(torch.tensor(LABELLED), torch.tensor(HELD).float())
    said, decided = LABELLED.mean(0), (LABELLED.mean(0) >= 0.5).astype(int)
    assert found.value("micro_f1") == pytest.approx(metrics.f1_score(HELD, decided, average="micro"))
    assert found.value("macro_f1") == pytest.approx(metrics.f1_score(HELD, decided, average="macro"))
    assert found.value("map") == pytest.approx(metrics.average_precision_score(HELD, said, average="macro"))
    losses = [metrics.log_loss(HELD[:, label], said[:, label]) for label in range(3)]
    assert found.nll == pytest.approx(np.mean(losses))


@pytest.mark.parametrize("logit", [3.0, 17.0, 24.0, 90.0])
def test_a_sure_wrong_yes_costs_what_a_sure_wrong_no_does(logit: float) -> None:
    """Members' outputs are float32; what is left of one beside their sigmoid is not."""
    outputs = torch.tensor([[[logit, -logit]]])
    for wanted in ([0.0, 0.0], [1.0, 1.0]):
        predicted, targets = MULTILABEL.predictions(outputs.double()), torch.tensor([wanted])
        right = min(logit + np.log1p(np.exp(-logit)), 53 * np.log(2)) / 2 + np.log1p(np.exp(-logit)) / 2
        assert MULTILABEL.score(predicted, targets).nll == pytest.approx(right, rel=1e-5)


def test_equal_probabilities_share_a_threshold_and_labels_that_nothing_has_are_left_out() -> None:
    held = np.array([[1, 0], [0, 0], [1, 0], [0, 0]])
    said = np.array([[0.9, 0.1], [0.8, 0.1], [0.8, 0.1], [0.1, 0.1]])
    found = MULTILABEL.score(torch.tensor(said)[None], torch.tensor(held).float())
    assert (
        found.value("map")
        == pytest.approx(5 / 6)
        == pytest.approx(metrics.average_precision_score(held[:, 0], said[:, 0]))
    )
    assert found.value("macro_f1") == pytest.approx(metrics.f1_score(held[:, 0], said[:, 0] >= 0.5))
    none = MULTILABEL.score(torch.tensor(said)[None, :, 1:], torch.tensor(held)[:, 1:].float())
    assert isnan(none.value("map")) and isnan(none.value("macro_f1"))


def test_the_ece_of_labels_is_the_gap_in_their_bins() -> None:
    said = torch.tensor([[0.95, 0.95, 0.05, 0.05]], dtype=torch.float64).T[None]
    found = MULTILABEL.score(said, torch.tensor([[1.0], [0.0], [0.0], [0.0]]))
    assert found.ece == pytest.approx((abs(0.95 - 0.5) + abs(0.05 - 0)) / 2)


def test_decisions_are_counted_by_the_sign_of_an_output() -> None:
    outputs = torch.tensor([[[3.0, -1.0], [0.5, 0.5]], [[-2.0, -1.0], [0.5, -0.9]]])
    wanted = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    assert MULTILABEL.count(outputs, wanted).tolist() == [1.5, 1.5]
    votes = MULTILABEL.predictions(outputs).sum(0)
    assert float(MULTILABEL.count_together(votes, 2, wanted)) == pytest.approx(2.0)


@pytest.mark.parametrize("one", [PLAIN, REGRESSION, MULTILABEL], ids=lambda one: one.task.name)
def test_what_a_row_declares_is_scored_and_an_imitation_is_least_of_itself(one: TaskRules) -> None:
    outputs = torch.tensor(PREDICTED[..., :2], requires_grad=True)
    wanted = torch.zeros(60, dtype=torch.int64) if one is PLAIN else torch.tensor((TARGETS > 0).astype(float))
    found = one.score(one.predictions(outputs.detach()), wanted, Calibration(outputs.detach(), wanted))
    assert all(not isnan(found.value(row.name)) for row in one.task.row.scores)
    losses = one.imitation(outputs, one.predictions(outputs[0]))
    assert losses.argmin() == 0
    assert len(one.disagreement(one.predictions(outputs.detach()), wanted)) == 4


def test_nothing_is_scored_without_images() -> None:
    for one in (PLAIN, REGRESSION, MULTILABEL):
        with pytest.raises(ValueError, match="no images"):
            one.score(torch.zeros(2, 0, 2), torch.zeros(0, 2) if one is not PLAIN else torch.zeros(0).long())
