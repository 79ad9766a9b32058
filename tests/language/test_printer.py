"""The formatter: idempotent, faithful to the tree and to the comments, on shipped specs and on random programs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from swc.language.syntax.parser import parse_text, parse_tokens
from swc.language.syntax.printer import WIDTH, format_text
from swc.system import resources

from support.examples import percent

SPECS = sorted(resources.specs().rglob("*.sw"))
UNTIDY = """import "b"   # b
recipe  x ( a : 1 , b , ) { batch 3 seed 1 # hi
# own
 }
# doc
ensemble a{} ensemble b { member m [ 4 ]=wrn(depth:1, # d
 width: # e
 2)


   share conv { clusters one } train { phase a : 3 epochs
   # r
   after 3 epochs untie coefficients below 3 # s
   }
   # end
   }
# eof"""
TIDY = """import "b"  # b

recipe x(a: 1, b) {
  batch 3
  seed 1  # hi
  # own
}

# doc
ensemble a {}

ensemble b {
  member m[4] = wrn(depth: 1,  # d
      width:  # e
      2)

  share conv { clusters one }
  train {
    phase a: 3 epochs
      # r
      after 3 epochs untie coefficients below 3  # s
  }
  # end
}
# eof
"""

names = st.sampled_from(["alpha", "batch", "m", "train", "x_1", "naïve"])
numbers = st.sampled_from(["1", "0.5", "18M", "50%", "5e-4", "-2", "1_000"])
texts = st.sampled_from(['"a"', '"*.block1.*"', '" # no comment "', '"{"'])
plain_values = st.one_of(numbers, texts, names)
lists = st.lists(plain_values, max_size=4).map(lambda items: f"[{' , '.join(items)}]")
values = st.one_of(plain_values, lists)
arguments = st.one_of(values, st.tuples(names, values).map(lambda pair: f"{pair[0]}:{pair[1]}"))
calls = st.tuples(names, st.lists(arguments, max_size=3)).map(lambda c: f"{c[0]} ({','.join(c[1])})" if c[1] else c[0])
recipe_items = st.one_of(
    values.map(lambda v: f"batch {v}"),
    calls.map(lambda c: f"optimiser {c}"),
    st.lists(names, min_size=1, max_size=3).map(lambda n: f"no_decay {','.join(n)}"),
    st.tuples(calls, values).map(lambda s: f"schedule {s[0]} , warmup {s[1]} epochs"),
    st.lists(calls, min_size=1, max_size=3).map(lambda c: f"augment {' ,'.join(c)}"),
)
clauses = st.one_of(
    values.map(lambda v: f"then split clusters below {v} linkage union"),
    st.tuples(values, values).map(lambda v: f"then split clusters below {v[0]} over 2 batches sketch {v[1]}"),
    st.tuples(values, values).map(lambda v: f"then split   clusters into {v[0]} across reference sketch {v[1]}"),
    st.sampled_from(["then restart", "then continue"]),
    st.tuples(values, values).map(lambda v: f"after {v[0]} epochs untie coefficients below {v[1]}"),
)
phases = st.tuples(names, values, st.lists(clauses, max_size=2)).map(
    lambda p: f"phase {p[0]} : {p[1]} epochs at lr 0.1 {' '.join(p[2])}"
)
share_items = st.one_of(
    st.sampled_from(["clusters one", "clusters per layer", "clusters by depth", "blocks grid", "templates even"]),
    values.map(lambda v: f"clusters by depth in {v} bins"),
    lists.map(lambda v: f"clusters {v}"),
)


def block(head: str, items: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(items, max_size=3).map(lambda inner: f"{head} {{ {' '.join(inner)} }}")


ensemble_items = st.one_of(
    calls.map(lambda c: f"data {c}"),
    st.tuples(names, values).map(lambda p: f"param {p[0]}={p[1]}"),
    st.tuples(names, calls).map(lambda m: f"member {m[0]} [ 3 ] = {m[1]}"),
    values.map(lambda v: f"budget {v} of native"),
    block("share conv as hard", share_items),
    block("train r(a: 1)", st.one_of(recipe_items, phases)),
)
definitions = st.one_of(
    texts.map(lambda t: f"import {t}"),
    block("ensemble a extends b", ensemble_items),
    block("recipe r(a: 1, b,)", recipe_items),
    block("policy p as none", share_items),
)
programs = st.lists(definitions, max_size=3).map(" ".join)
gaps = st.sampled_from([" ", "  ", "\n", "\n\n\n", " # why\n", "\n  # own\n", "\n\n# far\n\n", "\t"])


def scattered(program: str, data: st.DataObject) -> str:
    """The program with other gaps, comments among them, between its tokens."""
    tokens = parse_tokens(program, "a.sw").tokens
    return "".join(token.text + data.draw(gaps) for token in tokens)


def comments(text: str) -> list[str]:
    return [t.text.rstrip() for t in parse_tokens(text, "a.sw").tokens if t.type == "COMMENT"]


@percent(60)
@given(programs, st.data())
def test_layout_keeps_tree_and_comments_and_is_done_at_once(program: str, data: st.DataObject) -> None:
    text = scattered(program, data)
    formatted = format_text(text)
    assert parse_text(formatted, "a.sw") == parse_text(text, "a.sw") == parse_text(program, "a.sw")
    assert comments(formatted) == comments(text)
    assert format_text(formatted) == formatted


def test_a_comma_that_goes_takes_no_comment_with_it() -> None:
    assert comments(format_text("recipe r(a: 1, b # one\n , # two\n ) {}")) == ["# one", "# two"]


def test_an_untidy_program_is_laid_out() -> None:
    assert format_text(UNTIDY) == TIDY
    assert format_text(TIDY) == TIDY


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_a_shipped_spec_is_in_canonical_form(path: object) -> None:
    text = path.read_text(encoding="utf-8")  # type: ignore[attr-defined]
    assert format_text(text) == text


def test_a_long_list_is_broken_at_its_commas() -> None:
    groups = ", ".join(f'["*.block{n}.*", "*.shortcut{n}.*"]' for n in range(6))
    formatted = format_text(f"policy p {{ clusters [{groups}] }}")
    lines = formatted.splitlines()
    assert lines[1] == "  clusters ["
    assert lines[2] == '    ["*.block0.*", "*.shortcut0.*"],'
    assert lines[-2] == "  ]"
    assert all(len(line) <= WIDTH for line in lines)
    assert format_text(formatted) == formatted


def test_a_block_that_fits_on_its_line_and_not_behind_its_head_is_laid_out_at_once() -> None:
    glob = "x" * 66
    block = '{ clusters [["aaaaaaaaaaa.*"], ["bbbbbbbbbbb.*"]] }'
    text = f'ensemble e {{\n  share "{glob}" as shapeshifter {block}\n}}\n'
    laid_out = format_text(text)
    assert format_text(laid_out) == laid_out
    assert max(map(len, laid_out.splitlines())) <= 120


def test_nothing_stays_nothing() -> None:
    assert format_text("") == ""
    assert format_text(" \n\n") == ""


def test_blank_lines_keep_groups_apart_but_not_braces() -> None:
    text = "ensemble a {\n\n  data x\n\n\n\n  param b = 1\n  param c = 2\n\n}\n"
    assert format_text(text) == "ensemble a {\n  data x\n\n  param b = 1\n  param c = 2\n}\n"
