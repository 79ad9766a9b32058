"""The parser: trees, numbers, contextual words, and what it says about mistakes of form."""

from __future__ import annotations

import pytest
from swc.diagnostics import Diagnostic, DiagnosticError
from swc.language.syntax import tree
from swc.language.syntax.parser import parse_text
from swc.language.syntax.scan import number_value


def mistakes(text: str) -> tuple[Diagnostic, ...]:
    with pytest.raises(DiagnosticError) as raised:
        parse_text(text, "a.sw")
    return raised.value.diagnostics


def places(text: str) -> list[tuple[str, int, int]]:
    found = [(d.code, d.span) for d in mistakes(text)]
    return [(code, span.line, span.column) for code, span in found if span is not None]


def only_ensemble(text: str) -> tree.EnsembleDefinition:
    (ensemble,) = parse_text(text, "a.sw").definitions
    assert isinstance(ensemble, tree.EnsembleDefinition)
    return ensemble


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("200", 200),
        ("36.5M", 36_500_000),
        ("64k", 64_000),
        ("1G", 10**9),
        ("50%", 0.5),
        ("12.5%", 0.125),
        ("100%", 1),
        ("5e-4", 5e-4),
        ("1E3", 1000),
        (".5", 0.5),
        ("-0.1", -0.1),
        ("50_000", 50_000),
    ],
)
def test_a_number_means_what_it_says(text: str, value: float) -> None:
    assert number_value(text) == value
    assert type(number_value(text)) is type(value)


@pytest.mark.parametrize("text", ["18MB", "18m", "1.2.3", "1_", "1__0", "5e", "2x", "1%%", "-"])
def test_what_is_no_number_has_no_value(text: str) -> None:
    assert number_value(text) is None


def test_a_word_is_reserved_only_where_it_may_stand() -> None:
    ensemble = only_ensemble("ensemble budget { param batch = 1 param train = seed member data = wrn(depth: batch) }")
    names = [item.name.text for item in ensemble.items if isinstance(item, tree.ParamItem | tree.MemberItem)]
    assert names == ["batch", "train", "data"]


def test_line_ends_and_byte_order_marks_mean_nothing() -> None:
    one_line = parse_text("ensemble a { data digits budget 3 templates }", "a.sw")
    assert parse_text("\ufeffensemble a {\r\n data digits\r\nbudget 3\rtemplates }", "a.sw") == one_line


def test_clauses_of_a_phase() -> None:
    text = """ensemble a { train r(x: 1) {
      phase s: 3 epochs at lr 0.1 then split clusters below t linkage average across reference over 5 batches
        sketch 4k then continue
      phase m: 9 epochs after 1 epochs untie coefficients below 0.9 over 2 batches after 2 epochs
        untie coefficients below 0.8 } }"""
    (train,) = only_ensemble(text).items
    assert isinstance(train, tree.TrainBlock)
    search, main = (item for item in train.items if isinstance(item, tree.PhaseItem))
    split, carry = search.clauses
    assert isinstance(split, tree.SplitClause) and isinstance(carry, tree.CarryClause)
    assert split.linkage is not None and split.linkage.text == "average"
    assert split.across is not None and split.across.text == "reference"
    assert isinstance(split.batches, tree.Number) and split.batches.value == 5
    assert isinstance(split.sketch, tree.Number) and split.sketch.value == 4000
    assert carry.kind == "continue"
    assert [type(clause) for clause in main.clauses] == [tree.UntieClause, tree.UntieClause]


def test_a_split_goes_by_a_number_too() -> None:
    text = "ensemble a { train r { phase s: 3 epochs then split clusters into n linkage average sketch 4k } }"
    (train,) = only_ensemble(text).items
    assert isinstance(train, tree.TrainBlock)
    (phase,) = train.items
    assert isinstance(phase, tree.PhaseItem)
    (split,) = phase.clauses
    assert isinstance(split, tree.SplitClause)
    assert split.threshold is None
    assert isinstance(split.number, tree.Name) and split.number.text == "n"
    assert split.linkage is not None and split.linkage.text == "average"
    assert isinstance(split.sketch, tree.Number) and split.sketch.value == 4000


def test_spans_point_at_the_text() -> None:
    ensemble = only_ensemble("# first\nensemble a {\n  member m[4] = wrn(depth: 28)\n}\n")
    (member,) = ensemble.items
    assert (member.span.line, member.span.column, member.span.length) == (3, 3, 28)
    assert member.span.text == "  member m[4] = wrn(depth: 28)"


def test_mistakes_of_one_file_are_reported_together() -> None:
    text = (
        "ensemble a {\n  membr x = wrn(1)\n  budget 18MB templates\n  share conv {\n    clusters by depht\n  }\n}\n}\n"
    )
    assert places(text) == [("SW001", 2, 3), ("SW004", 3, 10), ("SW001", 5, 17), ("SW001", 8, 1)]


def test_a_misspelt_word_is_met_with_the_one_that_was_meant() -> None:
    (found,) = mistakes("ensemble a {\n  budgt 3 templates\n}")
    assert found.help() == "did you mean `budget`?"


def test_what_may_stand_is_said_in_the_words_of_the_language() -> None:
    (found,) = mistakes("ensemble a {\n  budget\n}")
    assert found.message() == "expected `unlimited` or a value in the `ensemble` block, found `}`"


def test_a_forgotten_brace_does_not_hide_the_items_behind_it() -> None:
    text = "ensemble a {\n  share conv {\n    blocks chain\n  train r {\n    phase a: 3 epocs\n  }\n}\n"
    assert places(text) == [("SW001", 4, 3), ("SW001", 5, 16)]


def test_a_mistake_in_an_inner_block_leaves_the_outer_one_readable() -> None:
    text = "ensemble a {\n  share conv az x {\n    blocks chain\n  }\n  budgt 3\n}\n"
    assert places(text) == [("SW001", 2, 14), ("SW001", 5, 3)]


def test_neighbouring_misspelt_items_are_each_reported() -> None:
    text = "ensemble a {\n  membr x = wrn(\n    depth: 1)\n  budgt 3\n  shar conv { clusters one }\n  data x\n}\n"
    assert places(text) == [("SW001", 2, 3), ("SW001", 4, 3), ("SW001", 5, 3)]


def test_a_block_is_closed_once_too_often() -> None:
    assert places("ensemble a { } }") == [("SW001", 1, 16)]


def test_a_block_is_never_closed() -> None:
    assert places("ensemble a {\n  share conv {\n    blocks chain\n") == [("SW002", 2, 14)]


@pytest.mark.parametrize("text", ["ensemble", "ensemble a", "import", "recipe r("])
def test_the_end_of_the_file_comes_too_early(text: str) -> None:
    assert [d.code for d in mistakes(text)] == ["SW001"]


@pytest.mark.parametrize("cut", range(1, 30))
def test_any_prefix_of_a_program_is_read_to_its_end(cut: int) -> None:
    text = 'ensemble a { data x member m[2] = wrn(depth: 1) share conv as none { clusters [["a"]] } train { batch 3 } }'
    prefix = text[: len(text) * cut // 30]
    assert mistakes(prefix)


def test_no_token_name_reaches_the_author() -> None:
    for text in ("x", "ensemble a { share conv { x } }", "ensemble a { train { x } }", "ensemble a { member m = [1] }"):
        shown = " ".join(d.message() for d in mistakes(text))
        assert not any(word in shown for word in ("NAME", "LBRACE", "RSQB", "$END", "_star_"))
