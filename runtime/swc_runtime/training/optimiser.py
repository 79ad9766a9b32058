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

FACTOR = "rate"  # what a group's learning rate is multiplied by
NORMS = (
    nn.modules.batchnorm._NormBase,
    nn.GroupNorm,
    nn.LayerNorm,
    nn.RMSNorm,
)


def make_optimiser(ensemble: Ensemble, recipe: Recipe) -> torch.optim.SGD:
    """SGD in groups with and without weight decay, and by learning rate; a step's comes from `set_learning_rate`.

    Coefficients have no weight decay where the recipe says so. Source: paper, supplementary section 1.
    """
    settings = recipe.optimiser
    roles = roles_of(ensemble)
    named = state_parameters(ensemble)
    rates = rates_of(ensemble)
    kinds = {name: (roles[name] in settings.no_decay, rates.get(name, 1.0)) for name in named}
    groups = [
        {
            "params": [p for name, p in named.items() if kinds[name] == (is_spared, rate)],
            "weight_decay": 0.0 if is_spared else settings.weight_decay,
            FACTOR: rate,
        }
        for is_spared, rate in sorted(set(kinds.values()), key=lambda kind: (kind[0], -kind[1]))
    ]
    on_cuda = all(p.is_cuda for p in named.values())
    return torch.optim.SGD(
        groups,
        lr=settings.lr,
        momentum=settings.momentum,
        nesterov=settings.nesterov,
        weight_decay=settings.weight_decay,
        **({"fused": True} if on_cuda else {"foreach": True}),  # foreach copes with mixed memory layouts
    )


def rates_of(ensemble: Ensemble) -> dict[str, float]:
    """By id the factors of the stored tensors' learning rates."""
    return {f"tensor/{plan.id}": plan.rate for plan in ensemble.program.tensors}


def roles_of(ensemble: Ensemble) -> dict[str, str]:
    """The role of each parameter by id.

    `templates`, `coefficients`, `tensors`, `fast_weights`, `norms`, `biases` or `weights`. A norm's own bias counts
    among the norms.
    """
    tensors: dict[str, str] = {f"tensor/{plan.id}": plan.role for plan in ensemble.program.tensors}
    return tensors | {name: _role(ensemble, name) for name in state_parameters(ensemble) if name not in tensors}


def _role(ensemble: Ensemble, name: str) -> str:
    kind, _, rest = name.partition("/")
    if kind != "member":
        return {"bank": "templates", "coefficient": "coefficients"}[kind]
    member, _, path = rest.partition("/")
    owner, _, parameter = path.rpartition(".")
    if isinstance(_members(ensemble)[member].get_submodule(owner), NORMS):
        return "norms"
    return "biases" if parameter == "bias" else "weights"


def _members(ensemble: Ensemble) -> dict[str, nn.Module]:
    return {plan.name: member for plan, member in zip(ensemble.program.members, ensemble.members, strict=True)}


def set_learning_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Give every group the rate, times the group's own factor."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group.get(FACTOR, 1.0)


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
