"""The function `predict` that stands in an exported loader: numbers keep their digits in the unit of their target."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from attrs import evolve
from swc.export.predicting import predict_text, unit_text
from swc.files.run import TargetScale
from swc.program.datasets import DATA
from swc.program.inputs import InputFacts
from swc.program.task import Task

SAID = {"path": "rows.csv", "target": "start", "test": "25%", "numbers": "none", "categories": "ordinal"}
OUTPUTS = {"a": [[0.0], [0.9]], "b": [[1.2], [1.5]]}


@pytest.mark.parametrize("of_columns", [False, True])
def test_a_large_mean_takes_no_digits_of_what_differs(of_columns: bool) -> None:
    facts = evolve(DATA["table"].facts_of(SAID), task=Task.of("regression"), inputs=(InputFacts((1,)),), num_classes=1)
    members: dict[str, Any] = {
        "torch": torch,
        "MEMBERS": tuple(OUTPUTS),
        "features": lambda numbers, codes: numbers,
        "_kept": lambda name, device: lambda *inputs: torch.tensor(OUTPUTS[name]),
    }
    exec(unit_text(TargetScale((1.7e9,), (10.0,))) + predict_text(facts, of_columns), members)
    given = torch.zeros(2, 1)
    mean, deviation = members["predict"](*([given, given] if of_columns else [given]))
    assert mean.dtype == deviation.dtype == torch.float64
    assert (mean - 1.7e9).flatten().tolist() == pytest.approx([6, 12], abs=1e-5)
    assert deviation.flatten().tolist() == pytest.approx([6, 3], abs=1e-5)
