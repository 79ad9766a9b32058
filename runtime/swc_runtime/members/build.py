"""Members as torch modules, built from their sources.

Takes a `Program`, one of its members and a seed; gives a module on the CPU. Guarantees: its first parameters depend on
the seed and the member's name alone; the global random numbers go on as if nothing had been built.
"""

from __future__ import annotations

from swc.program.datasets import DataFacts
from swc.program.model_source import ModelSource
from swc.program.program import MemberPlan, Program
from torch import nn

from swc_runtime.members.memory import own_memory
from swc_runtime.members.seeds import derived_seed, seeded


def initial_member(program: Program, member: MemberPlan, seed: int) -> nn.Module:
    """A member's torch module with its own default initialisation, seeded by its name; empty where it has a host.

    Each of its tensors has memory of its own, or is one tensor under several names.
    """
    if member.host:
        return nn.Module()
    module = as_written(program, member, seed)
    own_memory(module)
    return module


def as_written(program: Program, member: MemberPlan, seed: int) -> nn.Module:
    """A member's module just as its source makes it, seeded by the member's name."""
    with seeded(derived_seed(seed, f"member/{member.name}")):
        return model_of(member.source, program.data)


def model_of(source: ModelSource, data: DataFacts) -> nn.Module:
    """The module that a source names, for such data; raises as `swc_runtime.models.build_model` does."""
    from swc_runtime.models import build_model

    given = source.given()
    return build_model(source.kind, source.name, given, data.num_classes, data.shape, is_image=data.are_images)
