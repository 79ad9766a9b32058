"""Whether what a model gave are logits.

Takes what came back; DiagnosticError where it is anything but numbers of the shape that is needed.
"""

from __future__ import annotations

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.members import WrongOutput
from swc.diagnostics.catalogue.trying import UnusableLogits
from swc.program.model_source import ModelSource
from torch import Tensor


def check_logits(
    output: object, source: ModelSource, num_images: int, num_classes: int, *, mode: str, outputs: int | None = None
) -> Tensor:
    """The logits [B, classes], of a joint network [outputs, B, classes]; DiagnosticError for anything else."""
    wanted = [num_images, num_classes] if outputs is None else [outputs, num_images, num_classes]
    found = list(output.shape) if isinstance(output, Tensor) else f"a {type(output).__name__}"
    if found != wanted:
        told = WrongOutput(
            name=source.name, found=str(found), num_images=num_images, num_classes=num_classes, mode=mode
        )
        raise DiagnosticError(told)
    assert isinstance(output, Tensor)
    if not output.is_floating_point():
        kind = str(output.dtype).removeprefix("torch.")
        raise DiagnosticError(UnusableLogits(name=source.name, found=f"logits of type {kind}", mode=mode))
    return output
