"""The sharing policies by name: one literal registry, held against `swc.program.vocabulary.POLICIES` by a test."""

from swc.passes.policies.hard import Hard
from swc.passes.policies.none import Nothing
from swc.passes.policies.policy import Policy, Room
from swc.passes.policies.rank_one import RankOne
from swc.passes.policies.shapeshifter import ShapeShifter
from swc.passes.policies.slices import Slices
from swc.passes.policies.superweights import SuperWeights

POLICIES: dict[str, Policy] = {
    "superweights": SuperWeights(),
    "none": Nothing(),
    "hard": Hard(),
    "rank_one": RankOne(),
    "slices": Slices(),
    "shapeshifter": ShapeShifter(),
}

__all__ = ["POLICIES", "Policy", "Room"]
