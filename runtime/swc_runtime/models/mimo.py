"""MIMO: a wide residual network that takes several images at once and says of each what it is.

Takes one image for every output, stacked on the channels of the first convolution; the classifier has a row of classes
for each. Everything between is shared by all outputs. Layer paths are those of `wrn`. Guarantees: an image that all
outputs see gives what that image gives when it is repeated for each output.
Source: Havasi et al., Training Independent Subnetworks for Robust Prediction, 2021; paper, section 4.

Shapes: B images, M outputs, C channels, H x W pixels, K classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from swc_runtime.models.wrn import WideResNet, even_channels, linear


class Mimo(WideResNet):
    """WRN-`depth`-`width` with `outputs` inputs and outputs."""

    def __init__(self, outputs: int, depth: int, width: float, num_classes: int, image_channels: int) -> None:
        super().__init__(even_channels(depth, width), outputs * image_channels, linear(outputs * num_classes))
        self.outputs, self.num_classes = outputs, num_classes
        self.takes_several = True  # an image for each output

    def forward(self, images: Tensor) -> Tensor:
        """Logits [M, B, K] of images [B, M, C, H, W], one for each output, or [B, C, H, W], the same for all."""
        seen = images.unbind(1) if images.dim() == 5 else (images,) * self.outputs
        logits_BR = super().forward(torch.cat(seen, dim=1))  # joined, so that channels-last stays
        return logits_BR.view(-1, self.outputs, self.num_classes).transpose(0, 1)


def mimo(num_classes: int, image_shape: tuple[int, int, int], *, outputs: int, depth: int, width: float) -> nn.Module:
    """A MIMO network for images of this shape (channels, height, width).

    ValueError where depth is not 6n + 4, and where there is no output.
    """
    if outputs < 1:
        raise ValueError(f"a network has at least one output, not {outputs}")
    return Mimo(outputs, depth, width, num_classes, image_shape[0])
