"""How reading a spec grows with its text: in calls of functions, and in time by the CPU's clock with a wide margin."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import process_time

import pytest
from swc.diagnostics import DiagnosticError, Sink
from swc.diagnostics.render import render
from swc.language.semantics.check import check_whole
from swc.language.syntax.printer import format_text

from support.counting import calls

HEAD = "ensemble e {\n data digits\n member a = wrn(depth: 10, width: 1)\n"


def many(item: Callable[[int], str]) -> Callable[[int], str]:
    """So many items, each with its number."""
    return lambda number: "".join(map(item, range(number)))


def inside(items: Callable[[int], str], before: str = HEAD, behind: str = "}") -> Callable[[int], str]:
    """Items in the middle of an ensemble."""
    return lambda number: before + items(number) + behind


TEXTS: dict[str, Callable[[int], str]] = {
    "numbers on a line": inside(many(lambda n: "1, "), HEAD + " param x = [", "1]\n}\n"),
    "signs of no meaning": many(lambda n: "$ "),
    "lines of no meaning": many(lambda n: "$\n"),
    "misspelt items": inside(many(lambda n: f"param{n % 7}\n")),
    "keywords inside a list": inside(many(lambda n: "at\n"), "ensemble e {\n param a = " + "[" * 40 + "\n", ""),
    "blocks never closed": many(lambda n: f"ensemble e{n} {{\n data digits\n"),
    "comments": many(lambda n: "# nothing\n"),
    "ensembles": many(lambda n: f"ensemble e{n} {{ data digits member a = wrn(depth: 10, width: 1) }}\n"),
    "ensembles that extend one": inside(many(lambda n: f"ensemble e{n} extends e {{}}\n"), HEAD + "}\n", ""),
    "unknown bases": many(lambda n: f"ensemble e{n} extends x{n} {{}}\n"),
    "params in a chain": inside(many(lambda n: f" param p{n} = p{n + 1}\n")),
    "params in a circle": lambda number: inside(many(lambda n: f" param p{n} = p{(n + 1) % number}\n"))(number),
    "members": inside(many(lambda n: f" member m{n} = wrn(depth: 10, width: 1)\n")),
    "plain arguments": inside(many(lambda n: "1, "), HEAD + " member b = wrn(", ") }"),
    "recipes": many(lambda n: f"recipe r{n} {{ batch 2 }}\n"),
    "missing imports": many(lambda n: f'import "x{n}.sw"\n'),
}


def read(text: str, folder: Path) -> None:
    """Check, print what there is to say, and lay out."""
    path = folder / "spec.sw"
    path.write_text(text)
    sink = Sink()
    check_whole(path, {}, sink)
    render(sink.diagnostics)
    try:
        format_text(text + " ")  # another text: the parser remembers the last ones
    except DiagnosticError:
        return


@pytest.mark.parametrize("name", TEXTS)
def test_ten_times_the_text_are_at_most_eleven_times_the_calls(name: str, tmp_path: Path) -> None:
    read(TEXTS[name](30), tmp_path)  # what is made once is no growth
    small, large = (calls(lambda n=n: read(TEXTS[name](n), tmp_path)) for n in (60, 600))
    assert large < 11 * small


@pytest.mark.parametrize("name", ["numbers on a line", "signs of no meaning", "comments"])
def test_the_time_does_not_grow_with_the_square(name: str, tmp_path: Path) -> None:
    """Copies of the text take no calls, but time: ten times the text would take a hundred times as long."""

    def seconds(number: int) -> float:
        started = process_time()
        read(TEXTS[name](number), tmp_path)
        return process_time() - started

    read(TEXTS[name](30), tmp_path)
    small, large = (min(seconds(number) for _ in range(3)) for number in (500, 5_000))
    assert large < 40 * small
