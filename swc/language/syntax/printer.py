"""The canonical form of a text.

Takes a text without mistakes of form, gives its canonical layout. Guarantees: the same syntax tree and the same
comments; laying out twice changes nothing more. One item a line, two spaces for each block; a block that its author
wrote on one line around a single item stays there; a blank line between items stays one.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from attrs import define, field, frozen

from swc.language.syntax.parser import ParsedText, parse_tokens
from swc.language.syntax.scan import Token
from swc.language.syntax.stack import Node

WIDTH = 120
DEFINITIONS = frozenset({"import_file", "ensemble", "recipe", "policy"})
ITEMS = frozenset(
    [
        "data",
        "task",
        "param",
        "member",
        "step",
        "budget",
        "share",
        "train",
        "clusters",
        "coefficients",
        "templates",
        "blocks",
        "initialisation",
        "batch",
        "optimiser",
        "no_decay",
        "schedule",
        "augment",
        "loss",
        "label_smoothing",
        "norm_batch",
        "clip_gradients",
        "weight_average",
        "precision",
        "seed",
        "phase",
        "phase_up_to",
    ]
)
CLAUSES = frozenset({"split", "split_into", "group_layers", "restart", "carry_on", "untie", "act"})
OPEN, CLOSE = frozenset("(["), frozenset(")]")


def format_text(text: str, file: str = "<text>") -> str:
    """The text in its one canonical form; DiagnosticError where it has mistakes of form."""
    return _Layout(_Structure.of(parse_tokens(text, file))).render()


@frozen
class _Structure:
    """What the layout needs of a text: tokens, where items begin, which blocks stay on one line."""

    text: str
    tokens: tuple[Token, ...]
    heads: dict[int, str]  # the kind of the definition, item or clause that begins at an offset
    inline: frozenset[int]  # the offsets of the braces of blocks that stay on one line
    followers: tuple[Token | None, ...]  # for each token the first from there on that is not a comment

    @classmethod
    def of(cls, parsed: ParsedText) -> _Structure:
        """Read off a parsed text."""
        kinds = DEFINITIONS | ITEMS | CLAUSES
        heads = {n.start: n.kind for n in _nodes(parsed.tree) if n.kind in kinds}
        tokens = _without_last_commas(parsed.tokens)
        return cls(parsed.source.text, tokens, heads, _inline_braces(tokens, heads), _followers(tokens))


def _nodes(tree: Node) -> Iterator[Node]:
    """A node and all below it."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += [child for child in node.children if isinstance(child, Node)]


def _without_last_commas(tokens: tuple[Token, ...]) -> tuple[Token, ...]:
    code = [t for t in tokens if t.type != "COMMENT"]
    last = {a.start for a, b in pairwise(code) if a.text == "," and b.text in CLOSE}
    return tuple(t for t in tokens if t.start not in last)


def _followers(tokens: tuple[Token, ...]) -> tuple[Token | None, ...]:
    found: list[Token | None] = []
    follower: Token | None = None
    for token in reversed(tokens):
        follower = follower if token.type == "COMMENT" else token
        found.append(follower)
    return tuple(reversed(found))


def _inline_braces(tokens: tuple[Token, ...], heads: dict[int, str]) -> frozenset[int]:
    inline: set[int] = set()
    opened: list[int] = []
    for position, token in enumerate(tokens):
        if token.text == "{":
            opened.append(position)
        elif token.text == "}":
            start = opened.pop()
            first = next((n for n in range(start, -1, -1) if tokens[n].start in heads), start)
            line = " " * 2 * len(opened) + _joined([*tokens[first : position + 1]])
            if len(line) <= WIDTH and _stays_on_a_line(tokens[start : position + 1], heads):
                inline |= {tokens[start].start, token.start}
    return frozenset(inline)


def _stays_on_a_line(block: tuple[Token, ...], heads: dict[int, str]) -> bool:
    """Whether a block, from brace to brace, holds at most one item, was written on one line and fits there."""
    begun = [heads[t.start] for t in block if t.start in heads]
    is_short = sum(len(t.text) + 1 for t in block) < WIDTH // 2
    has_comment = any(t.type == "COMMENT" for t in block)
    is_simple = len(begun) <= 1 and not has_comment and "phase" not in begun
    return is_simple and (not begun or (is_short and block[0].line == block[-1].line))


@define
class _Line:
    indent: int
    is_whole: bool = True  # begins with a head or a brace, and not in the middle of an item
    tokens: list[Token] = field(factory=list)
    comment: str = ""
    is_blank_before: bool = False

    def render(self) -> str:
        """The line, broken at the arguments of its widest bracket if it is too long."""
        blank = "\n" if self.is_blank_before else ""
        code = " " * self.indent + _joined(self.tokens)
        if len(code) > WIDTH:
            code = _wrapped(self.tokens, self.indent) or code
        gap = "  " if self.tokens and self.comment else ""
        return f"{blank}{code if self.tokens else ' ' * self.indent}{gap}{self.comment}"


