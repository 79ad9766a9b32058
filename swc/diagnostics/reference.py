"""The reference of all diagnostics as Markdown: `python -m swc.diagnostics.reference > docs/reference/diagnostics.md`.

Takes the catalogue, gives text. Guarantees: the same catalogue gives the same bytes.
"""

from __future__ import annotations

import re
from inspect import cleandoc

from swc.diagnostics.codes import AREAS
from swc.diagnostics.diagnostic import Diagnostic

_HEAD = """\
# Diagnostics

Every mistake that `swc` tells you about has a code, `SW` and three digits. A diagnostic shows the code, what is
wrong, the place in the file with the span underlined, and the way out. `swc explain CODE` prints on the terminal what
stands here. An *error* stops the command with exit status 1; a *warning* does not (but `swc check --strict` fails on
it); a *note* only informs.

With `--format json`, `swc check` prints one object: `diagnostics`, a list in the order of the places, `errors` and
`warnings`, their numbers; of more than a thousand the list holds the first, and the numbers count all. Each diagnostic
has the keys `code`, `severity` (`error`, `warning` or `note`), `message`, `file`, `line`, `column`, `length`, `help`
and `notes`. Lines and columns count from 1, in characters; the four keys of the place are null where a diagnostic
belongs to no line; `help` is null where nothing general can be said. On the terminal the first hundred are printed,
errors before all else.

This page is written by `python -m swc.diagnostics.reference` from the classes in `swc/diagnostics/catalogue/`; change
it there.
"""


def reference() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *(_area(title, classes) for title, classes in AREAS if classes)])


def _area(title: str, classes: tuple[type[Diagnostic], ...]) -> str:
    entries = sorted(classes, key=lambda found: found.code)
    return "\n".join([f"## {title}\n", *(_entry(found) for found in entries)])


def _entry(found: type[Diagnostic]) -> str:
    return f"### {found.code}: {_words(found)}\n\n*{found.severity.value}*: {cleandoc(found.__doc__ or '')}\n"


def _words(found: type[Diagnostic]) -> str:
    """The name of the class as words."""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", found.__name__).lower()


if __name__ == "__main__":
    print(reference(), end="")
