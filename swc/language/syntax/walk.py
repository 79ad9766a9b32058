"""What stands in a part of the tree.

Takes any node, gives its names. Guarantees: they come in the order of the text.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from attrs import fields, has

from swc.language.syntax.tree import Name


def names_in(node: object) -> Iterator[str]:
    """Every name that stands in a part of the tree, however deep."""
    match node:
        case Name():
            yield node.text
        case tuple():
            yield from chain.from_iterable(map(names_in, node))
        case _ if has(kind := type(node)):
            yield from names_in(tuple(getattr(node, one.name) for one in fields(kind)))
