"""The codec: round trips over every kind of file, canonical bytes, hashes without spans, and strictness."""

from __future__ import annotations

import json

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from swc.compiler.ir.graph import Graph
from swc.diagnostics import DiagnosticError, Span
from swc.files.codec import decode, encode, hash_of
from swc.files.schemas import OLDEST
from swc.program.datasets import DATASETS
from swc.program.expressions import Combine, Concat, Expression, Mix, Product, Resize, Scale, Slice, Stored, Sum
from swc.program.feedback import ClusterFeedback, CoefficientFeedback, Feedback, Similarity, Spectrum
from swc.program.layer_table import LayerTable
from swc.program.model_source import ModelSource
from swc.program.program import SCHEMA, BankPlan, MemberPlan, PrivatePlan, Program, SlotPlan, TensorPlan, WeightPlan
from swc.program.spec import Budget, Member, Selector, Share, Spec
from swc.program.stages import stages
from swc.program.training import Phase, Recipe, SplitClusters, Training, UntieCoefficients
from swc.registry.policies import UPSAMPLINGS

from support.rows import head, weight

TRAINING = Training(
    Recipe("cifar"),
    (
        Phase("search", 20, lr=0.1, split=SplitClusters(0.1)),
        Phase("main", 200, untie=(UntieCoefficients(10, 0.9, batches=3),)),
    ),
)
SPAN = Span("a.sw", 3, 5, 7, "  member a = wrn(depth: 16, width: 1)")
SPEC = Spec(
    "pair",
    DATASETS["cifar10"],
    (Member("a", ModelSource("family", "wrn", (("depth", 16), ("width", 1.5))), SPAN),),
    Budget("native", 0.5, SPAN),
    (Share(Selector("conv")),),
    TRAINING,
    (("beta", 0.9), ("deep", True), ("name", "x"), ("count", 3)),
)

names = st.text(min_size=1, max_size=6)  # of ids, and of modules but for the dots between them
members = st.from_regex(r"[^\W\d]\w{0,4}(\[[1-9]\])?", fullmatch=True)
paths = st.lists(names.map(lambda name: name.replace(".", "_")), max_size=3).map(".".join)
modes = st.sampled_from(UPSAMPLINGS)
factors = st.floats(1e-3, 1e3)
shapes = st.lists(st.integers(1, 9), min_size=2, max_size=4).map(tuple)
leaves = st.builds(Stored, names, shapes) | st.builds(Combine, names, st.integers(0, 99), shapes)


