"""From a tree back to text: the same tree again, in the canonical form, with the remarks where they belong."""

from __future__ import annotations

import pytest
from hypothesis import given
from swc.language.syntax import tree
from swc.language.syntax.nodes import NOWHERE, call_node, name_node, value_node
from swc.language.syntax.parser import parse_text
from swc.language.syntax.printer import format_text
from swc.language.syntax.unparse import HEADS, Remark, print_tree
from swc.system import resources

from language.test_printer import programs
from support.examples import percent

SPECS = sorted(resources.specs().rglob("*.sw"))


@percent(60)
@given(programs)
def test_a_program_is_its_own_tree_again(program: str) -> None:
    parsed = parse_text(program, "a.sw")
    text = print_tree(parsed)
    assert parse_text(text, "a.sw") == parsed
    assert format_text(text) == text


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_a_shipped_spec_is_its_own_tree_again(path: object) -> None:
    parsed = parse_text(path.read_text(encoding="utf-8"), "a.sw")  # type: ignore[attr-defined]
    assert parse_text(print_tree(parsed), "a.sw") == parsed


def test_every_item_of_the_tree_can_be_printed() -> None:
    unions = (tree.Definition, tree.EnsembleItem, tree.ShareItem, tree.RecipeItem, tree.PhaseItem)
    kinds = {kind for union in unions for kind in getattr(union, "__args__", (union,))}
    assert set(HEADS) == kinds


def test_remarks_stand_around_their_items() -> None:
    data, step = (
        tree.DataItem(call_node("digits"), NOWHERE),
        tree.StepItem(call_node("sandwich", {"random": 2}), NOWHERE),
    )
    ensemble = tree.EnsembleDefinition(name_node("a"), None, (data, step), NOWHERE)
    remarks = {ensemble: Remark(("first", "second"), "third"), step: Remark(("fourth",), "fifth", has_blank=True)}
    assert print_tree(tree.File((ensemble,), NOWHERE), remarks) == (
        "# first\n# second\nensemble a {  # third\n  data digits\n\n"
        "  # fourth\n  step sandwich(random: 2)  # fifth\n}\n"
    )


def test_values_are_read_back_as_they_were() -> None:
    values = (3, 0.1, 1e-05, 1e16, True, "a b", ("x", (1, False)))
    param = tree.ParamItem(name_node("a"), value_node(values), NOWHERE)
    text = print_tree(tree.File((tree.EnsembleDefinition(name_node("b"), None, (param,), NOWHERE),), NOWHERE))
    (ensemble,) = parse_text(text, "a.sw").definitions
    assert isinstance(ensemble, tree.EnsembleDefinition)
    assert ensemble.items == (param,)
