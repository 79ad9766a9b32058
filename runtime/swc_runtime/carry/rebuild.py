"""Members built again from their sources, with the state that they have in an ensemble.

Takes an ensemble; gives modules that share nothing with it. Guarantees: every parameter and buffer has the values, the
type, the device and the layout in memory that it has in the ensemble. A module is not a value that could be copied:
hooks, weak references, locks and generators belong to the one that made them, and what a build leaves in plain
attributes is what a run has that is taken up again.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.training import MemberChanged
from swc.program.program import Program
from torch import Tensor, nn

from swc_runtime.ensemble import Ensemble
from swc_runtime.members.build import initial_member
from swc_runtime.members.memory import tensors_of
from swc_runtime.members.seeds import seed_of
from swc_runtime.weights.bank import stripped


def rebuilt_member(ensemble: Ensemble, number: int, program: Program | None = None) -> nn.Module:
    """Member `number` without its composed weights, in the mode it is in, for a program of the same members.

    ValueError while the ensemble holds composed weights; DiagnosticError where the member's code is gone, or no longer
    makes what it made.
    """
    if ensemble.is_composed:
        raise ValueError("the ensemble holds composed weights: leave what composed them first")
    wanted = program or ensemble.program
    plan = wanted.members[number]
    try:
        # Built under the run's seed, so that constants that are drawn in `__init__` and kept nowhere come out the same.
        module = stripped(initial_member(wanted, plan, seed_of(wanted)), plan, wanted)
        take_state(module, ensemble.members[number])
    except (ValueError, ImportError, AttributeError) as error:
        raise DiagnosticError(MemberChanged(detail=str(error))) from error
    return module


def take_state(module: nn.Module, source: nn.Module) -> None:
    """Give a module the parameters, buffers and modes of another of the same architecture, as copies.

    Buffers that are not kept in checkpoints are taken over where both have them. ValueError, naming what differs.
    """
    own, given = dict(tensors_of(module)), dict(tensors_of(source))
    # `^`: what one of the two has and the other has not
    kept = module.state_dict(keep_vars=True).keys() ^ source.state_dict(keep_vars=True).keys()
    wrong = sorted(kept | {name for name in own.keys() & given.keys() if own[name].shape != given[name].shape})
    if wrong:
        raise ValueError(f"a member is no longer built as before: {', '.join(f'`{name}`' for name in wrong)}")
    _cast_like(module, own, given)
    for name, tensor in tensors_of(module):
        if name in given:
            tensor.data = given[name].detach().clone()  # the parameter itself stays, whoever else holds it
    modes = {path: part.training for path, part in source.named_modules()}
    for path, part in module.named_modules():
        part.training = modes.get(path, part.training)


def _cast_like(module: nn.Module, own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> None:
    """Cast a whole module where the other one was cast, so that its constants are what they are there."""
    shared = own.keys() & given.keys()
    cast = {given[name].dtype for name in shared if given[name].dtype != own[name].dtype}
    with torch.no_grad():
        for dtype in cast:
            module.to(dtype)
