"""Members that share everything throughout are told, since an ensemble of them gains little."""

from __future__ import annotations

import pytest
from swc.compiler.driver import compile_spec
from swc.compiler.frontend import read_members
from swc.compiler.passes.alike import warn_of_alike
from swc.compiler.passes.context import Context
from swc.diagnostics import Diagnostic, Sink
from swc.language.semantics.check import check_text

SPEC = """
ensemble four {
  data digits
  member a[2] = wrn(depth: 10, width: 0.5)
  member b = wrn(depth: 16, width: 0.5)
  budget 60% of native
  share conv { clusters by depth in 2 bins }
  train { phase main: 2 epochs }
}
"""


UNTIED = ": 2 epochs after 1 epochs untie coefficients below 0.9"


def warnings_of(text: str) -> tuple[Diagnostic, ...]:
    sink, spec = Sink(), check_text(text, "four.sw")
    compile_spec(spec, read_members(spec, sink), sink=sink)
    return sink.warnings


def test_partners_that_nothing_unties_are_told() -> None:
    [warning] = warnings_of(SPEC)
    assert warning.code == "SW419"
    assert warning.message() == "`a[0]` and `a[1]` have the same shared weights, and nothing unties them"


def test_an_untying_that_a_split_undoes_unties_nothing() -> None:
    plain = check_text(SPEC, "four.sw")
    graph = compile_spec(plain, read_members(plain, Sink())).graph
    search = (
        "phase search: 2 epochs after 1 epochs untie coefficients below 0.9 then split clusters below 0.1 phase main"
    )
    for text, told in ((SPEC.replace("phase main", search), ["SW419"]), (SPEC.replace(": 2 epochs", UNTIED), [])):
        context = Context(check_text(text, "four.sw"), (), None, (), Sink())
        warn_of_alike(graph, context)
        assert [warning.code for warning in context.sink.warnings] == told


def test_banks_of_one_template_are_never_untied() -> None:
    text = SPEC.replace(": 2 epochs", UNTIED).replace("in 2 bins", "in 2 bins templates even up to 1")
    [warning] = [warning for warning in warnings_of(text) if warning.code == "SW419"]
    assert "banks of one template are not untied" in warning.message() and "budget" in warning.help()


@pytest.mark.parametrize(
    ("this", "that"),
    [
        ("share conv {", "share conv { coefficients by slot"),
        ("main: 2 epochs", "main: 2 epochs after 1 epochs untie coefficients below 0.9"),
        ("a[2]", "a"),
        ("phase main", "phase search: 1 epochs then split clusters below 0.1 phase main"),
    ],
)
def test_nothing_is_told_otherwise(this: str, that: str) -> None:
    assert warnings_of(SPEC.replace(this, that)) == ()
