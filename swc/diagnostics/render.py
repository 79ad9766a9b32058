"""Diagnostics as text for people and as JSON for tools.

Takes diagnostics, gives strings; reads no file and prints nothing. Guarantees: the same diagnostics give the same
text; carets stand under the span on a terminal, tabs and wide characters included; no control character reaches the
terminal, whether it stands in a source line, a name, or the message of an error.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any
from unicodedata import category, combining, east_asian_width

from swc.diagnostics.diagnostic import SHOWN, Diagnostic, Severity
from swc.diagnostics.printable import escaped, on_one_line, printable
from swc.diagnostics.span import CUT, Span

TAB_STOP = 4
LONGEST = 2_000  # characters of a message, a note or a help
MOST_NOTES = 50  # notes of a diagnostic
SHOWN_AS_JSON = 1_000  # a tool takes more of them than a person
_BOLD, _BLUE, _RESET = "\x1b[1m", "\x1b[1;34m", "\x1b[0m"
_SEVERITY_COLOURS = {Severity.ERROR: "\x1b[1;31m", Severity.WARNING: "\x1b[1;33m", Severity.NOTE: "\x1b[1;36m"}


def render(diagnostics: Sequence[Diagnostic], *, colour: bool = False) -> str:
    """Diagnostics in the order of their places, an empty line between them, and the summary; "" for none.

    Of more than `SHOWN` the first are shown, errors before all else, and of the others the number.
    """
    if not diagnostics:
        return ""
    blocks = [render_one(diagnostic, colour=colour) for diagnostic in first_of(diagnostics, SHOWN)]
    left_out = len(diagnostics) - len(blocks)
    if left_out:
        blocks.append(f"and {left_out:,} more that are not shown")
    return "\n\n".join([*blocks, summary(diagnostics)]) + "\n"


def first_of(diagnostics: Sequence[Diagnostic], most: int) -> list[Diagnostic]:
    """The first of them in the order of their places; errors are taken before all else."""
    ordered = in_order(diagnostics)
    if len(ordered) <= most:
        return ordered
    return in_order(sorted(ordered, key=lambda one: one.severity is not Severity.ERROR)[:most])


def short(text: str) -> str:
    """A text that may quote whole files, cut to what one reads."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}{CUT}"


def render_one(diagnostic: Diagnostic, *, colour: bool = False) -> str:
    """One diagnostic: what, where, the source line with the span underlined, notes, help; no line end at the end."""
    tint = _SEVERITY_COLOURS[diagnostic.severity] if colour else ""
    title = f"{diagnostic.severity.value}[{diagnostic.code}]"
    lines = [f"{_in(tint, title)}{_in(_BOLD if colour else '', f': {short(printable(diagnostic.message()))}')}"]
    gutter = len(str(diagnostic.span.line)) if diagnostic.span else 1
    edge = _BLUE if colour else ""
    if diagnostic.span:
        lines += _place(diagnostic.span, gutter, edge, tint)
    for label, text in _remarks(diagnostic):
        lines.append(_remark(label, text, gutter, edge))
    return "\n".join(line.rstrip() for line in lines)


def _place(span: Span, gutter: int, edge: str, tint: str) -> list[str]:
    blank = " " * gutter
    source, start, width = underlined(span)
    return [
        f"{blank}{_in(edge, '-->')} {printable(str(span))}",
        f"{blank} {_in(edge, '|')}",
        f"{_in(edge, f'{span.line:>{gutter}} |')} {source}",
        f"{blank} {_in(edge, '|')} {' ' * start}{_in(tint, '^' * width)}",
    ]


def _remarks(diagnostic: Diagnostic) -> list[tuple[str, str]]:
    help_text = diagnostic.help()
    remarks = [("note", short(note)) for note in _few(diagnostic.notes())]
    return [*remarks, ("help", short(help_text))] if help_text else remarks


def _few(notes: tuple[str, ...]) -> tuple[str, ...]:
    more = len(notes) - MOST_NOTES
    return (*notes[:MOST_NOTES], f"and {more:,} more") if more > 0 else notes


def _remark(label: str, text: str, gutter: int, edge: str) -> str:
    lead = f"{' ' * gutter} {_in(edge, '=')} {label}: "
    hanging = "\n" + " " * (gutter + len(label) + 5)
    return lead + hanging.join(printable(text).split("\n"))


def _in(colour: str, text: str) -> str:
    return f"{colour}{text}{_RESET}" if colour and text else text


def underlined(span: Span) -> tuple[str, int, int]:
    """The source line as it is printed, and where its underline starts and how wide it is, in terminal cells.

    Tabs become spaces up to the next stop; other control characters become `?`. An underline is at least one wide.
    """
    begin = max(span.column - span.begin, 0)
    source = _printable(span.text)
    start = _cells(_printable(span.text[:begin]))
    end = _cells(_printable(span.text[: begin + max(span.length, 1)]))
    start += max(begin - len(span.text), 0)
    return source, start, max(end - start, 1)


def _printable(text: str) -> str:
    shown = ""
    for character in text:
        if character == "\t":
            shown += " " * (TAB_STOP - _cells(shown) % TAB_STOP)
        else:
            shown += on_one_line(character)
    return shown


def _cells(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(_width(character) for character in text)


def _width(character: str) -> int:
    if combining(character) or category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if east_asian_width(character) in {"W", "F"} else 1


def in_order(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Sorted by place: files as they were first met, then line and column; those without a place last."""
    found = list(diagnostics)
    files = {name: place for place, name in enumerate(dict.fromkeys(d.span.file for d in found if d.span))}

    def place(diagnostic: Diagnostic) -> tuple[int, int, int]:
        span = diagnostic.span
        return (files[span.file], span.line, span.column) if span else (len(files), 0, 0)

    return sorted(found, key=place)


def summary(diagnostics: Sequence[Diagnostic]) -> str:
    """How many of each severity: `2 errors, 1 warning`."""
    counts = [(sum(d.severity is severity for d in diagnostics), severity.value) for severity in Severity]
    return ", ".join(f"{count} {word}{'s' if count > 1 else ''}" for count, word in counts if count)


def render_json(diagnostics: Sequence[Diagnostic]) -> str:
    """One JSON object: `diagnostics`, a list of objects in the order of their places, `errors` and `warnings`.

    Of more than `SHOWN_AS_JSON` the list has the first, as `render` does; the two numbers count all of them.

    Keys of each: `code`, `severity`, `message`, `file`, `line`, `column`, `length`, `help`, `notes`; the four of the
    place are null for a diagnostic without one. Lines and columns count from 1, in characters.
    """
    document = {
        "diagnostics": [as_json(diagnostic) for diagnostic in first_of(diagnostics, SHOWN_AS_JSON)],
        "errors": sum(d.severity is Severity.ERROR for d in diagnostics),
        "warnings": sum(d.severity is Severity.WARNING for d in diagnostics),
    }
    return escaped(json.dumps(document, indent=2, ensure_ascii=False)) + "\n"


def as_json(diagnostic: Diagnostic) -> dict[str, Any]:
    """One diagnostic as a JSON object."""
    span = diagnostic.span
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity.value,
        "message": short(diagnostic.message()),
        "file": span.file if span else None,
        "line": span.line if span else None,
        "column": span.column if span else None,
        "length": span.length if span else None,
        "help": short(diagnostic.help() or "") or None,
        "notes": list(map(short, _few(diagnostic.notes()))),
    }
