"""Files that are deep, long or tremendous are refused in time and memory that grow with their size alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import evolve
from swc.compiler.frontend import read_members
from swc.compiler.ir.text import parse_graph
from swc.diagnostics import DiagnosticError, Sink
from swc.files.codec import MOST_DETAILS, decode, encode
from swc.files.plain_json import LEVELS, read_json
from swc.program.expressions import Combine, Concat, Expression
from swc.program.feedback import ClusterFeedback
from swc.program.limits import CELLS
from swc.program.model_source import ModelSource
from swc.program.program import SCHEMA, Program
from swc.program.spec import Member, Spec
from swc.sweep.plan import Sweep
from swc.sweep.sweep_file import read_sweep

from support.counting import calls
from support.graphs import small_spec


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[" * 60_000, "levels deep"),
        ('{"a":' * 60_000, "levels deep"),
        ('"' + "[" * 60_000, "Unterminated"),
        ('{"a": 1, "b": 2, "a": 3}', "`a` stands twice"),
        ("9" * 5_000, "digits"),
        ("1e999", "too large"),
        ("NaN", "no JSON number"),
        ('"\\ud800"', "half a character"),
        ("", "Expecting"),
    ],
)
def test_what_is_no_json_of_ours_is_told(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        read_json(text)


def test_brackets_in_texts_are_no_levels() -> None:
    assert read_json('["' + '[\\"{' * 2_000 + '"]') == ['["{' * 2_000]
    assert read_json('"\\ud83d\\ude00"') == "\U0001f600"


def test_ten_times_the_json_is_ten_times_the_work() -> None:
    texts = ['{"a": [' + ", ".join(['{"b": 1.5}'] * size) + "]}" for size in (100, 1_000)]
    small, large = (calls(lambda text=text: read_json(text)) for text in texts)
    assert large < 11 * small


@pytest.mark.parametrize(
    "body",
    [
        '"type": ["Program"]',
        '"type": {"Program": 1}',
        '"type": "Program", "schema": 1e999',
        '"type": "Program", "members": ' + "[" * (LEVELS + 1) + "]" * (LEVELS + 1),
        '"type": "Program", "ensemble": "\\udfff"',
        '"type": "Program", "revision": ' + "9" * 4_000,
    ],
)
def test_a_damaged_program_is_told(body: str) -> None:
    with pytest.raises(DiagnosticError):
        decode("{" + f'"schema": {SCHEMA}, {body}' + "}", Program)


@pytest.mark.parametrize("value", ["9" * 400, "9" * 19, "1" + "0" * 30])
def test_a_number_beyond_64_bits_is_told(value: str) -> None:
    text = encode(small_spec()).replace('"seed": 0', f'"seed": {value}').replace('"lr": 0.1', f'"lr": {value}')
    assert value in text
    with pytest.raises(DiagnosticError) as raised:
        decode(text, Spec)
    assert [found.code for found in raised.value.diagnostics] == ["SW653"]


def test_few_of_many_mistakes_are_told() -> None:
    items = ", ".join(['{"x": 1}'] * 3_000)
    text = f'{{"schema": {SCHEMA}, "type": "ClusterFeedback", "revision": 0, "similarities": [{items}]}}'
    with pytest.raises(DiagnosticError) as raised:
        decode(text, ClusterFeedback)
    (found,) = raised.value.diagnostics
    assert len(found.details) <= MOST_DETAILS + 5  # type: ignore[attr-defined]


def chain(levels: int) -> Expression:
    """A weight of the longest chain of shapes: rows and columns are appended in turn."""
    built: Expression = Combine("m.a#0", 0, (1, 1))
    for level in range(1, levels):
        built = Concat(level % 2, (built, Combine(f"m.a#{level}", 0, (1, 1))))
    return built


def test_the_longest_chain_is_read_back() -> None:
    assert decode(encode(chain(256)), Expression) == chain(256)


@pytest.mark.parametrize("text", ["slice(" * 20_000, "concat(0; " * 20_000, "[" * 20_000, '"' * 20_001, "9" * 5_000])
def test_a_deep_graph_is_told(text: str) -> None:
    with pytest.raises(DiagnosticError):
        parse_graph(f"graph e revision 0 stage main\nweight m.a is {text}", "graph.txt")


def test_a_sweep_of_millions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DiagnosticError) as raised:
        Sweep("s", (Path("a.sw"),), tuple((f"p{n}", tuple("abcdefghij")) for n in range(400)), seeds=10**9)
    assert [found.code for found in raised.value.diagnostics] == ["SW128"]
    assert len(Sweep("s", (Path("a.sw"),), (("p", ("1", "2")),), seeds=CELLS // 2).cells) == CELLS
    path = tmp_path / "sweep.toml"
    for text in (
        'spec = "a.sw"\nseeds = 1000000000\n[vary]\np = [1]\n',
        f"spec = {'[' * 20_000}",
        f"seeds = {'9' * 5_000}",
    ):
        path.write_text(text)
        with pytest.raises(DiagnosticError):
            read_sweep(path)


@pytest.mark.parametrize(
    ("width", "count", "what"),
    [(1_000, 1, "this member has"), (100, 30, "the members together have")],
)
def test_members_of_tremendous_size_are_refused(width: int, count: int, what: str) -> None:
    source = ModelSource("family", "wrn", (("depth", 10), ("width", width)))
    spec = evolve(small_spec(), members=tuple(Member(f"m[{n}]", source) for n in range(count)))
    assert _told(spec, lambda found: found.code == "SW212" and what in found.message())


def _told(spec: Spec, wanted: Callable[[object], bool]) -> bool:
    sink = Sink()
    read_members(spec, sink)
    return any(wanted(found) for found in sink.errors)
