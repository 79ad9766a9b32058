"""Members that only read: the images they all get, and the weights that others share, stay as they are.

Takes what runs a member; gives its outputs. Guarantees: a member that works on its images in place is noticed when it
first runs, in training and in eval mode alike, and no other member sees a changed image; what it changes later, or
writes into a composed weight, is a diagnostic. No image is copied but for such members and first runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.disturbing import ImagesChanged, WeightsChanged
from torch import Tensor

from swc_runtime.inputs import Inputs, tensors_of

Forward = Callable[..., Tensor]  # takes the inputs in order
MemberMode = tuple[str, bool]  # a member's name, and whether it is in training mode


class Readers:
    """What is known of the members: who changes the images that it is given."""

    def __init__(self) -> None:
        self._changes: dict[MemberMode, bool] = {}

    def run(self, kind: MemberMode, run: Forward, inputs: Inputs, weights: Mapping[str, Tensor]) -> Tensor:
        """The outputs of a member for a batch; `weights` are the composed ones it reads, by layer.

        DiagnosticError where it changed a weight, or its inputs though it had not done so before.
        """
        given = tensors_of(inputs)
        # where nothing is counted
        if any(tensor.is_inference() for tensor in given) or torch.is_inference_mode_enabled():
            return run(*(tensor.clone() for tensor in given))
        before = {layer: weight._version for layer, weight in weights.items()}
        logits = self._run(kind, run, given)
        changed = tuple(layer for layer, weight in weights.items() if weight._version != before[layer])
        if changed:
            raise DiagnosticError(WeightsChanged(member=kind[0], layers=changed))
        return logits

    def _run(self, kind: MemberMode, run: Forward, given: tuple[Tensor, ...]) -> Tensor:
        if self._changes.get(kind, True):
            own = tuple(tensor.clone() for tensor in given)
            logits = run(*own)
            if kind not in self._changes:
                self._changes[kind] = not all(map(_is_same, own, given))
            return logits
        before = [tensor._version for tensor in given]
        logits = run(*given)
        if [tensor._version for tensor in given] != before:
            raise DiagnosticError(ImagesChanged(member=kind[0]))
        return logits


def _is_same(own: Tensor, given: Tensor) -> bool:
    """Whether a fresh copy was left alone; its numbers are looked at too, as `.data` can be written to uncounted."""
    if own._version:
        return False
    return own.is_meta or bool(((own == given) | (own.isnan() & given.isnan())).all())
