"""What members take from the inputs that are trained on, before they are trained: the bins of embeddings.

Takes a fresh ensemble and the training part; changes buffers of members alone. Guarantees: members of families that
want nothing see nothing, and nothing is read for them; the buffers depend on the training part alone, not on its order,
and every process has those of all members, whichever of them run there: the first one's state becomes that of all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from swc_runtime.ensemble import Ensemble
from swc_runtime.inputs import Inputs, tensors_of


@runtime_checkable
class FitsInputs(Protocol):
    """A module of a family that is shown all inputs of the training part once."""

    def fit_inputs(self, inputs: Tensor) -> None:
        """Take what is wanted of inputs [N, ...], normalised as in training, without augmentation."""
        ...


def fit_inputs(ensemble: Ensemble, training_part: Callable[[], Iterable[tuple[Inputs, Tensor]]]) -> None:
    """Show the members of families that want it the inputs of the training part; `training_part` gives its batches."""
    wanting = _wanting(ensemble)
    if not wanting:
        return
    inputs = torch.cat([tensors_of(inputs)[0] for inputs, _ in training_part()])  # families take one input
    for module in wanting:
        module.fit_inputs(inputs)


def _wanting(ensemble: Ensemble) -> list[FitsInputs]:
    """The families' modules alone: code of others may have a method of that name for something else."""
    pairs = zip(ensemble.program.members, ensemble.members, strict=True)
    modules: list[nn.Module] = [module for plan, module in pairs if plan.source.kind == "family"]
    return [module for module in modules if isinstance(module, FitsInputs)]
