"""Text to syntax tree.

Takes the text of a `.sw` file, gives a `File`. Guarantees: every mistake of form is reported at once, in the
language's words; after a mistake, reading goes on with the next item of the block it lies in.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from attrs import Factory, define, field, frozen

from swc.diagnostics import Sink, Span
from swc.diagnostics.catalogue.syntax_errors import UnclosedBlock, UnexpectedWord
from swc.diagnostics.suggest import closest
from swc.syntax.build import build_file
from swc.syntax.expected import phrases
from swc.syntax.scan import SCALES, Source, Token, lark, read_source, scan, words
from swc.syntax.tree import File

if TYPE_CHECKING:
    from lark import Tree


@frozen
class Parsed:
    """A text without mistakes of form: lark's tree for layout, the tokens with comments, the source."""

    source: Source
    tokens: tuple[Token, ...]
    tree: Tree[Any]


def parse_text(text: str, file: str) -> File:
    """The syntax tree of a text; DiagnosticError with every mistake of form otherwise."""
    parsed = parse_tokens(text, file)
    return build_file(parsed.tree, parsed.source)


def parse_tokens(text: str, file: str) -> Parsed:
    """The tokens and lark's tree of a text; DiagnosticError with every mistake of form otherwise."""
    source, sink = read_source(text, file), Sink()
    tokens = scan(source, sink)
    tree = _Reader(source, tuple(t for t in tokens if t.type != "COMMENT"), sink).read()
    if sink.errors:
        sink.diagnostics.sort(key=_place)
    sink.raise_errors()
    assert tree is not None, "a text without mistakes has a tree"
    return Parsed(source, tokens, tree)


def _place(diagnostic: Any) -> tuple[int, int]:
    span: Span = diagnostic.span
    return span.line, span.column


