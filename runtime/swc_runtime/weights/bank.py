"""What an ensemble owns once: the parts that `Ensemble` is put together from.

Takes a `Program`; gives `Parts`, freshly initialised or empty. Guarantees: a member's module holds exactly the
parameters that the program lists as private; ValueError with names where module and program disagree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import torch
from attrs import frozen
from swc.program.program import MemberPlan, Program
from torch import Tensor, nn

from swc_runtime.members.build import initial_member
from swc_runtime.members.seeds import seed_of
from swc_runtime.members.shared_state import set_apart
from swc_runtime.weights.init import initial_tables, initial_templates, initial_tensor
from swc_runtime.weights.layout import lies_plainly


@frozen(eq=False)
class Parts:
    """Templates [K, T] and coefficient tables [N, K] per bank, stored tensors, and members, in program order."""

    banks: tuple[Tensor, ...]
    tables: tuple[Tensor, ...]
    tensors: tuple[Tensor, ...]
    members: tuple[nn.Module, ...]


def initial_parts(program: Program, modules: Sequence[nn.Module] | None = None) -> Parts:
    """The parts of a fresh ensemble, on the CPU in float32.

    `modules` are the members' own torch modules where they are not to be built from the program's sources.
    ValueError where a member does not fit the program, DiagnosticError where two members share a parameter.
    """
    seed = seed_of(program)
    built = modules or [initial_member(program, member, seed) for member in program.members]
    named = [(member.name, module) for member, module in zip(program.members, built, strict=True)]
    set_apart(named)
    members = tuple(stripped(own, plan, program) for own, plan in zip(built, program.members, strict=True))
    copy_alike(program, dict(named))
    return Parts(
        tuple(initial_templates(bank, seed) for bank in program.banks),
        tuple(initial_tables(program, seed)),
        tuple(_channels_last(initial_tensor(tensor, seed)) for tensor in program.tensors),
        members,
    )


@torch.no_grad()
def copy_alike(
    program: Program, modules: Mapping[str, nn.Module], given: Mapping[str, Collection[str]] | None = None
) -> None:
    """Give private parameters that begin like those of another member the values of these.

    `modules` are by member; those that a member is `given`, by its name, stay.
    """
    for private in program.private:
        if private.like and private.path not in (given or {}).get(private.member, ()):
            source = modules[private.like].get_parameter(private.path)
            modules[private.member].get_parameter(private.path).copy_(source)


def empty_parts(program: Program) -> Parts:
    """Parts of the same shapes on torch's default device, of which nothing but the members is drawn.

    On the meta device that takes no memory and no arithmetic. ValueError where a member does not fit the program.
    """
    built = (initial_member(program, member, seed_of(program)) for member in program.members)
    num_coefficients = Counter(coefficient.bank for coefficient in program.coefficients)
    return Parts(
        tuple(torch.zeros(bank.num_templates, bank.template_size) for bank in program.banks),
        tuple(torch.zeros(num_coefficients[bank.id], bank.num_templates) for bank in program.banks),
        tuple(torch.zeros(tensor.shape) for tensor in program.tensors),
        tuple(stripped(own, plan, program) for own, plan in zip(built, program.members, strict=True)),
    )


def _channels_last(tensor: Tensor) -> Tensor:
    # A channels-last weight is read by a CPU's convolutions as it is; torch would lay it out again at every call.
    if tensor.dim() != 4 or lies_plainly(tuple(tensor.shape)):
        return tensor
    return tensor.contiguous(memory_format=torch.channels_last)


def stripped(module: nn.Module, member: MemberPlan, program: Program) -> nn.Module:
    """Take the composed weights out of a member's parameters; what remains must be its private ones."""
    for weight in program.weights:
        if weight.member == member.name:
            _take_out(module, weight.path, weight.shape, member.name)
    check_private(module, member.name, program)
    return module


def _take_out(module: nn.Module, path: str, shape: tuple[int, ...], member: str) -> None:
    owner, _, name = path.rpartition(".")
    parameter = dict(module.named_parameters()).get(path)
    if parameter is None or tuple(parameter.shape) != shape:
        found = "nothing" if parameter is None else f"shape {tuple(parameter.shape)}"
        raise ValueError(f"member `{member}`: `{path}` should have shape {shape}, found {found}")
    del module.get_submodule(owner)._parameters[name]


def check_private(module: nn.Module, member: str, program: Program) -> None:
    """ValueError, with names, where a stripped module's parameters are not the private ones of the program."""
    want = {private.path: private.shape for private in program.private if private.member == member}
    have = {path: tuple(parameter.shape) for path, parameter in module.named_parameters()}
    wrong = sorted(path for path in want.keys() | have.keys() if want.get(path) != have.get(path))
    if wrong:
        raise ValueError(f"member `{member}` does not fit the program: {', '.join(f'`{path}`' for path in wrong)}")
