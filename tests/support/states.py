"""Optimisers' state to test with."""

from __future__ import annotations

from collections.abc import Mapping

from swc.program.training import Optimiser
from torch import Tensor

from swc_runtime.training.optimiser_state import OptimiserState


def moving(momentum: Mapping[str, Tensor]) -> OptimiserState:
    """The state of stochastic gradient descent with this momentum, by the parameters' ids."""
    return OptimiserState(Optimiser().state, {"momentum": dict(momentum)})
