"""A member with its weights generated once, as an ordinary torch module.

Takes an ensemble; gives modules that own all their weights. Guarantees: the same outputs; the ensemble stays as it is;
no two modules that are given share anything.
"""

from __future__ import annotations

import torch
from torch import nn

from swc_runtime.carry.rebuild import rebuilt_member
from swc_runtime.ensemble import Ensemble
from swc_runtime.weights.layout import unprotect


def plain_member(ensemble: Ensemble, number: int) -> nn.Module:
    """Member `number` on the CPU, in eval mode, with every weight a parameter of its own.

    ValueError while the ensemble holds composed weights, which would be copied as they are.
    """
    name = ensemble.program.members[number].name
    member = rebuilt_member(ensemble, number)
    with torch.no_grad():
        composed = ensemble.compose()
    for plan, weight in zip(ensemble.weights, composed, strict=True):
        if plan.member == name:
            owner, _, parameter = plan.path.rpartition(".")
            made = nn.Parameter(weight.detach().clone(memory_format=torch.contiguous_format))
            setattr(member.get_submodule(owner), parameter, made)
    unprotect(member)  # what the project added is not part of it
    member.cpu().eval()  # which gives nothing back where a model's own `train` does not
    return member
