"""Hierarchical distillation: the members of a network learn the labels, and its whole ensemble teaches its parts.

Source: Ruiz and Verbeek, Anytime Inference with Distilled Hierarchical Neural Ensembles, 2021; paper, supplementary
section 1.1.1. See `hierarchical` for the loss.
"""

from __future__ import annotations

from torch import Tensor

from swc_runtime.ensemble import Ensemble
from swc_runtime.training.steps.hierarchical import hierarchical_loss
from swc_runtime.training.steps.independent import all_on_all
from swc_runtime.training.steps.step import Batch, Outcome, StepOptions


def distilled(ensemble: Ensemble, batch: Batch, options: StepOptions) -> Outcome:
    """Gradients of the hierarchical losses of all networks; the recipe's loss has no part in it (SW166)."""
    weight, temperature = (float(ensemble.program.step[name]) for name in ("weight", "temperature"))

    def losses(logits_MBC: Tensor, part: Batch, _: StepOptions) -> Tensor:
        return hierarchical_loss(logits_MBC, part.labels, weight, temperature) * len(part.labels)

    return all_on_all(ensemble, batch, options, losses)
