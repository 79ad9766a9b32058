"""Whole runs with what a recipe or a step may ask for, stopped inside epochs and taken up to the same bits."""

from __future__ import annotations

import pytest

from support.steps import check_same_bits, small_text, trained_small

Factory = pytest.TempPathFactory


def test_networks_with_batches_of_their_own_go_on_to_the_same_bits(tmp_path_factory: Factory) -> None:
    text = small_text(step="step independent(batches: own)")
    whole, stopped = trained_small(tmp_path_factory, text), trained_small(tmp_path_factory, text, 1, 2)
    check_same_bits(stopped, whole)
    assert all(row["ensemble"] is None for row in whole.metrics() if row["kind"] == "epoch")
