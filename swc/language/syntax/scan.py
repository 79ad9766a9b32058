"""Text to tokens, with the terminals of the grammar.

Takes the text of a `.sw` file, gives tokens in order, comments among them. Guarantees: every character that is no
space lies in one token or in one diagnostic; a word's type is settled later, by the parser.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from functools import cache
from itertools import accumulate

from attrs import Factory, field, frozen

from swc.diagnostics import Sink, Span, catalogue
from swc.diagnostics.span import span_on
from swc.language.syntax.tables import tables
from swc.program.limits import LEVELS, LIST_VALUES, MISTAKES

SCALES = {"k": 10**3, "M": 10**6, "G": 10**9}
_NUMBER = re.compile(r"(-?(?:\d+(?:_\d+)*)?(?:\.\d+)?(?:[eE][+-]?\d+)?)([kMG%]?)", re.ASCII)


@frozen
class Token:
    """A run of characters; `type` is NAME, NUMBER, TEXT, COMMENT or the characters of a sign."""

    type: str
    text: str
    start: int
    line: int  # counted from 1
    is_first: bool  # on its line

    @property
    def end(self) -> int:
        """Where the next character stands."""
        return self.start + len(self.text)


@frozen
class Source:
    """A file's text, and the way from offsets to spans."""

    file: str
    text: str
    lines: tuple[str, ...] = field(default=Factory(lambda self: tuple(self.text.split("\n")), takes_self=True))
    starts: tuple[int, ...] = field(
        default=Factory(
            lambda self: tuple(accumulate((len(line) + 1 for line in self.lines[:-1]), initial=0)), takes_self=True
        )
    )

    def line_of(self, offset: int) -> int:
        """The number of the line an offset lies on, from 1."""
        return bisect_right(self.starts, offset)

    def span(self, start: int, end: int) -> Span:
        """The span from `start` up to `end`, cut at the end of its first line."""
        line = self.line_of(start)
        first = self.starts[line - 1]
        text = self.lines[line - 1]
        length = max(1, min(end, first + len(text)) - start)
        return span_on(self.file, line, text, start - first, length)


def read_source(text: str, file: str) -> Source:
    """The source with uniform line ends and without a byte-order mark."""
    return Source(file, text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n"))


@cache
def words() -> dict[str, str]:
    """The language's own words, each with the name of its terminal."""
    return {text: name for name, text in tables().terminals.items() if text.isidentifier()}


@cache
def _pattern() -> re.Pattern[str]:
    terminals = tables().terminals
    kinds = ("COMMENT", "SPACE", "TEXT", "NUMBER", "NAME")
    signs = "".join(re.escape(v) for n, v in terminals.items() if n not in kinds and not v.isidentifier())
    named = "|".join(f"(?P<{kind}>{terminals[kind]})" for kind in kinds)
    return re.compile(rf"{named}|(?P<SIGN>[{signs}])|(?P<STRAY>[^\s\w\"#{signs}]+|.)")


def scan(source: Source, sink: Sink) -> tuple[Token, ...]:
    """All tokens, comments among them; what is none is reported and left out."""
    tokens: list[Token] = []
    before = 0  # the line of what stands before
    for match in _pattern().finditer(source.text):
        kind = match.lastgroup or ""
        if kind == "SPACE":
            continue
        line = source.line_of(match.start())
        is_first, before = line > before, line
        if kind == "STRAY":
            span = source.span(match.start(), match.end())
            sink.report(catalogue.StrayCharacter(span=span, found=match.group()))
            stop_at_many(span, sink)
            continue
        tokens.append(Token(kind, match.group(), match.start(), line, is_first))
        _check(tokens[-1], source, sink)
    _check_depth(tokens, source, sink)
    return tuple(tokens)


VALUES = frozenset({"NUMBER", "TEXT", "NAME"})


def stop_at_many(span: Span, sink: Sink) -> None:
    """Stop reading a text that has very many mistakes; DiagnosticError with all of them."""
    if len(sink.diagnostics) >= MISTAKES:
        sink.report(catalogue.TooManyMistakes(span=span, most=MISTAKES))
        sink.raise_errors()


def _check_depth(tokens: Sequence[Token], source: Source, sink: Sink) -> None:
    """Raise where lists stand in lists without end, or hold values without end, before a tree is made of them."""
    depth = values = 0
    for token in tokens:
        depth = max(0, depth + {"[": 1, "]": -1}.get(token.text, 0))
        values = values + (token.type in VALUES) if depth else 0
        if values > LIST_VALUES:
            sink.report(catalogue.ListTooLong(span=source.span(token.start, token.end), most=LIST_VALUES))
            sink.raise_errors()
        if depth > LEVELS:
            sink.report(catalogue.TooDeep(span=source.span(token.start, token.end), what="lists", most=LEVELS))
            sink.raise_errors()


def _check(token: Token, source: Source, sink: Sink) -> None:
    if token.type == "NUMBER" and number_value(token.text) is None:
        is_too_long = _NUMBER.fullmatch(token.text) is not None
        span = source.span(token.start, token.end)
        sink.report(catalogue.MalformedNumber(span=span, found=token.text, is_too_long=is_too_long))
        stop_at_many(span, sink)
    if token.type == "TEXT" and (len(token.text) == 1 or not token.text.endswith('"')):
        span = source.span(token.start, token.end)
        sink.report(catalogue.UnclosedText(span=span))
        stop_at_many(span, sink)


LONGEST = 40  # characters of a number
FEW_DIGITS = 18  # with which a whole number lies below the largest
LARGEST = 1e18  # beyond it, and below its inverse, nothing a spec counts or measures


def number_value(text: str) -> int | float | None:
    """What a number means, its suffix applied, or None where it is none; whole values are given as int."""
    if len(text) <= FEW_DIGITS and text.isascii() and text.isdigit():
        return int(text)  # most numbers
    match = _NUMBER.fullmatch(text)
    if match is None or len(text) > LONGEST or not text.isascii():
        return None
    significant = match[1].lower().partition("e")[0]
    if not any(c.isdigit() for c in significant):
        return None
    if not any(c in "123456789" for c in significant):
        return 0  # whatever power of ten it is times
    digits = match[1].replace("_", "")
    if not _is_in_range(float(digits)):  # before powers of ten are taken of it
        return None
    found = _scaled(digits, SCALES.get(match[2], 1), 100 if match[2] == "%" else 1)
    return found if _is_in_range(found) else None


def _is_in_range(number: float) -> bool:
    return 1 / LARGEST <= abs(number) <= LARGEST


def _scaled(digits: str, times: int, over: int) -> int | float:
    """A decimal times a fraction, exact up to the last division, so that 36.5M is a whole number."""
    decimal, _, exponent = digits.lower().partition("e")
    whole, _, behind = decimal.partition(".")
    power = int(exponent or 0) - len(behind)
    above: int = int(whole + behind) * times * 10 ** max(0, power)
    below: int = over * 10 ** max(0, -power)
    return above / below if above % below else above // below
