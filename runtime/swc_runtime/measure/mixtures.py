"""What pretrained `shapeshifter` layers took of their bank's templates, for the compiler to group them by.

Takes an ensemble; gives feedback. Guarantees: layers in the order of the program.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from swc.program.expressions import Mix, Resize, Stored
from swc.program.feedback import GroupFeedback, Mixture
from swc.program.program import WeightPlan

from swc_runtime.ensemble import Ensemble
from swc_runtime.weights.expressions.evaluate import softmaxed


def measure_mixtures(ensemble: Ensemble) -> GroupFeedback:
    """The weights of the templates of every layer that mixes them by a softmax (paper, supplementary section 1.1.1)."""
    program = ensemble.program
    stored = {plan.id: tensor.detach() for plan, tensor in zip(program.tensors, ensemble.tensors, strict=True)}
    return GroupFeedback(program.revision, tuple(_mixtures(program.weights, stored)))


def _mixtures(weights: tuple[WeightPlan, ...], stored: Mapping[str, torch.Tensor]) -> Iterator[Mixture]:
    for weight in weights:
        mix = weight.expression.of if isinstance(weight.expression, Resize) else weight.expression
        if isinstance(mix, Mix) and mix.softmax and isinstance(mix.of, Stored):
            yield Mixture(weight.layer, mix.of.tensor, tuple(softmaxed(stored[mix.by]).tolist()))
