"""Averages of an ensemble's numbers over the steps of its training.

Takes what a recipe asks and, after each step, the ensemble; gives the average by the ids of the state. Guarantees: the
average depends on the states it has seen alone, and is kept to the bit; an ensemble that is shown it gets its own
numbers back.

What is averaged is what is stored: templates, coefficients, stored tensors, the members' own parameters, and the
running statistics of norms with them. A composed weight is then made of averages, which is not quite the average of
composed weights. Numbers that are no floats (counters) are those of the last step, and so are tensors that hold
infinities, as masks of attention do: between two of them there is no mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from attrs import define, field
from swc.program.training import WeightAverage
from swc.registry.averages import AVERAGES
from torch import Tensor

from swc_runtime.ensemble import Ensemble, load_state_tensors, state_tensors
from swc_runtime.finite import named_where


@define(eq=False)
class AveragedWeights:
    """The average of the states after `steps` steps; no `tensors` before the first."""

    average: WeightAverage
    tensors: Mapping[str, Tensor] = field(factory=dict)
    steps: int = 0
    _endless: frozenset[str] | None = field(default=None, init=False)  # tensors that hold infinities

    def update(self, ensemble: Ensemble) -> None:
        """Take the state after another step into the average."""
        now = state_tensors(ensemble)
        if self.steps == 0:
            self.tensors = {name: tensor.clone() for name, tensor in now.items()}
        else:
            self._move(now, self._share())
        self.steps += 1

    def _share(self) -> float:
        """What share of the average the state at hand gets; DiagnosticError where a plug-in's is none."""
        share = AVERAGES.call(self.average.name, self.steps, **self.average.values)
        if not isinstance(share, int | float) or not 0 <= share <= 1:
            raise AVERAGES.wrong_result(self.average.name, f"gives {share!r}, not a share from 0 to 1")
        return float(share)

    def _move(self, now: Mapping[str, Tensor], share: float) -> None:
        if self._endless is None:
            self._endless = named_where(self.tensors, lambda tensor: ~tensor.isfinite())
        smooth = [name for name, tensor in now.items() if tensor.is_floating_point() and name not in self._endless]
        torch._foreach_lerp_([self.tensors[name] for name in smooth], [now[name] for name in smooth], share)
        for name in now.keys() - set(smooth):
            self.tensors[name].copy_(now[name])

    def copy(self) -> AveragedWeights:
        """The same, of which nothing changes any more."""
        return AveragedWeights(self.average, {name: t.clone() for name, t in self.tensors.items()}, self.steps)

    @contextmanager
    def inside(self, ensemble: Ensemble, *, keeps: bool = False) -> Iterator[None]:
        """Inside, the ensemble has the average; afterwards its own numbers again.

        With `keeps` the average becomes what was made of it inside. ValueError before the first step.
        """
        if not self.tensors:
            raise ValueError("nothing was averaged yet")
        own = {name: tensor.clone() for name, tensor in state_tensors(ensemble).items()}
        load_state_tensors(ensemble, self.tensors)
        try:
            yield
            if keeps:
                self.tensors = {name: tensor.clone() for name, tensor in state_tensors(ensemble).items()}
        finally:
            load_state_tensors(ensemble, own)


def ema(steps: int, decay: float) -> float:
    """The same share of each state: what it has in the average decays by `decay` a step."""
    return 1 - decay
