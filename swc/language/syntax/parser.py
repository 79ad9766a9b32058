"""Text to syntax tree.

Takes the text of a `.sw` file, gives a `File`. Guarantees: every mistake of form is reported at once, in the
language's words; after a mistake, reading goes on with the next item of the block it lies in.
"""

from __future__ import annotations

from functools import cache, lru_cache
from itertools import accumulate
from typing import Any

from attrs import Factory, define, field, frozen

from swc.diagnostics import Sink, Span, catalogue
from swc.diagnostics.suggest import closest
from swc.language.syntax.build import build_file
from swc.language.syntax.expected import phrases
from swc.language.syntax.lalr import END
from swc.language.syntax.scan import SCALES, Source, Token, read_source, scan, stop_at_many, words
from swc.language.syntax.stack import Node, Stack
from swc.language.syntax.tables import tables
from swc.language.syntax.tree import File

HEADS = ("ensemble", "share", "policy", "recipe", "train")  # the words that open blocks
BRACES = {"{": 1, "}": -1}


@frozen
class ParsedText:
    """A text without mistakes of form: the tree of nodes for layout, the tokens with comments, the source."""

    source: Source
    tokens: tuple[Token, ...]
    tree: Node


@lru_cache(maxsize=32)  # `swc check` comes back to a file and its imports for each ensemble
def parse_text(text: str, file: str) -> File:
    """The syntax tree of a text; DiagnosticError with every mistake of form otherwise."""
    parsed = parse_tokens(text, file)
    return build_file(parsed.tree, parsed.source)


def parse_tokens(text: str, file: str) -> ParsedText:
    """The tokens and the tree of nodes of a text; DiagnosticError with every mistake of form otherwise."""
    source, sink = read_source(text, file), Sink()
    tokens = scan(source, sink)
    tree = _Reader(source, tuple(t for t in tokens if t.type != "COMMENT"), sink).read()
    if sink.errors:
        sink.diagnostics.sort(key=_place)
    sink.raise_errors()
    assert tree is not None, "a text without mistakes has a tree"
    return ParsedText(source, tokens, tree)


def _place(diagnostic: Any) -> tuple[int, int]:
    span: Span = diagnostic.span
    return span.line, span.column


