"""The words of one line of a graph's text, and the values made of them.

Takes a line, gives values in turn. Guarantees: what is not read as it was printed is a ValueError that says what
belongs there; the text module turns it into a diagnostic with the line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TypeVar

from swc.program import limits
from swc.program.expressions import (
    Combine,
    Concat,
    Expression,
    Mix,
    Product,
    Resize,
    Scale,
    Shape,
    Slice,
    Stored,
    Sum,
)
from swc.program.model_source import Argument, Scalar
from swc.program.words import PLAIN

T = TypeVar("T")
LEVELS = 300  # of expressions in each other: a chain of 128 shapes takes two for each
# One group for each kind of token: `m.conv1#0` is a word, `"an odd name"` a string, `[16,3,3,3]` a shape, `2` a number,
# and `@` a mark.
_TOKEN = re.compile(
    rf"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*")"""
    rf"""|(?P<shape>\[[\d,]*\])"""
    rf"""|(?P<word>{PLAIN})"""
    r"""|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"""
    r"""|(?P<mark>[(),;:@]))"""
)


class Tokens:
    """A line cut into tokens, and the place reached in it."""

    def __init__(self, line: str) -> None:
        """Cut the line; ValueError where something in it is not a token."""
        self._tokens: list[tuple[str, str]] = []
        self._depth = 0
        self._place = 0
        line, start = line.rstrip(), 0
        while start < len(line):
            match = _TOKEN.match(line, start)
            if match is None:
                raise ValueError(f"`{line[start:].strip()[:20]}` belongs nowhere")
            self._tokens.append((str(match.lastgroup), match[str(match.lastgroup)]))
            start = match.end()

    @property
    def _next(self) -> tuple[str, str]:
        return self._tokens[self._place] if self._place < len(self._tokens) else ("end", "the end of the line")

    def _taken(self, kinds: tuple[str, ...], wanted: str) -> str:
        kind, text = self._next
        if kind not in kinds:
            raise ValueError(f"{wanted} belongs where `{text}` stands")
        self._place += 1
        return text

    def end(self) -> None:
        """Nothing may follow."""
        if self._next[0] != "end":
            raise ValueError(f"nothing belongs where `{self._next[1]}` stands")

    def maybe(self, text: str) -> bool:
        """Take this very word or mark if it is next, and say whether it was."""
        kind, found = self._next
        here = kind in ("word", "mark") and found == text
        self._place += here
        return here

    def take(self, text: str) -> str:
        """Take this very word or mark."""
        if not self.maybe(text):
            raise ValueError(f"`{text}` belongs where `{self._next[1]}` stands")
        return text

    def choice(self, words: tuple[str, ...]) -> str:
        """One of a few words."""
        if self._next[1] not in words:
            raise ValueError(f"`{self._next[1]}` is none of {', '.join(words)}")
        return self._taken(("word",), "a word")

    def word(self) -> str:
        """An id, plain or quoted."""
        text = self._taken(("word", "string"), "a name")
        return str(json.loads(text)) if text.startswith('"') else text

    def words(self) -> tuple[str, ...]:
        """All ids up to the end of the line."""
        found: list[str] = []
        while self._next[0] != "end":
            found.append(self.word())
        return tuple(found)

    def whole(self) -> int:
        """A whole number."""
        text = self._taken(("number",), "a whole number")
        if not text.lstrip("-").isdigit():
            raise ValueError(f"`{text}` is not a whole number")
        return int(text)

    def factor(self) -> float:
        """A number, with or without a fraction."""
        return float(self._taken(("number",), "a number"))

    def scalar(self) -> Scalar:
        """A number, a quoted text, or true or false."""
        kind, text = self._next
        if kind == "word" and text not in ("true", "false"):
            raise ValueError(f"`{text}` is not a value")
        value: Scalar = json.loads(self._taken(("number", "string", "word"), "a value"))
        return value

    def argument(self, depth: int = 0) -> Argument:
        """A scalar, or a list of such between brackets."""
        if self._next != ("mark", "("):
            return self.scalar()
        if depth == limits.LEVELS:
            raise ValueError(f"lists stand in each other more than {limits.LEVELS} deep")
        return self.listed("(", ")", lambda: self.argument(depth + 1))

    def shape(self) -> Shape:
        """A shape such as `[16,3,3,3]`."""
        text = self._taken(("shape",), "a shape")[1:-1]
        try:
            return tuple(int(size) for size in text.split(",")) if text else ()
        except ValueError as error:
            raise ValueError(f"`[{text}]` is not a shape") from error

    def pair(self) -> tuple[int, int]:
        """A shape of two axes."""
        shape = self.shape()
        if len(shape) != 2:
            raise ValueError(f"two numbers belong where {len(shape)} stand")
        return shape[0], shape[1]

    def listed(self, opening: str, closing: str, item: Callable[[], T]) -> tuple[T, ...]:
        """Items parted by commas between two marks."""
        self.take(opening)
        found: list[T] = []
        while not self.maybe(closing):
            if found:
                self.take(",")
            found.append(item())
        return tuple(found)

    def expression(self) -> Expression:
        """A weight expression in the form of `swc.program.expressions.text_of`."""
        name = self.choice(tuple(_READERS))
        # counted, since each level is a call of Python's: a damaged text must not run into its limit of recursion
        self._depth += 1
        if self._depth > LEVELS:
            raise ValueError(f"an expression is nested more than {LEVELS} levels deep")
        self.take("(")
        # `concat(0; slice(combine(a#0 @ 0 [64,16]) [48,16]), ...)`: the name chooses the reader, which calls back for
        # its parts.
        found = _READERS[name](self)
        self.take(")")
        self._depth -= 1
        return found

    def after(self, mark: str, read: Callable[[], T]) -> T:
        """Take a mark or word, then a value."""
        self.take(mark)
        return read()


def _concat(tokens: Tokens) -> Expression:
    return Concat(tokens.whole(), tokens.after(";", lambda: _parts(tokens)))


def _parts(tokens: Tokens) -> tuple[Expression, ...]:
    parts = [tokens.expression()]
    while tokens.maybe(","):
        parts.append(tokens.expression())
    return tuple(parts)


def _product(tokens: Tokens) -> Expression:
    left, right = tokens.expression(), tokens.after(",", tokens.expression)
    return Product(left, right, tokens.shape(), tokens.after("times", tokens.factor))


def _scale(tokens: Tokens) -> Expression:
    return Scale(tokens.expression(), tokens.after("by", tokens.word), tokens.after(",", tokens.word))


def _mix(tokens: Tokens) -> Expression:
    of, start, shape = tokens.expression(), tokens.after("@", tokens.whole), tokens.shape()
    softmax = tokens.choice(("by", "softmax")) == "softmax"
    return Mix(of, tokens.word(), start, shape, softmax)


_READERS: dict[str, Callable[[Tokens], Expression]] = {
    "stored": lambda tokens: Stored(tokens.word(), tokens.shape()),
    "combine": lambda tokens: Combine(tokens.word(), tokens.after("@", tokens.whole), tokens.shape()),
    "slice": lambda tokens: Slice(tokens.expression(), tokens.shape()),
    "concat": _concat,
    "scale": _scale,
    "resize": lambda tokens: Resize(tokens.expression(), tokens.shape(), tokens.word()),
    "mix": _mix,
    "sum": lambda tokens: Sum(_parts(tokens)),
    "product": _product,
}
