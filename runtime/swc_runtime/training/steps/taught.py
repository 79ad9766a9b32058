"""Distillation from a trained ensemble: the members learn the labels, and what a teacher says of the same images.

Guarantees: the teacher sees each batch once, augmented as the members see it, in eval mode; no gradient reaches it, and
nothing of it changes. With `weight` 0 this is `independent`.

Source: Hinton, Vinyals and Dean, Distilling the Knowledge in a Neural Network, 2015, sections 2 and 3.

Suffixes: M members, T members of the teacher, B images, C classes.
"""

from __future__ import annotations

from attrs import evolve
from torch import Tensor

from swc_runtime.ensemble import Ensemble
from swc_runtime.training.steps.independent import all_on_all
from swc_runtime.training.steps.losses import recipe_losses, soft_cross_entropies
from swc_runtime.training.steps.step import Batch, Outcome, StepOptions


def taught(ensemble: Ensemble, batch: Batch, options: StepOptions) -> Outcome:
    """Gradients of the summed losses (1 - w) x the recipe's + w x t^2 x cross-entropy under the teacher.

    Both sides of the second are at temperature t: the teacher is the mean of its members' softmax of logits / t. Its
    gradient shrinks as 1 / t^2, which the factor makes up for. ValueError where there is no teacher.
    """
    weight, temperature = (float(ensemble.program.step[name]) for name in ("weight", "temperature"))
    if options.teacher is None:
        raise ValueError("`step taught` needs a teacher")
    targets_BC = (options.teacher(batch.inputs) / temperature).softmax(-1).mean(0)

    def losses(logits_MBC: Tensor, part: Batch, options: StepOptions) -> Tensor:
        assert part.targets is not None, "the whole batch has them"
        soft_M = soft_cross_entropies(logits_MBC / temperature, part.targets)
        return (1 - weight) * recipe_losses(logits_MBC, part.wanted, options) + weight * temperature**2 * soft_M

    return all_on_all(ensemble, evolve(batch, targets=targets_BC), options, losses)
