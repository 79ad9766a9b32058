"""What an optimiser keeps for each parameter, as its row declares it: by stable ids, in and out of torch's own.

Takes an ensemble, its optimiser and the recipe that made it; gives `OptimiserState`. Guarantees: state leaves and
enters by the ids of `state_parameters`, free of torch's own numbering, and to the bit; a parameter has all of its state
or none.

Checkpoints hold each tensor under the name of its row and the parameter's id: `momentum/bank/c0.1`,
`second_moment/member/deep/head.weight`.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from attrs import field, frozen
from swc.program.training import Recipe
from swc.registry.optimisers import StateRow
from torch import Tensor, nn

from swc_runtime.ensemble import Ensemble, state_parameters

ByParameter = dict[str, Tensor]


@frozen(eq=False)
class OptimiserState:
    """The state of parameters by the name of its row, then by the parameter's id; `rows` are those that are kept."""

    rows: tuple[StateRow, ...] = ()
    tensors: Mapping[str, ByParameter] = field(factory=dict)

    @classmethod
    def of_named(cls, rows: tuple[StateRow, ...], named: Mapping[str, Tensor]) -> OptimiserState:
        """The way back from `named`; tensors of no row are left out, as those of a checkpoint that are other things."""
        tensors: dict[str, ByParameter] = {row.name: {} for row in rows}
        for name, tensor in named.items():
            kind, _, parameter = name.partition("/")
            if kind in tensors:
                tensors[kind][parameter] = tensor
        return cls(rows, tensors)

    def named(self) -> dict[str, Tensor]:
        """All tensors as a checkpoint names them, no copies."""
        return {f"{row.name}/{name}": t for row in self.rows for name, t in self.of(row).items()}

    def of(self, row: StateRow) -> ByParameter:
        """The tensors of a row by the parameter's id."""
        return self.tensors.get(row.name, {})


NO_STATE = OptimiserState()


def optimiser_state(ensemble: Ensemble, optimiser: torch.optim.Optimizer, recipe: Recipe) -> OptimiserState:
    """The state of each parameter, no copies; parameters that never had a gradient may have none."""
    rows, named = recipe.optimiser.state, state_parameters(ensemble)
    held = {name: optimiser.state.get(parameter, {}) for name, parameter in named.items()}
    tensors = {
        row.name: {name: torch.as_tensor(own[row.key]) for name, own in held.items() if own.get(row.key) is not None}
        for row in rows
    }
    return OptimiserState(rows, tensors)


def load_optimiser_state(ensemble: Ensemble, optimiser: torch.optim.Optimizer, state: OptimiserState) -> None:
    """Give a fresh optimiser its state; parameters without any begin as at the first step.

    ValueError for an id or a shape that the ensemble does not have, and where a part of a parameter's state is missing.
    """
    named = state_parameters(ensemble)
    _check_fits(named, state)
    groups = {parameter: group for group in optimiser.param_groups for parameter in group["params"]}
    for row in state.rows:
        for name, tensor in state.of(row).items():
            parameter = named[name]
            optimiser.state[parameter][row.key] = _placed(row, tensor, parameter, groups[parameter])


def _check_fits(named: Mapping[str, nn.Parameter], state: OptimiserState) -> None:
    names = {name for row in state.rows for name in state.of(row)}
    unlike = {
        name
        for row in state.rows
        for name, tensor in state.of(row).items()
        if name not in named or tensor.shape != (named[name].shape if row.shape == "parameter" else ())
    }
    partly = {name for row in state.rows for name in names if name not in state.of(row)}
    if wrong := sorted(unlike | partly):
        shown = ", ".join(f"`{name}`" for name in wrong)
        raise ValueError(f"the optimiser's state does not fit the program: {shown}")


def _placed(row: StateRow, tensor: Tensor, parameter: nn.Parameter, group: Mapping[str, object]) -> Tensor:
    """A copy where the optimiser wants it.

    A tensor takes the parameter's memory layout, which the fused kernel relies on. A number stays on the CPU, so that
    it can be read without waiting for the device, unless the kernel itself counts (torch's own rule).
    """
    if row.shape == "parameter":
        return torch.empty_like(parameter.detach()).copy_(tensor)
    counts = bool(group.get("fused") or group.get("capturable"))
    return tensor.detach().to(parameter.device if counts else "cpu", copy=True)
