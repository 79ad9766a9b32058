"""The sharing policies by name: one literal registry, held against `swc.program.vocabulary.POLICIES` by a test."""

from swc.passes.policies.hard import Hard
from swc.passes.policies.none import Nothing
from swc.passes.policies.policy import Policy
from swc.passes.policies.superweights import SuperWeights

POLICIES: dict[str, Policy] = {
    "superweights": SuperWeights(),
    "none": Nothing(),
    "hard": Hard(),
}

__all__ = ["POLICIES", "Policy"]
