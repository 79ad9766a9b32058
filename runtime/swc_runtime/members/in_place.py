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

Forward = Callable[[Tensor], Tensor]
MemberMode = tuple[str, bool]  # a member's name, and whether it is in training mode


class Readers:
    """What is known of the members: who changes the images that it is given."""

    def __init__(self) -> None:
        self._changes: dict[MemberMode, bool] = {}

    def run(self, kind: MemberMode, run: Forward, images: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
        """The outputs of a member for images [B, C, H, W]; `weights` are the composed ones it reads, by layer.

        DiagnosticError where it changed a weight, or the images though it had not done so before.
        """
        if images.is_inference() or torch.is_inference_mode_enabled():  # where nothing is counted
            return run(images.clone())
        before = {layer: weight._version for layer, weight in weights.items()}
        logits = self._run(kind, run, images)
        changed = tuple(layer for layer, weight in weights.items() if weight._version != before[layer])
        if changed:
            raise DiagnosticError(WeightsChanged(member=kind[0], layers=changed))
        return logits

    def _run(self, kind: MemberMode, run: Forward, images: Tensor) -> Tensor:
        if self._changes.get(kind, True):
            own = images.clone()
            logits = run(own)
            if kind not in self._changes:
                self._changes[kind] = not _is_same(own, images)
            return logits
        before = images._version
        logits = run(images)
        if images._version != before:
            raise DiagnosticError(ImagesChanged(member=kind[0]))
        return logits


def _is_same(own: Tensor, images: Tensor) -> bool:
    """Whether a fresh copy was left alone; its numbers are looked at too, as `.data` can be written to uncounted."""
    if own._version:
        return False
    return own.is_meta or bool(((own == images) | (own.isnan() & images.isnan())).all())