@define
class _Layout:
    structure: _Structure
    lines: list[_Line] = field(factory=list)
    depth: int = 0
    extra: int = 0  # inside a clause of a phase
    must_break: bool = True

    def render(self) -> str:
        """All lines."""
        tokens = self.structure.tokens
        for position, token in enumerate(tokens):
            self._add(token, position)
        _part_definitions(self.lines, self.structure.heads)
        return "".join(f"{line.render()}\n" for line in self.lines)

    def _add(self, token: Token, position: int) -> None:
        if token.type == "COMMENT":
            self._add_comment(token, position)
            return
        is_inline = token.start in self.structure.inline
        if token.text == "}" and not is_inline:
            self.depth -= 1
            self._begin(token, position, extra=0)
        elif self._is_head(token, position):
            self._begin(token, position, extra=self._extra_of(token))
        elif self.must_break:
            self._begin_within()
        self.lines[-1].tokens.append(token)
        self.must_break = token.text in "{}" and not is_inline
        if token.text == "{" and not is_inline:
            self.depth += 1

    def _is_head(self, token: Token, position: int) -> bool:
        before = self.structure.tokens[position - 1] if position else None
        is_inside_inline = before is not None and before.text == "{" and before.start in self.structure.inline
        return token.start in self.structure.heads and not is_inside_inline

    def _extra_of(self, token: Token) -> int:
        return 2 if self.structure.heads[token.start] in CLAUSES else 0

    def _begin(self, token: Token, position: int, extra: int) -> None:
        self.extra = extra
        line = _Line(2 * self.depth + extra)
        line.is_blank_before = token.text != "}" and self._is_blank_before(position)
        self.lines.append(line)

    def _begin_within(self) -> None:
        self.lines.append(_Line(2 * self.depth + self.extra + 4, is_whole=False))

    def _add_comment(self, token: Token, position: int) -> None:
        self.must_break = True
        text = token.text.rstrip()
        if not token.is_first and not self.lines[-1].comment:  # taking out a comma can leave two for one line
            self.lines[-1].comment = text
            return
        line = _Line(self._indent_before(self.structure.followers[position]), comment=text)
        line.is_blank_before = self._is_blank_before(position)
        self.lines.append(line)

    def _indent_before(self, follower: Token | None) -> int:
        """How far a comment on a line of its own is set in: as far as what follows it."""
        if follower is None or follower.text == "}":
            return 2 * self.depth
        if follower.start in self.structure.heads:
            return 2 * self.depth + self._extra_of(follower)
        return 2 * self.depth + self.extra + 4

    def _is_blank_before(self, position: int) -> bool:
        if position == 0:
            return False
        before, token = self.structure.tokens[position - 1 : position + 1]
        return before.text != "{" and self.structure.text[before.end : token.start].count("\n") > 1


def _part_definitions(lines: list[_Line], heads: dict[int, str]) -> None:
    """A blank line before every ensemble, recipe and policy that follows something, and before its comments."""
    for position, line in enumerate(lines):
        kind = heads.get(line.tokens[0].start) if line.tokens else None
        if kind not in DEFINITIONS - {"import_file"}:
            continue
        first = position
        while first > 0 and not lines[first].is_blank_before and not lines[first - 1].tokens:
            first -= 1
        lines[first].is_blank_before = first > 0


def _joined(tokens: list[Token]) -> str:
    text = ""
    for position, token in enumerate(tokens):
        text += (" " if _has_space(tokens, position) else "") + token.text
    return text


def _has_space(tokens: list[Token], position: int) -> bool:
    if position == 0:
        return False
    token, before = tokens[position].text, tokens[position - 1].text
    if token in {",", ")", "]", ":", "("} or before in OPEN:
        return False
    is_array = token == "[" and position == 2 and tokens[0].text == "member"
    return not is_array and not (before == "{" and token == "}")


def _wrapped(tokens: list[Token], indent: int) -> str | None:
    """The line with what its widest outer bracket holds on lines of their own, or None without a bracket."""
    groups = _outer_brackets(tokens)
    if not groups:
        return None
    start, end = max(groups, key=lambda group: group[1] - group[0])
    pad = "\n" + " " * indent
    parts = _split_at_commas(tokens[start + 1 : end])
    inner = ",".join(f"{pad}  {_joined(part)}" for part in parts)
    tail = _joined(tokens[end:])
    return f"{' ' * indent}{_joined(tokens[: start + 1])}{inner}{pad}{tail}"


def _outer_brackets(tokens: list[Token]) -> list[tuple[int, int]]:
    groups: list[tuple[int, int]] = []
    opened: list[int] = []
    for position, token in enumerate(tokens):
        if token.text in OPEN:
            opened.append(position)
        elif token.text in CLOSE and opened:
            start = opened.pop()
            if not opened:
                groups.append((start, position))
    return [] if opened else groups


def _split_at_commas(tokens: list[Token]) -> list[list[Token]]:
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += (token.text in OPEN) - (token.text in CLOSE)
        if token.text == "," and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts
