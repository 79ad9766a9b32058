"""The sharing policies by name, as the rows of `swc.registry.policies` say where they are."""

from functools import cache

from swc.compiler.passes.policies.policy import Policy, Room
from swc.registry.policies import POLICIES


def policy_of(name: str) -> Policy:
    """The policy that a share block names; DiagnosticError where that of a plug-in cannot be imported."""
    if name in POLICIES.names:
        return _own(name)
    made: Policy = POLICIES.load(name)()
    return made


@cache
def _own(name: str) -> Policy:
    """One of ours, made once: passes ask for it at every layer."""
    made: Policy = POLICIES.load(name)()
    return made


__all__ = ["Policy", "Room", "policy_of"]
