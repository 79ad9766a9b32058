from __future__ import annotations

from inspect import cleandoc

import pytest
from swc.cli.explain import explanation, listing, summary_of
from swc.cli.main import run
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.files import FileMissing, UnknownCode
from swc.diagnostics.codes import CATALOGUE


@pytest.mark.parametrize("spelling", ["SW601", "sw601", "601"])
def test_a_code_is_explained_by_its_class(spelling: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", spelling]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("SW601 (error)\n\nThere is no file")
    assert cleandoc(FileMissing.__doc__ or "") in shown


def test_an_unknown_code_suggests_a_known_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "SW6011"]) == 1
    assert "error[SW620]" in capsys.readouterr().err
    with pytest.raises(DiagnosticError) as raised:
        explanation("nonsense")
    assert raised.value.diagnostics == (UnknownCode(asked="nonsense", suggestion=None),)


def test_without_a_code_all_are_listed_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == sorted(CATALOGUE)
    assert listing().splitlines() == lines


def test_a_summary_is_one_line() -> None:
    assert all("\n" not in summary_of(found) for found in CATALOGUE.values())
