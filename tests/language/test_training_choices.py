"""What a recipe and a phase may ask of training, beside optimiser and schedule."""

from __future__ import annotations

import pytest
from swc.diagnostics import DiagnosticError
from swc.language.semantics.check import check_text
from swc.program.training import Training

from support.steps import small_text


def training_of(text: str) -> Training:
    spec = check_text(text, "tiny.sw")
    assert spec.training is not None
    return spec.training


@pytest.mark.parametrize(("written", "meant"), [("clip_gradients 5", 5.0), ("clip_gradients none", None), ("", None)])
def test_gradients_are_clipped_where_a_recipe_says_so(written: str, meant: float | None) -> None:
    assert training_of(small_text(written)).recipe.clip_gradients == meant


def test_a_norm_of_nothing_is_refused() -> None:
    with pytest.raises(DiagnosticError) as told:
        training_of(small_text("clip_gradients 0"))
    assert [one.code for one in told.value.diagnostics] == ["SW202"]