@define
class _Reader:
    """Feeds tokens to the LALR tables, and repairs the stack after a mistake."""

    source: Source
    tokens: tuple[Token, ...]
    sink: Sink
    parser: Any = Factory(lambda: lark().parse_interactive(""))
    # Each open block: its `{`, the word that heads it, and the height of the stack inside it.
    blocks: list[tuple[Token, str, int]] = field(factory=list)
    # The heights inside a block that has just been closed and still lies on the stack as it was read.
    closed: range = range(0)

    @property
    def _states(self) -> list[int]:
        states: list[int] = self.parser.parser_state.state_stack
        return states

    def read(self) -> Tree[Any] | None:
        """Feed everything; None where the end of the file came too early."""
        position = 0
        while position < len(self.tokens):
            token = self.tokens[position]
            kind = self._type_of(token)
            if _takes(self._states, kind):
                self._feed(token, kind, position)
                position += 1
                continue
            self._report(token)
            position = self._resume(position)
        return self._finish()

    def _type_of(self, token: Token) -> str:
        if token.type == "NAME":
            word = words().get(token.text)
            return word if word is not None and _takes(self._states, word) else "NAME"
        return _signs()[token.text] if token.type == "SIGN" else token.type

    def _feed(self, token: Token, kind: str, position: int) -> None:
        self.parser.feed_token(_lark_token(token, kind, self.source))
        self.closed = range(0)
        if kind == "LBRACE":
            self.blocks.append((token, self._head(position), len(self._states)))
        if kind == "RBRACE":
            self.closed = range(self.blocks.pop()[2], len(self._states))

    def _head(self, position: int) -> str:
        """The word that opens the block whose `{` stands at `position`."""
        heads = ("ensemble", "share", "policy", "recipe", "train")
        return next(t.text for t in reversed(self.tokens[:position]) if t.text in heads)

    def _report(self, token: Token | None) -> None:
        accepted = frozenset(name for name in _table()[self._states[-1]] if name.isupper() or name == "$END")
        accepted = frozenset(name for name in accepted if _takes(self._states, name))
        texts = [word for word, name in words().items() if name in accepted]
        start, end = (token.start, token.end) if token else (len(self.source.text.rstrip()), len(self.source.text))
        span = self.source.span(start, end)
        if any(d.span is not None and d.span.line == span.line for d in self.sink.diagnostics):
            return  # most likely a consequence of what is already known about this line
        self.sink.report(
            UnexpectedWord(
                span=span,
                found=f"`{token.text}`" if token else "the end of the file",
                expected=phrases(accepted),
                inside=self.blocks[-1][1] if self.blocks else "",
                meant=closest(token.text, texts)
                if token and token.type == "NAME" and token.text not in words()
                else None,
                advice=self._advice(token),
            )
        )

    def _advice(self, token: Token | None) -> str:
        """What went wrong, for the mistakes that are made most."""
        if token is None:
            return ""
        before = max((t for t in self.tokens if t.start < token.start), key=lambda t: t.start, default=None)
        if before is not None and before.type == "NUMBER" and token.text in (*SCALES, "%"):
            return f"the suffix is part of the number: `{before.text}{token.text}`"
        if self._opens_outside(token):
            return f"close the `{self.blocks[-1][1]}` block with `}}` before `{token.text}`"
        return ""

    def _opens_outside(self, token: Token) -> bool:
        """Whether a line begins with the first word of an item of a block around the present one."""
        word = words().get(token.text, "")
        if not (word and token.is_first and self.blocks):
            return False
        heights = range(1, self.blocks[-1][2])
        return any(_takes(self._states[:height], word) for height in heights)

    def _resume(self, start: int) -> int:
        """Skip to a token that may go on, cut the stack back to where it may, and give that token's position."""
        self._close_forgotten(self.tokens[start])
        depth = 0
        for position in range(start, len(self.tokens)):
            token = self.tokens[position]
            if depth == 0 and (self._cut_back_to(token) or (position > start and self._is_misspelt(token))):
                return position
            depth = max(0, depth + {"{": 1, "}": -1}.get(token.text, 0))
        return len(self.tokens)

    def _is_misspelt(self, token: Token) -> bool:
        """Whether a line begins with what looks like the first word of an item; cuts the stack back for it if so."""
        height = self._height_for("RBRACE" if self.blocks else "ENSEMBLE")
        if height is None or not token.is_first or token.type != "NAME":
            return False
        if closest(token.text, [w for w, name in words().items() if _takes(self._states[:height], name)]) is None:
            return False
        self._pop_to(height)
        return True

    def _close_forgotten(self, token: Token) -> None:
        """Leave a block whose `}` is missing, where the word at hand opens an item of the block around it."""
        word = words().get(token.text, "")
        while len(self.blocks) > 1 and token.is_first and word and self._is_unbalanced(token):
            base = self.blocks[-1][2]
            if any(_takes(self._states[:height], word) for height in range(base, len(self._states) + 1)):
                return
            outer = self.blocks[-2][2]
            if not any(_takes(self._states[:height], word) for height in range(outer, base)):
                return
            self._pop_to(base - 1)
            self.blocks.pop()

    def _is_unbalanced(self, token: Token) -> bool:
        rest = [t.text for t in self.tokens if t.start >= token.start]
        return rest.count("}") - rest.count("{") < len(self.blocks)

    def _cut_back_to(self, token: Token) -> bool:
        """Drop what was begun in this block until `token` may follow; False where it never may."""
        word = _signs()["}"] if token.text == "}" else words().get(token.text, "")
        if not word or not (token.is_first or token.text == "}"):
            return False
        height = self._height_for(word)
        if height is not None:
            self._pop_to(height)
        return height is not None

    def _height_for(self, word: str) -> int | None:
        """How much of the stack may stay so that this block may go on with a word, or None where it may not."""
        base = self.blocks[-1][2] if self.blocks else 1
        heights = (h for h in range(len(self._states), base - 1, -1) if h not in self.closed)
        return next((height for height in heights if _takes(self._states[:height], word)), None)

    def _pop_to(self, height: int) -> None:
        del self.parser.parser_state.state_stack[height:]
        del self.parser.parser_state.value_stack[height - 1 :]

    def _finish(self) -> Tree[Any] | None:
        if self.blocks:
            brace, head, _ = self.blocks[-1]
            self.sink.report(UnclosedBlock(span=self.source.span(brace.start, brace.end), inside=head))
            return None
        if not _takes(self._states, "$END"):
            if not self.sink.errors:
                self._report(None)
            return None
        tree: Tree[Any] = self.parser.feed_eof()
        return tree


def _takes(states: list[int], terminal: str) -> bool:
    """Whether the LALR tables shift `terminal` from a stack of states, reductions on the way included."""
    from lark.parsers.lalr_analysis import Shift

    stack = list(states)
    while terminal in _table()[stack[-1]]:
        action, target = _table()[stack[-1]][terminal]
        if action is Shift:
            return True
        size = len(target.expansion)
        del stack[len(stack) - size :]
        stack.append(_table()[stack[-1]][target.origin.name][1])
        if terminal == "$END" and target.origin.name == "start":
            return True
    return False


@cache
def _table() -> Any:
    return lark().parse_interactive("").parser_state.parse_conf.parse_table.states


@cache
def _signs() -> dict[str, str]:
    return {t.pattern.value: t.name for t in lark().terminals if len(t.pattern.value) == 1}


def _lark_token(token: Token, kind: str, source: Source) -> Any:
    from lark import Token as LarkToken

    column = token.start - source.starts[token.line - 1] + 1
    end = column + len(token.text)
    return LarkToken(kind, token.text, token.start, token.line, column, token.line, end, token.end)
