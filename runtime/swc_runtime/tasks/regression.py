"""Numbers for each image: squared errors, and what the spread of the members is worth.

Takes outputs in deviations of their targets, and standardised targets; gives scores in the targets' own units.
Guarantees: an ensemble predicts the mean of its members; its predictive distribution is a Gaussian around that, whose
variance is the members' (a mean over all of them, 0 of one) plus a noise variance for each target, which other images
were fitted on. Without such images there is no density, and what needs one is nan. Of several targets, scores are
means over them, as scikit-learn's `uniform_average`; `rmse[T]` and `mae[T]` are those of target T. The NRMSE weighs
all targets alike, whatever their units, so that states, settings and subsets are chosen by it.

Source: Lakshminarayanan, Pritzel and Blundell, Simple and Scalable Predictive Uncertainty Estimation using Deep
Ensembles, 2017, section 2.4, where each member states a variance; here the noise is one number that is fitted.

Suffixes: M members, B images of a batch, N images, T targets.
"""

from __future__ import annotations

from math import nan, sqrt

import torch
from attrs import frozen
from swc.files.run import TargetScale
from swc.files.scores import MOST_SAMPLED, MOST_TARGETS, Bin, OutputDetails, Scores, TargetSample
from swc.program.task import Task
from torch import Tensor

from swc_runtime.tasks.gaussian import coverage, crps, fit_noise, nll
from swc_runtime.tasks.rules import Calibration, check_some, matrix_of, soft_sum

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # of the central intervals that the report draws
SHOWN = (0.5, 0.9)  # of those that are scores


