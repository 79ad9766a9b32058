"""Stochastic gradient descent over an ensemble, and its momentum by stable ids.

Takes an `Ensemble` and a `Recipe`; gives a torch optimiser. Guarantees: every parameter stands in exactly one group;
momentum leaves and enters by the ids of `state_parameters`, free of torch's own numbering.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from swc.program.training import Recipe
from torch import Tensor, nn

from swc_runtime.ensemble import Ensemble, state_parameters

NORMS = (
    nn.modules.batchnorm._NormBase,
    nn.GroupNorm,
    nn.LayerNorm,
    nn.RMSNorm,
)


def make_optimiser(ensemble: Ensemble, recipe: Recipe) -> torch.optim.SGD:
    """SGD in two groups, with and without weight decay; a rate per step comes from `set_learning_rate`.

    Coefficients have no weight decay where the recipe says so. Source: paper, supplementary section 1.
    """
    settings = recipe.optimiser
    roles = roles_of(ensemble)
    named = state_parameters(ensemble)
    groups = (
        {"params": [p for name, p in named.items() if roles[name] not in settings.no_decay]},
        {"params": [p for name, p in named.items() if roles[name] in settings.no_decay], "weight_decay": 0.0},
    )
    on_cuda = all(p.is_cuda for p in named.values())
    return torch.optim.SGD(
        [group for group in groups if group["params"]],
        lr=settings.lr,
        momentum=settings.momentum,
        nesterov=settings.nesterov,
        weight_decay=settings.weight_decay,
        **({"fused": True} if on_cuda else {"foreach": True}),  # foreach copes with mixed memory layouts
    )


def roles_of(ensemble: Ensemble) -> dict[str, str]:
    """The role of each parameter by id: `templates`, `coefficients`, `tensors`, `norms`, `biases` or `weights`.

    A norm's own bias counts among the norms.
    """
    return {name: _role(ensemble, name) for name in state_parameters(ensemble)}


def _role(ensemble: Ensemble, name: str) -> str:
    kind, _, rest = name.partition("/")
    if kind != "member":
        return {"bank": "templates", "coefficient": "coefficients", "tensor": "tensors"}[kind]
    member, _, path = rest.partition("/")
    owner, _, parameter = path.rpartition(".")
    if isinstance(_members(ensemble)[member].get_submodule(owner), NORMS):
        return "norms"
    return "biases" if parameter == "bias" else "weights"


def _members(ensemble: Ensemble) -> dict[str, nn.Module]:
    return {plan.name: member for plan, member in zip(ensemble.program.members, ensemble.members, strict=True)}


def set_learning_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Give every group the same rate."""
    for group in optimiser.param_groups:
        group["lr"] = rate


def momentum_tensors(ensemble: Ensemble, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The momentum of each parameter by id, no copies; parameters that never had a gradient are left out."""
    found = {name: optimiser.state.get(p, {}).get("momentum_buffer") for name, p in state_parameters(ensemble).items()}
    return {name: tensor for name, tensor in found.items() if tensor is not None}


def load_momentum(ensemble: Ensemble, optimiser: torch.optim.Optimizer, momentum: Mapping[str, Tensor]) -> None:
    """Give parameters their momentum; those without an entry start empty, which is the same as zeros.

    ValueError for an id or a shape that the ensemble does not have.
    """
    named = state_parameters(ensemble)
    wrong = sorted(name for name, t in momentum.items() if name not in named or named[name].shape != t.shape)
    if wrong:
        raise ValueError(f"the momentum does not fit the program: {', '.join(f'`{name}`' for name in wrong)}")
    optimiser.state.clear()
    for name, tensor in momentum.items():
        parameter = named[name]
        # the buffer takes the parameter's memory layout, which the fused kernel relies on
        optimiser.state[parameter]["momentum_buffer"] = torch.empty_like(parameter.detach()).copy_(tensor)
