"""The composed weights of one training step: leaves for the members, and the way of their gradients to the banks.

Takes what an ensemble stores; gives `StepWeights`. Guarantees: weights are made once, in memory that is kept from step
to step; a gradient takes its weight's place as soon as its member has run, so that those of one member live beside the
weights at a time; what is stored gets its gradients from autograd, hooks and all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from attrs import frozen
from swc.program.program import WeightPlan
from torch import Tensor
from torch.autograd.function import once_differentiable

from swc_runtime.weights.compose import StoredBanks
from swc_runtime.weights.expressions.evaluate import weight_of
from swc_runtime.weights.kernels.reference import Kernels
from swc_runtime.weights.plan import CompositionPlan


@frozen(eq=False)
class Sources:
    """What weights are made of: banks, and stored tensors by id."""

    stored: StoredBanks
    tensors: Mapping[str, Tensor]


class StepWeights:
    """`leaves` are the weights, in the order of `weights`: each a leaf that gathers its gradient.

    They are good until `finish` or until the next step is made, whichever is first.
    """

    def __init__(
        self,
        weights: Sequence[WeightPlan],
        plan: CompositionPlan,
        kernels: Kernels,
        sources: Sources,
        dtype: torch.dtype | None = None,
    ) -> None:
        self._plan = plan
        self._made = kernels.make(sources.stored, dtype) if plan.outputs else ()
        self._gradients: list[Tensor | None] = [None] * len(self._made)
        # Members see leaves: their backward passes end here, one member at a time, and the way to the banks is taken
        # once.
        self._sources = [tensor.detach().requires_grad_() for tensor in self._made]
        with torch.enable_grad():
            self._carry = carried(kernels, self._gradients, sources.stored) if plan.outputs else None
            self._derived = self._evaluated(weights, sources.tensors)
        output = {number: place for place, number in enumerate(plan.direct)}
        self._output = [output.get(number) for number in range(len(weights))]
        self.leaves = tuple(
            self._derived[number].detach().requires_grad_() if place is None else self._sources[place]
            for number, place in enumerate(self._output)
        )

    def _evaluated(self, weights: Sequence[WeightPlan], tensors: Mapping[str, Tensor]) -> dict[int, Tensor]:
        """The weights that are more than template blocks, by number, differentiable down to whole SuperWeights."""
        direct = set(self._plan.direct)
        rows = dict(zip(self._plan.rows, self._sources[len(direct) :], strict=True))
        others = ((number, weight) for number, weight in enumerate(weights) if number not in direct)
        return {number: weight_of(weight.expression, rows, tensors) for number, weight in others}

    def settle(self, numbers: Sequence[int]) -> None:
        """Take the gradients of these weights from their leaves, which are used no more."""
        for number in numbers:
            place = self._output[number]
            if place is not None:
                self._take(place)

    def _take(self, place: int) -> None:
        leaf = self._sources[place]
        gradient, leaf.grad = leaf.grad, None
        if gradient is not None:
            # The weight is not read again in this step, so its memory can hold its gradient: of all gradients only
            # those of the member that has just run need memory beside the weights.
            replaces = self._plan.replaceable[place]
            self._gradients[place] = self._made[place].copy_(gradient) if replaces else gradient

    def finish(self) -> None:
        """Push the gradients that are on the leaves, or were settled, to what is stored."""
        reached = [(made, self.leaves[number].grad) for number, made in self._derived.items()]
        reached = [(made, gradient) for made, gradient in reached if gradient is not None]
        if reached:
            torch.autograd.backward([made for made, _ in reached], [gradient for _, gradient in reached])
        for place in range(len(self._made)):
            self._take(place)
        if self._carry is not None and self._carry.requires_grad and any(g is not None for g in self._gradients):
            torch.autograd.backward(self._carry)


def carried(kernels: Kernels, gradients: list[Tensor | None], stored: StoredBanks) -> Tensor:
    """An empty tensor whose backward pass takes what then is in `gradients` to templates and tables."""
    made: Tensor = _Carry.apply(kernels, gradients, (stored.indices, stored.gains), *stored.templates, *stored.tables)
    return made


_Fixed = tuple[tuple[Tensor, ...], tuple[Tensor | None, ...]]  # indices and gains of `StoredBanks`


class _Carry(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, kernels: Kernels, gradients: list[Tensor | None], fixed: _Fixed, *stored: Tensor) -> Tensor:
        """`stored` are the templates, then the tables; `fixed` what has no gradient."""
        ctx.kernels, ctx.gradients, ctx.fixed = kernels, gradients, fixed
        ctx.save_for_backward(*stored)
        # a scalar whose gradient starts `backward`; its value means nothing
        return stored[0].new_zeros(())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, _: Tensor) -> tuple[Tensor | None, ...]:
        indices, gains = ctx.fixed
        half = len(indices)
        stored = StoredBanks(indices, ctx.saved_tensors[:half], ctx.saved_tensors[half:], gains)
        return (None, None, None, *ctx.kernels.pull(ctx.gradients, stored))
