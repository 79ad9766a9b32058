"""Diagnostics about what happens between two stages of training (SW16x).

Guarantees: `ACTIONS` lists every class of this module.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from swc.diagnostics.catalogue.names import offer
from swc.diagnostics.diagnostic import Diagnostic
from swc.diagnostics.suggest import closest


@frozen(kw_only=True)
class UnknownAction(Diagnostic):
    """A phase asks for something that swc cannot do between two epochs.

    What can be done within a phase are `untie coefficients below BETA` and the actions that the reference lists, as
    `after 10 epochs freeze coefficients`. Installed packages may offer further ones.
    """

    code: ClassVar[str] = "SW163"
    name: str
    actions: tuple[str, ...]

    def message(self) -> str:
        return f"there is no action `{self.name}`"

    def help(self) -> str:
        near = next((action for action in self.actions if self._resembles(action)), None)
        return f"did you mean `{near}`?" if near is not None else offer("", (*self.actions, "untie coefficients"))

    def _resembles(self, action: str) -> bool:
        """Whether each word is like the one in its place; one word of two does not make the same action."""
        words, others = self.name.split(), action.split()
        return len(words) == len(others) and all(closest(a, (b,)) for a, b in zip(words, others, strict=True))


@frozen(kw_only=True)
class FrozenAlready(Diagnostic):
    """An action is about parameters that an earlier one has frozen.

    From `after N epochs freeze coefficients` on, coefficients get no further updates. To untie them later would give
    slots copies that stay as they are, a split that goes on (`then continue`) would have to fit them to other banks,
    and they cannot be frozen twice. Untie and split first, or freeze in a later phase. A split with `then restart`
    begins with fresh parameters, of which none is frozen.
    """

    code: ClassVar[str] = "SW164"
    action: str
    roles: tuple[str, ...]
    since: str

    def message(self) -> str:
        return f"`{self.action}` comes after {' and '.join(self.roles)} were frozen ({self.since})"

    def help(self) -> str:
        return "put it before the freezing, or leave one of the two out"


@frozen(kw_only=True)
class NothingToFreeze(Diagnostic):
    """An action is about parameters that no share block has.

    Coefficients and templates are what `superweights` shares; other policies store tensors in their place. Take the
    action out, or share layers by a policy that has such parameters.
    """

    code: ClassVar[str] = "SW165"
    action: str
    policies: tuple[str, ...]

    def message(self) -> str:
        return f"there is nothing that `{self.action}` is about"

    def help(self) -> str:
        return f"share layers as {' or '.join(f'`{name}`' for name in self.policies)}, or leave it out"


ACTIONS: tuple[type[Diagnostic], ...] = (UnknownAction, FrozenAlready, NothingToFreeze)
