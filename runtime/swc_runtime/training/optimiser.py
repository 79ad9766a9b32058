"""The optimiser of an ensemble, by the row that the recipe names.

Takes an `Ensemble` and a `Recipe`; gives a torch optimiser. Guarantees: every parameter stands in exactly one group.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from swc.program.layer_table import is_bias
from swc.program.training import Recipe
from swc.registry.optimisers import OPTIMISERS, OptimiserRow
from torch import Tensor, nn

from swc_runtime.ensemble import Ensemble, state_parameters

FACTOR = "rate"  # what a group's learning rate is multiplied by
NORMS = (
    nn.modules.batchnorm._NormBase,
    nn.GroupNorm,
    nn.LayerNorm,
    nn.RMSNorm,
)


def make_optimiser(ensemble: Ensemble, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimiser in groups with and without weight decay, and by learning rate.

    Each group has the recipe's rate times its own factor, until `set_learning_rate` gives another. Weight decay is the
    optimiser's own, coupled or not; what the recipe spares has none. What the program has frozen is left as it is by
    every step. Source: paper, supplementary section 1.
    """
    settings = recipe.optimiser
    named = state_parameters(ensemble)
    roles, rates = roles_of(ensemble), rates_of(ensemble)
    kinds = {name: (roles[name] in settings.no_decay, rates.get(name, 1.0)) for name in named}
    decay = {"weight_decay": 0.0} if "weight_decay" in settings.values else {}
    groups = [
        {
            "params": [p for name, p in named.items() if kinds[name] == (is_spared, rate)],
            FACTOR: rate,
            "lr": settings.lr * rate,
            **(decay if is_spared else {}),
        }
        for is_spared, rate in sorted(set(kinds.values()), key=lambda kind: (kind[0], -kind[1]))
    ]
    on_cuda = all(p.is_cuda for p in named.values())
    kernels = _kernels(settings.row, on_cuda)
    made: torch.optim.Optimizer = OPTIMISERS.call(settings.name, groups, **settings.values, **kernels)
    spare_frozen(made, ensemble)
    return made


def spare_frozen(optimiser: torch.optim.Optimizer, ensemble: Ensemble) -> None:
    """Let every step of an optimiser leave what the program has frozen as it is."""
    updated = set(updated_parameters(ensemble))
    frozen = [p for p in state_parameters(ensemble).values() if p not in updated]
    if frozen:
        optimiser.register_step_pre_hook(partial(_without_gradients, frozen))


def apply_rates(optimiser: torch.optim.Optimizer, ensemble: Ensemble) -> None:
    """Give a fresh optimiser of anybody's groups by the factors that the spec has for rates (`rank_one(rate: 0.5)`).

    What has a factor leaves its group for one with as many options, and the rate times that factor.
    """
    named, factors = state_parameters(ensemble), rates_of(ensemble)
    other = {named[name]: factor for name, factor in factors.items() if factor != 1.0}
    if not other:
        return
    for group in list(optimiser.param_groups):
        rated = [parameter for parameter in group["params"] if parameter in other]
        group["params"] = [parameter for parameter in group["params"] if parameter not in other]
        for factor in sorted({other[parameter] for parameter in rated}):
            chosen = [parameter for parameter in rated if other[parameter] == factor]
            optimiser.add_param_group({**group, "params": chosen, FACTOR: factor, "lr": group["lr"] * factor})
    optimiser.param_groups[:] = [group for group in optimiser.param_groups if group["params"]]


def updated_parameters(ensemble: Ensemble) -> list[nn.Parameter]:
    """The parameters that steps change: all but those that the program has frozen, or that have the rate 0."""
    roles, rates = roles_of(ensemble), rates_of(ensemble)
    named = state_parameters(ensemble).items()
    return [p for name, p in named if roles[name] not in ensemble.program.frozen and rates.get(name, 1.0)]


def _without_gradients(frozen: Sequence[Tensor], *_: object) -> None:
    """Before a step: a parameter without a gradient is left alone, its state with it, weight decay included."""
    for parameter in frozen:
        parameter.grad = None


def _kernels(row: OptimiserRow, on_cuda: bool) -> dict[str, bool]:
    if on_cuda and row.takes_fused:
        return {"fused": True}
    return {"foreach": True} if row.takes_foreach else {}  # foreach copes with mixed memory layouts


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
    return "biases" if is_bias(parameter) else "weights"


def _members(ensemble: Ensemble) -> dict[str, nn.Module]:
    return {plan.name: member for plan, member in zip(ensemble.program.members, ensemble.members, strict=True)}


def set_learning_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Give every group the rate, times the group's own factor."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group.get(FACTOR, 1.0)
