"""The LALR automaton: a stack of states and the nodes built so far.

Takes tokens with their terminals, gives the tree of nodes. Guarantees: a token is fed only where `takes` says so; the
time is linear in the number of tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import Factory, define, field

from swc.language.syntax.lalr import END, GrammarRule, ParseTables
from swc.language.syntax.tables import tables

if TYPE_CHECKING:
    from swc.language.syntax.scan import Token


@define(eq=False)
class Node:
    """A form of the language with its parts: nodes, tokens, and None for what was left out; its place in the text."""

    kind: str
    children: list[Node | Token | None]
    start: int
    end: int


@define
class Stack:
    """The states passed through, and the value of each but the first."""

    tables: ParseTables = Factory(tables)
    states: list[int] = field(init=False)
    values: list[Node | Token] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self.states = [self.tables.start]

    def takes(self, terminal: str, height: int | None = None) -> bool:
        """Whether `terminal` may follow what lies on the stack, or on its lowest `height` states."""
        below = len(self.states) if height is None else height  # the states that are still as they lie there
        above: list[int] = []  # the states that reductions would put on top of them
        while True:
            action = self.tables.states[above[-1] if above else self.states[below - 1]].get(terminal)
            if action is None or action >= 0:
                return action is not None
            rule = self.tables.rules[-1 - action]
            below -= max(0, rule.size - len(above))
            del above[max(0, len(above) - rule.size) :]
            above.append(self.tables.states[above[-1] if above else self.states[below - 1]][rule.origin])
            if terminal == END and rule.origin == "start":
                return True

    def accepted(self, height: int | None = None) -> list[str]:
        """The terminals that may follow, in the order of the grammar, the end among them; of the stack as `takes`."""
        possible = self.tables.states[self.states[-1 if height is None else height - 1]]
        return [name for name in (*self.tables.terminals, END) if name in possible and self.takes(name, height)]

    def feed(self, token: Token, terminal: str) -> None:
        """Reduce what ends before a token, then put it on the stack."""
        self._reduce_before(terminal)
        self.states.append(self.tables.states[self.states[-1]][terminal])
        self.values.append(token)

    def finish(self) -> Node:
        """The tree of all that was fed."""
        self._reduce_before(END)
        (tree,) = self.values
        assert isinstance(tree, Node)
        return tree

    def cut(self, height: int) -> None:
        """Forget all but the lowest `height` states."""
        del self.states[height:]
        del self.values[height - 1 :]

    def _reduce_before(self, terminal: str) -> None:
        while (action := self.tables.states[self.states[-1]][terminal]) < 0:
            rule = self.tables.rules[-1 - action]
            node = _node(rule, self.values[len(self.values) - rule.size :])
            self.cut(len(self.states) - rule.size)
            self.states.append(self.tables.states[self.states[-1]][rule.origin])
            self.values.append(node)
            if terminal == END and rule.origin == "start":
                return


def _node(rule: GrammarRule, values: list[Node | Token]) -> Node | Token:
    """What a rule makes of the values it takes."""
    children: list[Node | Token | None] = []
    for place, is_helper, absent in rule.children:
        value = values[place]
        children.extend([None] * absent)
        if not is_helper:
            children.append(value)
            continue
        assert isinstance(value, Node)
        if children:
            children.extend(value.children)
        else:
            children = value.children  # the helper is gone after this: its list may grow, so that repeats stay linear
    children.extend([None] * rule.absent)
    if rule.transparent and len(children) == 1 and children[0] is not None:
        return children[0]
    return Node(rule.kind, children, values[0].start if values else 0, values[-1].end if values else 0)