def _grown(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    parts = st.lists(inner, min_size=1, max_size=3).map(tuple)
    return (
        st.builds(Slice, inner, shapes)
        | st.builds(Concat, st.sampled_from([0, 1]), parts)
        | st.builds(Scale, inner, names, names)
        | st.builds(Resize, inner, shapes, modes)
        | st.builds(Mix, inner, names, st.integers(0, 99), shapes)
        | st.builds(Sum, parts)
        | st.builds(Product, inner, inner, shapes, factors)
    )


expressions = st.recursive(leaves, _grown, max_leaves=6)
weights = st.builds(WeightPlan, members, paths, shapes, expressions, names)


def program(found: tuple[WeightPlan, ...] = ()) -> Program:
    return Program(
        schema=SCHEMA,
        ensemble="pair",
        revision=2,
        spec_hash="a",
        graph_hash="b",
        data=DATASETS["digits"],
        members=(MemberPlan("a", ModelSource("family", "wrn", (("depth", 16),))),),
        banks=(BankPlan("c0.0", 2, 432, 27),),
        coefficients=(),
        slots=(SlotPlan("a.conv1#0", "a", "c0.0", "a.conv1#0"),),
        tensors=(TensorPlan("t", (3, 4), 4),),
        weights=found,
        private=(PrivatePlan("a", "bn.weight", (16,)),),
        training=TRAINING,
    )


@given(st.lists(weights, max_size=3).map(tuple))
def test_programs_come_back_as_they_were(found: tuple[WeightPlan, ...]) -> None:
    text = encode(program(found))
    assert decode(text, Program) == program(found)
    assert encode(decode(text, Program)) == text


@given(st.lists(st.builds(Similarity, names, names, st.floats(-1, 1), st.floats(0, 1)), max_size=4).map(tuple))
def test_feedback_comes_back_with_its_kind(found: tuple[Similarity, ...]) -> None:
    for feedback in (
        ClusterFeedback(0, found, ("x",), (Spectrum("c0.0", (2.0, 1e-30)),), 7, 8),
        CoefficientFeedback(1, found),
    ):
        assert decode(encode(feedback), Feedback) == feedback
        assert decode(encode(feedback), type(feedback)) == feedback


def test_specs_keep_their_spans_and_their_scalars_types() -> None:
    back = decode(encode(SPEC), Spec)
    assert back == SPEC
    assert back.members[0].span == SPAN
    assert [type(value) for _, value in back.params] == [float, bool, str, int]


def test_tables_graphs_and_stages() -> None:
    table = LayerTable("a", (weight("conv1", "conv", (16, 3, 3, 3)), *head("fc", 10, 16)))
    assert decode(encode(table), LayerTable) == table
    for tables in ((), (table,), (table, table)):
        assert decode(encode(tables), tuple[LayerTable, ...]) == tables
    assert decode(encode(Graph("pair", 0, "main")), Graph) == Graph("pair", 0, "main")
    for stage in stages(TRAINING):
        assert decode(encode(stage), type(stage)) == stage


def test_text_is_canonical() -> None:
    text = encode(program())
    assert text.endswith("}\n")
    top = json.loads(text)
    assert list(top) == sorted(top)
    assert (top["schema"], top["type"]) == (SCHEMA, "Program")
    assert encode(Budget("templates", 18_000_000)) == encode(Budget("templates", 18e6))  # type: ignore[arg-type]


def test_the_hash_leaves_spans_out_and_takes_everything_else_in() -> None:
    assert hash_of(SPEC) == hash_of(attrs.evolve(SPEC, budget=Budget("native", 0.5), span=SPAN))
    assert hash_of(SPEC) != hash_of(attrs.evolve(SPEC, name="other"))
    assert hash_of(SPEC) == hash_of(decode(encode(SPEC), Spec))
    assert len(hash_of(SPEC)) == 64


def code_of(text: str, cls: object = Program) -> str:
    with pytest.raises(DiagnosticError) as caught:
        decode(text, cls, "build/program.json")
    diagnostic = caught.value.diagnostics[0]
    assert "build/program.json" in diagnostic.message()
    assert diagnostic.help()
    return diagnostic.code


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('"revision": 2', '"revision": ', "SW650"),
        ('"revision": 2', '"revision": NaN', "SW650"),
        ('"type": "Program"', '"type": "Spec"', "SW651"),
        (f'"schema": {SCHEMA}', f'"schema": {OLDEST - 1}', "SW652"),
        (f'"schema": {SCHEMA}', f'"schema": {SCHEMA + 1}', "SW570"),
        (f'"schema": {SCHEMA}', '"schema": true', "SW652"),
        ('"revision": 2', '"revision": "2"', "SW653"),
        ('"revision": 2', '"revision": true', "SW653"),
        ('"revision": 2', '"revision": 2.0', "SW653"),
        ('"revision": 2', '"revision": 2, "extra": 1', "SW653"),
        ('"revision": 2,\n', "", "SW653"),
        ('"fan_in": 27', '"fan": 27', "SW653"),
        ('"shape": [16]', '"shape": "16"', "SW653"),
        ('"kaiming"', '"magic"', "SW653"),
        ('"type": "SplitClusters"', '"type": "X"', "SW653"),
        ('"image_shape": [1, 8, 8]', '"image_shape": [1, 8]', "SW653"),
    ],
)
def test_damage_is_named(old: str, new: str, code: str) -> None:
    text = encode(program())
    if "SplitClusters" in old:
        stage = stages(TRAINING)[0]
        assert code_of(encode(stage).replace(old, new), type(stage)) == code
        return
    assert old in text
    assert code_of(text.replace(old, new)) == code


@pytest.mark.parametrize("text", ["", "[]", "3", "[" * 100_000, '{"schema": 1', "\x00"])
def test_text_that_is_no_file_of_ours(text: str) -> None:
    assert code_of(text) == "SW650"


@given(st.integers(0, 10_000))
def test_a_file_cut_short_is_never_taken(cut: int) -> None:
    text = encode(program())
    with pytest.raises(DiagnosticError):
        decode(text[: cut % (len(text) - 2)], Program)


def test_the_place_of_a_mistake_is_named() -> None:
    text = encode(program()).replace('"num_templates": 2', '"num_templates": "2"')
    with pytest.raises(DiagnosticError) as caught:
        decode(text, Program)
    assert any("banks[0].num_templates" in note for note in caught.value.diagnostics[0].notes())


def test_what_is_no_data_of_ours_is_refused() -> None:
    with pytest.raises(ValueError, match="no plain data"):
        encode({"a": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode(Budget("native", float("nan")))
