"""The reference of all kinds of files as Markdown: `python -m swc.files.reference > docs/reference/files.md`.

Takes the registry, gives text. Guarantees: the same registry gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from inspect import cleandoc
from typing import Any, get_args

import attrs

from swc.files.kinds import FILE_KINDS, FileKind
from swc.files.migrations import VOCABULARY, Migration

_HEAD = """\
# Files

What the commands leave for each other, and for you, is of a few kinds. Each has one schema number, which is raised
when the kind gets an entry or gives an old one another meaning. A file of a newer schema than a version of swc knows is
refused by its name and both numbers ([SW570](diagnostics.md)); an older one is read, step by step, as it was meant when
it was written. Every file is written whole or not at all. Most are text in UTF-8; the heads of tensors are
[safetensors](https://huggingface.co/docs/safetensors).

`build/*/` is the folder of an ensemble, `run/` that of its run inside it. Beside the files of each folder lies
`checksums.txt`, as `sha256sum` writes it; `sha256sum -c checksums.txt` tries it by hand. A revision's `graph.txt` is
text in a form of its own, and has no number: it is held to the program beside it. Numbers that were undefined when they
were measured are `null`. A file without `schema` is of schema 1.

This page is written by `python -m swc.files.reference` from the classes in `swc/files` and `swc/program`; change it
there.
"""
LAYOUTS = {
    "canonical": "JSON, keys in order, a line for each entry of a list",
    "indented": "JSON, keys in order, indented",
    "declared": "JSON, indented",
    "line": "JSON of one line in the head of tensors",
    "compact": "JSON of one line in the head of tensors",
    "row": "A line of JSON for each row",
    "text": "A line of text for each entry",
}
_STEPS = """\
## Steps

The kinds that are made of what compiler and runtime share (`swc/program`) have one number together. Files of older
schemas are read through these steps (`swc/files/migrations.py`), and take the defaults of their own time
(`swc/files/schemas`):
"""


def reference() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *_overview(), "", _STEPS, *_steps(VOCABULARY), "", *map(_section, FILE_KINDS.values())])


def _steps(migrations: Sequence[Migration]) -> Iterator[str]:
    return (f"- schema {step.schema + 1}: {step.words}" for step in migrations)


def _overview() -> Iterator[str]:
    yield "| kind | where | schema | reads from | checksum |"
    yield "|---|---|---|---|---|"
    for kind in FILE_KINDS.values():
        yield f"| [{kind.name}](#{kind.name}) | {_places(kind)} | {kind.schema} | {kind.oldest} | {_checksum(kind)} |"


def _places(kind: FileKind) -> str:
    """Where files of a kind are: paths as code, words as they are."""
    return kind.place if " -" in kind.place else ", ".join(f"`{place}`" for place in kind.place.split(", "))


def _checksum(kind: FileKind) -> str:
    """Where the checksum of a kind is: heads of tensors and rows hold their own."""
    if kind.words:
        return "in the head"
    return "in every line" if kind.layout == "row" else "beside it" if kind.has_checksum else "none"


def _section(kind: FileKind) -> str:
    stated = f" `schema` is `{kind.words}{kind.schema}`." if kind.words else ""
    silent = " It has no `schema` yet." if kind.schema < kind.numbered else ""
    own = [] if kind.migrations == VOCABULARY or not kind.migrations else [*_steps(kind.migrations), ""]
    head = f"## {kind.name}\n\n{LAYOUTS[kind.layout]}.{stated}{silent}\n"
    return "\n".join([head, *map(_class, _classes(kind.content)), *own])


def _classes(content: Any) -> list[Any]:
    """The classes that a file of a kind may be."""
    parts = [part for part in get_args(content) if attrs.has(part)]
    return parts or [content]


def _class(cls: Any) -> str:
    """The class in its own words, and its entries."""
    names = ", ".join(f"`{part.name}`" for part in attrs.fields(cls))
    return f"**{cls.__name__}**: {cleandoc(cls.__doc__ or '')}\n\nEntries: {names}.\n"


if __name__ == "__main__":
    print(reference(), end="")
