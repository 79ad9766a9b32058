"""The whole pipeline: verified after every pass, the same each time, and within its budget."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from swc.compiler.ir.graph import Graph
from swc.compiler.ir.verify import verify
from swc.compiler.passes.budget import budget_scalars, native_scalars
from swc.compiler.passes.pipeline import PIPELINE, run_pipeline
from swc.compiler.passes.select import Select
from swc.diagnostics import DiagnosticError
from swc.program.spec import Budget, Clusters, Selector, Share

from support.examples import percent
from support.wrn_shapes import wrn_context

NETS = st.lists(st.tuples(st.sampled_from([10, 16, 22]), st.integers(1, 6)), min_size=1, max_size=3)
BUDGETS = st.one_of(
    st.integers(200_000, 4_000_000).map(lambda amount: Budget("templates", amount)),
    st.integers(200_000, 4_000_000).map(lambda amount: Budget("parameters", amount)),
    st.floats(0.05, 2).map(lambda part: Budget("native", part)),
    st.just(Budget("unlimited")),
)
SHARES = st.builds(
    Share,
    selector=st.just(Selector("conv")),
    policy=st.sampled_from(["superweights", "superweights", "hard"]),
    clusters=st.builds(
        Clusters, kind=st.sampled_from(["depth", "one", "per_layer", "by_shape"]), bins=st.integers(1, 5)
    ),
    coefficients=st.sampled_from(["level", "partner", "slot"]),
    blocks=st.sampled_from(["chain", "grid"]),
)


@percent(40)
@given(nets=NETS, budget=BUDGETS, share=SHARES)
def test_random_ensembles_verify_after_every_pass_and_keep_their_budget(nets, budget, share):
    context = wrn_context(nets, budget, share)
    try:
        graph = run_pipeline(context, after=lambda step, found: verify(found))
    except DiagnosticError as error:
        assert {diagnostic.code for diagnostic in error.diagnostics if diagnostic.severity.value == "error"} == {
            "SW407"
        }
        return
    assert run_pipeline(wrn_context(nets, budget, share)) == graph
    templates = sum(bank.template_size * bank.num_templates for bank in graph.banks)
    if budget.kind == "templates":
        assert templates <= budget.amount


def test_passes_have_names_of_their_own():
    names = [step.name for step in PIPELINE]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("amount", [0.1, 0.25, 0.5, 1.0])
def test_a_part_of_native_is_exact(amount):
    context = wrn_context([(28, 10)], Budget("native", amount))
    graph = Select().run(Graph("test", 0, ""), context)
    assert 4 * native_scalars(graph) == 145_819_328
    assert budget_scalars(context.spec, graph) == 36_454_832 * round(100 * amount) // 100


def test_a_layer_larger_than_the_budget_is_named():
    context = wrn_context([(28, 10)], Budget("native", 0.1))
    with pytest.raises(DiagnosticError) as caught:
        run_pipeline(context)
    (error,) = caught.value.diagnostics
    assert "640x640x3x3" in error.notes()[0]
    assert error.smallest == 3_891_200


SCRIPT = """
from support.wrn_shapes import wrn_context
from swc.compiler.ir.text import print_graph
from swc.compiler.passes.pipeline import run_pipeline
print(print_graph(run_pipeline(wrn_context([(16, 4), (16, 2), (10, 4)]))))
"""


def test_the_same_bytes_under_any_hash_seed():
    folder = Path(__file__).parent.parent
    printed = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(folder)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert printed[0] == printed[1] != b""
