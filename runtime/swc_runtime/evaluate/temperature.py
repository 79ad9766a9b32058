"""Temperature scaling: one number that makes a predictor's confidence right.

Takes probabilities and labels of a calibration split; gives the temperature, and probabilities at it. Guarantees: the
most probable class stays the same; the temperature is the one minimum of the NLL in its range.
Suffixes: N images, C classes.
"""

from __future__ import annotations

import torch
from torch import Tensor

LEAST, MOST = 0.05, 20.0  # beyond these a predictor is always certain, or never


def fit_temperature(probabilities_NC: Tensor, labels_N: Tensor) -> float:
    """The temperature with the least NLL; ValueError without images. Source: Guo et al., 2017.

    The NLL is convex in the inverse temperature, so bounded search finds its minimum.
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
    return probabilities_NC.double().clamp(min=torch.finfo(torch.float32).tiny).log()
