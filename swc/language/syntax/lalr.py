"""What the scanner and the parser run from: terminals, rules and states of the language, as plain data.

`swc.language.syntax.generate` makes them of the grammar, `swc.language.syntax.tables` keeps them in the cache.
"""

from __future__ import annotations

from attrs import frozen

END = "$END"  # the terminal after the last token


@frozen
class GrammarRule:
    """What a reduction does: take `size` values off the stack, put a node with some of them as children there.

    `children` names the values that become children: the place, whether it is a helper whose children are taken over
    in its stead, and how many absent optional parts (None) come before it; `absent` is how many come last. A
    `transparent` rule leaves no node where it has one child.
    """

    origin: str
    kind: str
    size: int
    transparent: bool
    children: tuple[tuple[int, bool, int], ...]
    absent: int


@frozen
class ParseTables:
    """The terminals with their patterns, the rules, and for each state what each symbol does there.

    An action is the state to shift to, or `-1 - r` to reduce by rule r.
    """

    terminals: dict[str, str]
    rules: tuple[GrammarRule, ...]
    states: tuple[dict[str, int], ...]
    start: int
