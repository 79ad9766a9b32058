"""The shipped rivals: each checks without a warning, compiles, and owns as many parameters as published or derived."""

from __future__ import annotations

from functools import cache

import pytest
from swc.compiler.driver import Compiled, compile_file
from swc.compiler.ir.counts import count
from swc.compiler.ir.text import parse_graph, print_graph
from swc.diagnostics import Sink
from swc.language.semantics.check import check_file, ensembles_in
from swc.system.resources import specs

FILES = sorted((specs() / "baselines").glob("*.sw"))
ENSEMBLES = [(path.stem, name) for path in FILES for name in ensembles_in(path)]
WRN_28_10, NORMS, HEAD = 36_454_832, 17_952 + 128, 64_100
# spec, ensemble, parameters
COUNTS = (
    ("single_network", "single_network", 36_536_884),
    ("deep_ensemble", "deep_ensemble", 4 * 36_536_884),
    ("hard_sharing", "hard_sharing", 36_536_884 + 3 * (36_536_884 - WRN_28_10)),
)


@cache
def compiled(file: str, ensemble: str) -> Compiled:
    return compile_file(specs() / "baselines" / f"{file}.sw", ensemble=ensemble)


@pytest.mark.parametrize(("file", "ensemble"), ENSEMBLES)
def test_a_rival_checks_without_a_warning_and_compiles(file: str, ensemble: str) -> None:
    sink = Sink()
    check_file(specs() / "baselines" / f"{file}.sw", ensemble, sink=sink)
    assert not sink.diagnostics
    graph = compiled(file, ensemble).graph
    assert parse_graph(print_graph(graph)) == graph


@pytest.mark.parametrize(("file", "ensemble", "parameters"), COUNTS)
def test_a_rival_owns_exactly(file: str, ensemble: str, parameters: int) -> None:
    assert count(compiled(file, ensemble).graph).parameter_scalars == parameters


@pytest.mark.parametrize(
    ("file", "ensemble", "millions"),
    [
        ("deep_ensemble", "deep_ensemble", "146"),
        ("batch_ensemble", "batch_ensemble", "36.6"),
        ("mimo", "mimo", "36.7"),
    ],
)
def test_published_numbers_of_parameters(file: str, ensemble: str, millions: str) -> None:
    found = count(compiled(file, ensemble).graph).parameter_scalars / 1e6
    digits = len(millions.partition(".")[2])
    assert f"{found:.{digits}f}" == millions


def test_a_slimmable_network_owns_its_widest_member_and_the_others_norms() -> None:
    widest = compile_file(specs() / "multi_width.sw").spec.members[0]
    assert dict(widest.source.arguments)["width"] == 7
    universal = count(compiled("slimmable", "universally_slimmable").graph).parameter_scalars
    several = count(compiled("slimmable", "slimmable").graph)
    assert several.tensor_scalars < universal < several.parameter_scalars
