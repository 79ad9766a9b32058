"""Temperature scaling: one number that makes a predictor's confidence right.

Takes probabilities and labels of a calibration split; gives the temperature, and probabilities at it. Guarantees: the
most probable class stays the same; a temperature that is used is the one minimum of the NLL, lies within its range, and
did good to images that it was not fitted on.
Suffixes: N images, C classes.
"""

from __future__ import annotations

import torch
from attrs import frozen
from torch import Tensor

LEAST, MOST = 0.05, 20.0  # beyond these a predictor is always certain, or never
NEAR = 1e-6  # nats per image: a bound that is no worse than this is the minimum
FEWEST = 20  # images to fit on


@frozen
class Temperature:
    """What logits are divided by; where it is 1 because none could be fitted, `unused` says why, else it is empty."""

    value: float
    unused: str = ""


def choose_temperature(probabilities_NC: Tensor, labels_N: Tensor) -> Temperature:
    """The temperature with the least NLL, or 1 with the reason why that is not used.

    The NLL of a predictor that is right on every image falls for ever as its temperature does; of few images chance
    decides. So a temperature is used only within its range, and where one fitted on either half of the images does good
    to the other.
    """
    if len(labels_N) < FEWEST:
        return Temperature(1.0, f"{len(labels_N)} images to fit on, where {FEWEST} are needed")
    if bool((probabilities_NC.argmax(-1) == labels_N).all()):
        return Temperature(1.0, "right on every image to fit on")
    found = fit_temperature(probabilities_NC, labels_N)
    if (bound := _bound_as_good(probabilities_NC, labels_N, found)) is not None:
        return Temperature(1.0, f"the best lies at the bound {bound:g} or beyond")
    if not _helps_elsewhere(probabilities_NC, labels_N):
        return Temperature(1.0, "fitted on half of the images it does no good to the other half")
    return Temperature(found)


def _bound_as_good(probabilities_NC: Tensor, labels_N: Tensor, temperature: float) -> float | None:
    """The bound at which the NLL is as low as at a temperature, up to rounding; the search stops short of it."""
    logits_NC = _logits(probabilities_NC)
    found = _summed_nll(logits_NC / temperature, labels_N)
    near = found + NEAR * len(labels_N)
    return next((bound for bound in (LEAST, MOST) if _summed_nll(logits_NC / bound, labels_N) <= near), None)


def _helps_elsewhere(probabilities_NC: Tensor, labels_N: Tensor) -> bool:
    """Whether temperatures of halves, one image here and one there, lower the NLL of the other halves."""
    halves = [slice(0, None, 2), slice(1, None, 2)]
    gained = 0.0
    for fitted, other in (halves, halves[::-1]):
        temperature = fit_temperature(probabilities_NC[fitted], labels_N[fitted])
        logits_NC, labels = _logits(probabilities_NC[other]), labels_N[other]
        gained += _summed_nll(logits_NC, labels) - _summed_nll(logits_NC / temperature, labels)
    return gained > 0


def _summed_nll(logits_NC: Tensor, labels_N: Tensor) -> float:
    return float(torch.nn.functional.cross_entropy(logits_NC, labels_N, reduction="sum"))


def fit_temperature(probabilities_NC: Tensor, labels_N: Tensor) -> float:
    """The temperature with the least NLL, within bounds; ValueError without images. Source: Guo et al., 2017.

    The NLL is convex in the inverse temperature, so bounded search finds its minimum. What it finds may be a bound: see
    `choose_temperature`.
    """
    from scipy.optimize import minimize_scalar

    if len(labels_N) == 0:
        raise ValueError("there are no images to fit a temperature on")
    logits_NC = _logits(probabilities_NC)

    def loss(inverse: float) -> float:
        return float(torch.nn.functional.cross_entropy(logits_NC * inverse, labels_N))

    found = minimize_scalar(loss, bounds=(1 / MOST, 1 / LEAST), method="bounded", options={"xatol": 1e-6})
    return float(1 / found.x)


def at_temperature(probabilities_NC: Tensor, temperature: float) -> Tensor:
    """The probabilities, in float64, of the same predictor with its logits divided by the temperature."""
    return (_logits(probabilities_NC) / temperature).softmax(-1)


def _logits(probabilities_NC: Tensor) -> Tensor:
    """Logits up to a constant per image, which softmax does not see; a probability of zero stays next to it."""
    return probabilities_NC.double().clamp(min=torch.finfo(torch.float64).tiny).log()
