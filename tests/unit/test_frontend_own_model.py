"""The how-to about a model of one's own does what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from swc.compiler.frontend import read_members
from swc.diagnostics import Sink, Span
from swc.program.datasets import DATASETS
from swc.program.model_source import ModelSource
from swc.program.spec import Budget, Member, Spec

GUIDE = (Path(__file__).parents[2] / "docs" / "how-to" / "own_model.md").read_text()


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_guides_model_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWC_CACHE", str(tmp_path / "cache"))
    code = block("python")
    name = "guide_net"  # a name of its own: imported modules stay in the process
    (tmp_path / f"{name}.py").write_text(code)
    span = Span(str(tmp_path / "mine.sw"), 3, 3, 6, "  member wide = ...")
    widths = [int(width) for width in re.findall(r"net:small\", width: (\d+)", block("sw"))]
    assert widths == [24, 16]
    members = tuple(
        Member(f"m{width}", ModelSource("python", f"{name}:small", (("width", width),)), span) for width in widths
    )
    sink = Sink()
    tables = read_members(Spec("mine", DATASETS["digits"], members, Budget("unlimited"), (), None), sink)
    assert sink.diagnostics == []
    assert [row.path for row in tables[0].parameters if row.is_sharable] == ["0", "3"]
    assert [row.shape for row in tables[1].parameters if row.kind == "conv"] == [(16, 1, 3, 3), (16, 16, 3, 3)]
    assert tables[0].parameters[-1].obstacle == "classifier"


def test_the_guide_names_codes_that_exist() -> None:
    from swc.diagnostics.codes import CATALOGUE

    assert set(re.findall(r"SW\d{3}", GUIDE)) <= set(CATALOGUE)


def test_an_argument_that_is_a_choice_is_no_number() -> None:
    """To Python `yes` is 1, and two members that differ in that alone had one table."""
    choice, number = (ModelSource("python", "nets:net", (("wide", value),)) for value in (True, 1))
    assert choice != number and choice == ModelSource("python", "nets:net", (("wide", True),))
    nested = [ModelSource("python", "nets:net", (("wide", (value, 2)),)) for value in (False, 0)]
    assert len({choice, number, *nested}) == 4
