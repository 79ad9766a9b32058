"""The sharing policies by name: one literal registry, held against `swc.program.vocabulary.POLICIES` by a test."""

from swc.compiler.passes.policies.hard import Hard
from swc.compiler.passes.policies.none import Nothing
from swc.compiler.passes.policies.policy import Policy, Room
from swc.compiler.passes.policies.rank_one import RankOne
from swc.compiler.passes.policies.shapeshifter import ShapeShifter
from swc.compiler.passes.policies.slices import Slices
from swc.compiler.passes.policies.superweights import SuperWeights

POLICIES: dict[str, Policy] = {
    "superweights": SuperWeights(),
    "none": Nothing(),
    "hard": Hard(),
    "rank_one": RankOne(),
    "slices": Slices(),
    "shapeshifter": ShapeShifter(),
}

__all__ = ["POLICIES", "Policy", "Room"]
