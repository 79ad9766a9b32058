"""How numbers are written: one function for each kind, and no sign in front of nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from swc.registry.tasks import TASKS
from swc.show.wording import decimal, per_cent, score_text

from swc_runtime.evaluate.metrics import score

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("value", [-0.0, 0.0, -0.00001, 0.00001])
def test_what_rounds_to_nothing_has_no_sign(value: float) -> None:
    assert decimal(value) == "0.0000"
    assert per_cent(value) == "0.00%"
    assert (decimal(-0.5, 1), per_cent(-0.5, 0), decimal(float("nan"))) == ("-0.5", "-50%", "nan")


def test_scores_in_small_units_keep_their_digits() -> None:
    rmse, top1 = TASKS["regression"].score("rmse"), TASKS["classification"].score("top1")
    assert [score_text(rmse, value) for value in (1.25e-6, -1.25e-6, 0.0, 0.5)] == [
        "1.25e-06",
        "-1.25e-06",
        "0.0000",
        "0.5000",
    ]
    assert score_text(top1, 1e-6) == "0.00%"


def test_the_likelihood_of_what_is_certain_is_nothing() -> None:
    found = score(torch.eye(3), torch.arange(3))
    assert str(found.nll) == "0.0"


def test_decimals_are_written_by_one_function() -> None:
    """Python would write -0.0000; what generated files write themselves is left to them."""
    own = [
        path
        for path in (ROOT / "swc").rglob("*.py")
        if path.name not in ("wording.py", "python_text.py", "python_inputs.py")
    ]
    found = {path.name: re.findall(r"\{[^{}]*:\.\d[f%]\}", path.read_text("utf-8")) for path in own}
    assert {name: formats for name, formats in found.items() if formats} == {}
