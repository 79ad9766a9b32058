"""The guide to regression: its files and its commands, run as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.runs import Place

GUIDE = (Path(__file__).parents[2] / "docs/how-to/regression.md").read_text("utf-8")


def block(language: str) -> str:
    """All that stands in blocks of a language."""
    found = re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)
    assert found
    return "".join(found)


@pytest.mark.slow
def test_the_commands_of_the_guide_run(tmp_path: Path) -> None:
    (tmp_path / "measures.py").write_text(block("python"), encoding="utf-8")
    (tmp_path / "ink.sw").write_text(block("sw"), encoding="utf-8")
    made = Place(tmp_path)
    for line in block("sh").splitlines():
        assert made.swc(*line.partition("#")[0].split()[1:]) == 0, line
    assert (tmp_path / "report.html").is_file() and (tmp_path / "anytime.png").is_file()
    assert "RMSE" in (tmp_path / "members/README.md").read_text("utf-8")
