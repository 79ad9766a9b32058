"""What Gaussian predictive distributions are worth, and the noise that makes them worth most.

Takes means and variances [N, T] and what was observed; gives scores. Guarantees: computed in float64.

The CRPS is that of the Gaussian in closed form, not that of the empirical distribution of the members: it judges the
distribution that the NLL and the intervals are of, noise included, and does not depend on how few the members are.

Suffixes: N images, T targets, G points of a grid.
"""

from __future__ import annotations

from math import pi, sqrt

import torch
from torch import Tensor

LEAST = 1e-12  # of a noise variance, in squared deviations of a target: less is what rounding leaves of none
POINTS = 65  # of the grid on which noise is looked for
ROUNDS = 40  # halvings of the logarithm's interval between two of them, to 1e-12 of the noise
AT_ONCE = 1 << 20  # numbers that are computed together: small ones are slow one by one, and large ones take memory


def nll(mean_NT: Tensor, variance_NT: Tensor, observed_NT: Tensor) -> Tensor:
    """Minus the log density [N, T], in nats."""
    return 0.5 * ((2 * pi * variance_NT).log() + (observed_NT - mean_NT).square() / variance_NT)


def crps(mean_NT: Tensor, variance_NT: Tensor, observed_NT: Tensor) -> Tensor:
    """The continuous ranked probability score [N, T], in the unit of the mean.

    s (z (2 F(z) - 1) + 2 f(z) - 1 / sqrt(pi)), with z = (y - m) / s and F and f of the standard Gaussian. Source:
    Gneiting and Raftery, Strictly Proper Scoring Rules, Prediction, and Estimation, 2007, equation 21.
    """
    deviation_NT = variance_NT.sqrt()
    z_NT = (observed_NT - mean_NT) / deviation_NT
    density_NT = (-0.5 * z_NT.square()).exp() / sqrt(2 * pi)
    below_NT: Tensor = torch.special.ndtr(z_NT)
    return deviation_NT * (z_NT * (2 * below_NT - 1) + 2 * density_NT - 1 / sqrt(pi))


def coverage(mean_NT: Tensor, variance_NT: Tensor, observed_NT: Tensor, level: float) -> float:
    """The share of observations in the central interval that should hold `level` of them, both ends included."""
    half = float(torch.special.ndtri(torch.tensor(0.5 + level / 2, dtype=torch.float64)))
    return float(((observed_NT - mean_NT).abs() <= half * variance_NT.sqrt()).double().mean())


def fit_noise(mean_NT: Tensor, spread_NT: Tensor, observed_NT: Tensor) -> Tensor:
    """The noise variance [T] with the least mean NLL when it is added to the spread; ValueError without images.

    Of a spread of zero it is the mean squared error. It lies between `LEAST` and the largest squared error, where each
    image's density falls with more noise; beside the best point of a grid, as there may be several minima, the slope of
    the NLL is followed to where it changes its sign.
    """
    if len(mean_NT) == 0:
        raise ValueError("there are no images to fit noise on")
    squared_NT = (observed_NT - mean_NT).square()
    highest_T = squared_NT.amax(0).clamp(min=LEAST)
    steps_G = torch.linspace(0, 1, POINTS, dtype=torch.float64, device=mean_NT.device)
    grid_GT = LEAST * (highest_T / LEAST) ** steps_G[:, None]
    many = max(1, AT_ONCE // squared_NT.numel())
    losses_GT = torch.cat([_loss(noise_GT, spread_NT, squared_NT) for noise_GT in torch.split(grid_GT, many)])
    best_T = losses_GT.argmin(0)
    low_T = grid_GT.gather(0, (best_T - 1).clamp(min=0)[None])[0]
    high_T = grid_GT.gather(0, (best_T + 1).clamp(max=len(grid_GT) - 1)[None])[0]
    for _ in range(ROUNDS):
        middle_T = (low_T * high_T).sqrt()
        falls_T = _slope(middle_T, spread_NT, squared_NT) < 0
        low_T, high_T = middle_T.where(falls_T, low_T), high_T.where(falls_T, middle_T)
    return (low_T * high_T).sqrt()


def _loss(noise_GT: Tensor, spread_NT: Tensor, squared_NT: Tensor) -> Tensor:
    """Twice the mean NLL [G, T], up to a constant."""
    variance_GNT = spread_NT + noise_GT[:, None]
    return (variance_GNT.log() + squared_NT / variance_GNT).mean(1)


def _slope(noise_T: Tensor, spread_NT: Tensor, squared_NT: Tensor) -> Tensor:
    """The derivative of `_loss` by the noise, [T]."""
    variance_NT = spread_NT + noise_T
    return ((variance_NT - squared_NT) / variance_NT.square()).mean(0)
