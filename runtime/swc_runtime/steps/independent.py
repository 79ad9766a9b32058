"""Independent members: each has its own cross-entropy, and the loss is their sum.

Guarantees: weights are composed once; members run forward and backward one after another, so that only one member's
activations and weight gradients live at a time; then one backward goes through the banks.

Suffixes: M members, B images, C classes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from swc_runtime.dealing import part_sizes
from swc_runtime.ensemble import Ensemble
from swc_runtime.steps.step import Batch, Outcome, StepOptions


def independent(ensemble: Ensemble, batch: Batch, options: StepOptions) -> Outcome:
    """Gradients of the sum of the members' cross-entropies. Source: paper, section 4 and supplementary section 1."""
    is_whole = len(part_sizes(len(batch.labels), options.norm_batch)) == 1
    # gradients of several parts are added up, which bfloat16 is too coarse for
    ensemble.begin_step(options.arithmetic.rounds_to if is_whole else None)
    seen: list[tuple[Tensor, Tensor]] = []
    try:
        for number in ensemble.own:
            seen.append(_run_member(ensemble.members[number], batch, options))
            ensemble.end_member(number)
        ensemble.end_step()
    finally:
        ensemble.abandon_step()  # does nothing after a step that ended
    return Outcome(torch.stack([loss for loss, _ in seen]), torch.stack([logits for _, logits in seen]))


def _run_member(member: nn.Module, batch: Batch, options: StepOptions) -> tuple[Tensor, Tensor]:
    """Forward and backward of one member, part by part; parts weigh by their images, so the loss is a mean over all."""
    sizes = part_sizes(len(batch.labels), options.norm_batch)
    parts = zip(torch.split(batch.images, sizes), torch.split(batch.labels, sizes), strict=True)
    num_images = batch.num_images or len(batch.labels)
    seen = [_run_part(member, Batch(*part), num_images, options) for part in parts]
    return torch.stack([loss for loss, _ in seen]).sum(), torch.cat([logits for _, logits in seen])


def _run_part(member: nn.Module, part: Batch, num_images: int, options: StepOptions) -> tuple[Tensor, Tensor]:
    with options.arithmetic.autocast():
        logits_BC: Tensor = member(part.images)
    logits_BC = widened(logits_BC)
    total = F.cross_entropy(logits_BC, part.labels, reduction="sum", label_smoothing=options.label_smoothing)
    loss = total / num_images
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.detach(), logits_BC.detach()


def widened(logits: Tensor) -> Tensor:
    """Logits in float32 at least: softmax and logarithm lose too much in bfloat16."""
    return logits if logits.dtype is torch.float64 else logits.float()