@define
class _Reader:
    """Feeds tokens to the stack, and repairs it after a mistake."""

    source: Source
    tokens: tuple[Token, ...]
    sink: Sink
    stack: Stack = Factory(Stack)
    # Each open block: its `{`, the word that heads it, and the height of the stack inside it.
    blocks: list[tuple[Token, str, int]] = field(factory=list)
    # The heights inside a block that has just been closed and still lies on the stack as it was read.
    closed: range = range(0)
    # The lines that have a mistake already.
    wrong: set[int] = field(factory=set)
    # What misspelt words stand for, once it was looked for.
    meant: dict[tuple[str, frozenset[str]], str | None] = field(factory=dict)
    # How many braces are closed beyond those opened, from each token on.
    surplus: list[int] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.wrong.update(d.span.line for d in self.sink.diagnostics if d.span is not None)
        values = (BRACES.get(token.text, 0) for token in reversed(self.tokens))
        self.surplus = [-value for value in accumulate(values, initial=0)][::-1]

    @property
    def _height(self) -> int:
        return len(self.stack.states)

    def read(self) -> Node | None:
        """Feed everything; None where the end of the file came too early."""
        position = 0
        while position < len(self.tokens):
            token = self.tokens[position]
            kind = self._type_of(token)
            if self.stack.takes(kind):
                self._feed(token, kind, position)
                position += 1
                continue
            self._report(token, position)
            position = self._resume(position)
        return self._finish()

    def _type_of(self, token: Token) -> str:
        if token.type == "NAME":
            word = words().get(token.text)
            return word if word is not None and self.stack.takes(word) else "NAME"
        return _signs()[token.text] if token.type == "SIGN" else token.type

    def _feed(self, token: Token, kind: str, position: int) -> None:
        self.stack.feed(token, kind)
        self.closed = range(0)
        if kind == "LBRACE":
            self.blocks.append((token, self._head(position), self._height))
        if kind == "RBRACE":
            self.closed = range(self.blocks.pop()[2], self._height)

    def _head(self, position: int) -> str:
        """The word that opens the block whose `{` stands at `position`."""
        before = (self.tokens[place].text for place in range(position - 1, -1, -1))
        return next(text for text in before if text in HEADS)

    def _report(self, token: Token | None, position: int) -> None:
        start, end = (token.start, token.end) if token else (len(self.source.text.rstrip()), len(self.source.text))
        span = self.source.span(start, end)
        if span.line in self.wrong:
            return  # most likely a consequence of what is already known about this line
        self.wrong.add(span.line)
        accepted = frozenset(self.stack.accepted())
        self.sink.report(
            catalogue.UnexpectedWord(
                span=span,
                found=f"`{token.text}`" if token else "the end of the file",
                expected=phrases(accepted),
                inside=self.blocks[-1][1] if self.blocks else "",
                meant=self._meant(token.text, accepted)
                if token and token.type == "NAME" and token.text not in words()
                else None,
                advice=self._advice(token, position),
            )
        )
        stop_at_many(span, self.sink)

    def _meant(self, text: str, accepted: frozenset[str]) -> str | None:
        """The word of the language that a misspelt one stands for, among the terminals that may follow."""
        key = (text, accepted)
        if key not in self.meant:
            self.meant[key] = closest(text, [word for word, name in words().items() if name in accepted])
        return self.meant[key]

    def _advice(self, token: Token | None, position: int) -> str:
        """What went wrong, for the mistakes that are made most."""
        if token is None:
            return ""
        before = self.tokens[position - 1] if position else None
        if before is not None and before.type == "NUMBER" and token.text in (*SCALES, "%"):
            return f"the suffix is part of the number: `{before.text}{token.text}`"
        if self._opens_outside(token):
            return f"close the `{self.blocks[-1][1]}` block with `}}` before `{token.text}`"
        if token.text == "(" and {"LSQB", "NUMBER"} <= set(self.stack.accepted()):
            return "a list stands in square brackets, as in `[1, 8, 8]`"
        return _advice_after([one.text for one in self.tokens[max(0, position - 4) : position]])

    def _opens_outside(self, token: Token) -> bool:
        """Whether a line begins with the first word of an item of a block around the present one."""
        word = words().get(token.text, "")
        if not (word and token.is_first and self.blocks):
            return False
        heights = range(1, self.blocks[-1][2])
        return any(self.stack.takes(word, height) for height in heights)

    def _resume(self, start: int) -> int:
        """Skip to a token that may go on, cut the stack back to where it may, and give that token's position."""
        self._close_forgotten(self.tokens[start], start)
        depth = 0
        for position in range(start, len(self.tokens)):
            token = self.tokens[position]
            if depth == 0 and (self._cut_back_to(token) or (position > start and self._is_misspelt(token))):
                return position
            depth = max(0, depth + BRACES.get(token.text, 0))
        return len(self.tokens)

    def _is_misspelt(self, token: Token) -> bool:
        """Whether a line begins with what looks like the first word of an item; cuts the stack back for it if so."""
        height = self._height_for("RBRACE" if self.blocks else "ENSEMBLE")
        if height is None or not token.is_first or token.type != "NAME":
            return False
        accepted = frozenset(self.stack.accepted(height))
        if self._meant(token.text, accepted) is None:
            return False
        self.stack.cut(height)
        return True

    def _close_forgotten(self, token: Token, position: int) -> None:
        """Leave a block whose `}` is missing, where the word at hand opens an item of the block around it."""
        word = words().get(token.text, "")
        while len(self.blocks) > 1 and token.is_first and word and self._is_unbalanced(position):
            base = self.blocks[-1][2]
            if any(self.stack.takes(word, height) for height in range(base, self._height + 1)):
                return
            outer = self.blocks[-2][2]
            if not any(self.stack.takes(word, height) for height in range(outer, base)):
                return
            self.stack.cut(base - 1)
            self.blocks.pop()

    def _is_unbalanced(self, position: int) -> bool:
        return self.surplus[position] < len(self.blocks)

    def _cut_back_to(self, token: Token) -> bool:
        """Drop what was begun in this block until `token` may follow; False where it never may."""
        word = _signs()["}"] if token.text == "}" else words().get(token.text, "")
        if not word or not (token.is_first or token.text == "}"):
            return False
        height = self._height_for(word)
        if height is not None:
            self.stack.cut(height)
        return height is not None

    def _height_for(self, word: str) -> int | None:
        """How much of the stack may stay so that this block may go on with a word, or None where it may not."""
        base = self.blocks[-1][2] if self.blocks else 1
        heights = (h for h in range(self._height, base - 1, -1) if h not in self.closed)
        return next((height for height in heights if self.stack.takes(word, height)), None)

    def _finish(self) -> Node | None:
        if self.blocks:
            brace, head, _ = self.blocks[-1]
            self.sink.report(catalogue.UnclosedBlock(span=self.source.span(brace.start, brace.end), inside=head))
            return None
        if not self.stack.takes(END):
            if not self.sink.errors:
                self._report(None, len(self.tokens))
            return None
        return self.stack.finish()


@cache
def _signs() -> dict[str, str]:
    return {text: name for name, text in tables().terminals.items() if len(text) == 1}


def _advice_after(words_before: list[str]) -> str:
    """What an item lacks that was left unfinished, by the words before the place where reading stopped."""
    match words_before:
        case ["up", "to", number, "epochs"]:
            return f"write `up to {number} epochs, patience 8`, or `{number} epochs` where nothing is to end it sooner"
        case [*_, "budget", share] if share.endswith("%"):
            return f"a share of the native size is written `budget {share} of native`"
    return ""
