"""What a member whose code is not ours takes for an image, counted when its code runs anyway.

Takes a source and the facts of the data, gives multiply-adds or None. Guarantees: counted as
`swc_runtime.evaluate.cost` counts; torch's random numbers are left as they were. Imports torch, so it is itself
imported late.
"""

from __future__ import annotations

import sys
from contextlib import redirect_stdout

import torch

from swc.program.datasets import DataFacts
from swc.program.model_source import ModelSource
from swc_runtime.evaluate.cost import multiply_adds
from swc_runtime.inputs import blank
from swc_runtime.members.build import model_of
from swc_runtime.members.seeds import seeded


def multiply_adds_of(source: ModelSource, data: DataFacts) -> int | None:
    """The multiply-adds of one example in eval mode; None where the model's code fails there, as training will tell."""
    for device in ("meta", "cpu"):  # the model's own code may ask for what the meta device has not
        try:
            return _counted(device, source, data)
        except Exception:  # noqa: BLE001 - whatever somebody else's code raises
            continue
    return None


def _counted(device: str, source: ModelSource, data: DataFacts) -> int:
    quiet = redirect_stdout(sys.stderr)
    with quiet, seeded(0), torch.device(device), torch.no_grad():
        model = model_of(source, data)
        model.eval()  # alone, as a model's own `eval` may give nothing back
        return multiply_adds(model, blank(data, 1))