@frozen
class Regression:
    """The rules of `task regression`; without a `scale` units are deviations of the targets."""

    task: Task
    scale: TargetScale | None = None

    def predictions(self, outputs: Tensor) -> Tensor:
        """The outputs themselves."""
        return outputs

    def count(self, outputs_MBC: Tensor, targets: Tensor) -> Tensor:
        """Squared errors in own units, a mean over targets."""
        return soft_sum(self._own_errors(outputs_MBC, targets).square())

    def count_together(self, votes_BC: Tensor, num_members: int, targets: Tensor) -> Tensor:
        """The same of the mean of the members."""
        return self._own_errors(votes_BC / num_members, targets).square().mean(-1).sum()

    def counted(self, mean: float) -> float:
        """The root: the RMSE, of several targets over all of them at once."""
        return sqrt(mean)

    def imitation(self, outputs_MBC: Tensor, taught_BC: Tensor) -> Tensor:
        """Squared distances to what the other predicts, in deviations of the target."""
        return soft_sum((outputs_MBC - taught_BC.detach()).square())

    def score(self, predictions_MNC: Tensor, targets: Tensor, calibration: Calibration | None = None) -> Scores:
        """Errors of the mean, and what the Gaussian around it is worth where its noise could be fitted."""
        check_some(targets)
        mean_NT, spread_NT = _moments(predictions_MNC)
        wanted_NT, unit_T = targets.double(), self._units(mean_NT)
        errors_NT = (mean_NT - wanted_NT) * unit_T
        rmse_T, mae_T = errors_NT.square().mean(0).sqrt(), errors_NT.abs().mean(0)
        further = {
            "rmse": float(rmse_T.mean()),
            "nrmse": float((rmse_T / unit_T).mean()),
            "mae": float(mae_T.mean()),
            "r2": _r2(mean_NT, wanted_NT),
            **_by_target("rmse", rmse_T),
            **_by_target("mae", mae_T),
        }
        variance_NT = _variance(spread_NT, self._noise(predictions_MNC, calibration))
        if variance_NT is None:
            unknown = {"crps": nan, **{f"coverage{round(100 * level)}": nan for level in SHOWN}}
            return Scores(nan, nan, nan, len(targets), further={**further, **unknown})
        further["crps"] = float((crps(mean_NT, variance_NT, wanted_NT) * unit_T).mean())
        for level in SHOWN:
            further[f"coverage{round(100 * level)}"] = coverage(mean_NT, variance_NT, wanted_NT, level)
        density = float((nll(mean_NT, variance_NT, wanted_NT) + unit_T.log()).mean())
        return Scores(nan, density, nan, len(targets), further=further)

    def disagreement(self, predictions_MNC: Tensor, targets: Tensor) -> Tensor:
        """The mean squared difference of two members over the mean squared error of the first, in deviations."""
        predicted_MNT = predictions_MNC.double()
        apart_MM = (predicted_MNT[:, None] - predicted_MNT[None]).square().mean((-1, -2))
        return matrix_of(apart_MM, (predicted_MNT - targets.double()).square().mean((-1, -2)))

    def reliability(
        self, predictions_MNC: Tensor, targets: Tensor, calibration: Calibration | None = None
    ) -> tuple[Bin, ...]:
        """Of each central interval what it promises, and the share of the targets that lie in it."""
        mean_NT, spread_NT = _moments(predictions_MNC)
        variance_NT = _variance(spread_NT, self._noise(predictions_MNC, calibration))
        if variance_NT is None:
            return ()
        wanted_NT = targets.double()
        return tuple(Bin(len(targets), level, coverage(mean_NT, variance_NT, wanted_NT, level)) for level in LEVELS)

    def details(
        self, predictions_MNC: Tensor, targets: Tensor, calibration: Calibration | None = None
    ) -> OutputDetails:
        """Of each target some examples with what was said of them, in the target's own unit."""
        mean_NT, spread_NT = _moments(predictions_MNC)
        variance_NT = _variance(spread_NT, self._noise(predictions_MNC, calibration))
        rows, unit_T = _evenly(len(targets)), self._units(mean_NT)
        wanted, said = (self._own(values_NT[rows]) for values_NT in (targets.double(), mean_NT))
        spread = spread_NT[rows].sqrt() * unit_T
        deviation = spread.new_empty(0, len(unit_T)) if variance_NT is None else variance_NT[rows].sqrt() * unit_T
        shown = range(min(len(unit_T), MOST_TARGETS))
        columns = ([tuple(part[:, target].tolist()) for part in (wanted, said, spread, deviation)] for target in shown)
        return OutputDetails(targets=tuple(TargetSample(target, *own) for target, own in enumerate(columns)))

    def _own(self, values_NT: Tensor) -> Tensor:
        """Numbers in deviations of their targets, in the unit of these."""
        if self.scale is None:
            return values_NT
        return values_NT * values_NT.new_tensor(self.scale.deviation) + values_NT.new_tensor(self.scale.mean)

    def _noise(self, predictions_MNC: Tensor, calibration: Calibration | None) -> Tensor | None:
        """The variance of the noise [N, T] in deviations; None where there is nothing to fit it on.

        Where the scored images are those to fit on, the even ones have the noise of the odd ones, and these theirs.
        """
        if calibration is None or len(calibration.targets) == 0:
            return None
        mean_NT, spread_NT = _moments(calibration.predictions)
        wanted_NT = calibration.targets.double()
        if not calibration.is_scored:
            noise_T = fit_noise(mean_NT, spread_NT, wanted_NT)
            return noise_T.expand(predictions_MNC.shape[1], -1)
        if len(wanted_NT) < 2:
            return None
        noise_NT = torch.empty_like(mean_NT)
        halves = (slice(0, None, 2), slice(1, None, 2))
        for fitted, other in (halves, halves[::-1]):
            noise_NT[other] = fit_noise(mean_NT[fitted], spread_NT[fitted], wanted_NT[fitted])
        return noise_NT

    def _own_errors(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs - targets) * self._units(outputs)

    def _units(self, like: Tensor) -> Tensor:
        """The deviation of each target [T], in its own unit."""
        if self.scale is None:
            return like.new_ones(like.shape[-1])
        return like.new_tensor(self.scale.deviation)


def _moments(predictions_MNC: Tensor) -> tuple[Tensor, Tensor]:
    """The mean over members and their variance, both [N, T] in float64."""
    predicted_MNT = predictions_MNC.double()
    return predicted_MNT.mean(0), predicted_MNT.var(0, unbiased=False)


def _variance(spread_NT: Tensor, noise_NT: Tensor | None) -> Tensor | None:
    return None if noise_NT is None else spread_NT + noise_NT


def _evenly(count: int) -> list[int]:
    """At most `MOST_SAMPLED` numbers below `count`, evenly spaced from the first to the last: of 5, three are 0 2 4."""
    taken = min(count, MOST_SAMPLED)
    return [place * (count - 1) // max(1, taken - 1) for place in range(taken)]


def _r2(mean_NT: Tensor, wanted_NT: Tensor) -> float:
    """1 - squared errors / squared distances to the mean target, a mean over targets; nan where one is constant."""
    apart_T = (wanted_NT - wanted_NT.mean(0)).square().sum(0)
    found_T = 1 - (mean_NT - wanted_NT).square().sum(0) / apart_T
    return float(found_T.where(apart_T > 0, nan).mean())


def _by_target(name: str, values_T: Tensor) -> dict[str, float]:
    """A score of each of several targets, by its number."""
    return {f"{name}[{target}]": value for target, value in enumerate(values_T.tolist())} if len(values_T) > 1 else {}
