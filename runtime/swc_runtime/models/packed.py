"""Packed-Ensembles: several narrow wide residual networks side by side in one, by grouped convolutions.

Takes images; gives the logits of every subnetwork. All convolutions but the first are cut into `outputs` x `gamma`
groups, `alpha` widens all of them together, and the classifier has a group for each subnetwork, so that no subnetwork
reads another's features. Layer paths are those of `wrn`. Source: Laurent et al., Packed-Ensembles for Efficient
Uncertainty Estimation, ICLR 2023. Channels are rounded up to a multiple of the groups, which is this project's choice.

Shapes: B images, M outputs, C channels, H x W pixels, K classes.
"""

from __future__ import annotations

from math import ceil

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from swc_runtime.models.wrn import STEM_CHANNELS, blocks_per_stage


class PackedBlock(nn.Module):
    """A pre-activation block of two 3x3 convolutions in groups; a 1x1 shortcut in the same groups if shapes differ."""

    def __init__(self, inputs: int, outputs: int, stride: int, groups: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, groups=groups, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, groups=groups, bias=False)
        same = inputs == outputs and stride == 1
        self.shortcut = None if same else nn.Conv2d(inputs, outputs, 1, stride, groups=groups, bias=False)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """The block's sum of shortcut and residual."""
        active_BCHW = F.relu(self.bn1(x_BCHW))
        kept_BCHW = x_BCHW if self.shortcut is None else self.shortcut(active_BCHW)
        return torch.add(kept_BCHW, self.conv2(F.relu(self.bn2(self.conv1(active_BCHW)))))


class Packed(nn.Module):
    """`outputs` subnetworks of WRN-`depth`-`width`, each `alpha` / `outputs` as wide, in `gamma` groups each."""

    def __init__(
        self, outputs: int, depth: int, width: float, alpha: float, gamma: int, num_classes: int, image_channels: int
    ) -> None:
        super().__init__()
        num_blocks, groups = blocks_per_stage(depth), outputs * gamma
        stem, *stages = (_rounded(c * alpha, groups) for c in (STEM_CHANNELS, *(base * width for base in (16, 32, 64))))
        self.outputs, self.num_classes = outputs, num_classes
        self.conv1 = nn.Conv2d(image_channels, stem, 3, padding=1, bias=False)
        self.block1 = _stage(stem, stages[0], num_blocks, 1, groups)
        self.block2 = _stage(stages[0], stages[1], num_blocks, 2, groups)
        self.block3 = _stage(stages[1], stages[2], num_blocks, 2, groups)
        self.bn = nn.BatchNorm2d(stages[2])
        self.fc = nn.Conv2d(stages[2], outputs * num_classes, 1, groups=outputs)
        _initialise(self)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Logits [M, B, K] of images [B, C, H, W]."""
        x_BCHW = self.block3(self.block2(self.block1(self.conv1(images_BCHW))))
        features_BC11 = F.relu(self.bn(x_BCHW)).mean(dim=(2, 3), keepdim=True)
        logits_BR11: Tensor = self.fc(features_BC11)
        return logits_BR11.reshape(-1, self.outputs, self.num_classes).transpose(0, 1)


def _rounded(channels: float, groups: int) -> int:
    return groups * ceil(round(channels) / groups)


def _stage(inputs: int, outputs: int, num_blocks: int, stride: int, groups: int) -> nn.Sequential:
    first = PackedBlock(inputs, outputs, stride, groups)
    return nn.Sequential(first, *(PackedBlock(outputs, outputs, 1, groups) for _ in range(num_blocks - 1)))


def _initialise(model: Packed) -> None:
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
    nn.init.kaiming_uniform_(model.fc.weight, a=5**0.5)  # as torch's own linear layers
    assert model.fc.bias is not None
    nn.init.zeros_(model.fc.bias)


def packed(
    num_classes: int,
    image_shape: tuple[int, int, int],
    *,
    outputs: int,
    depth: int,
    width: float,
    alpha: float = 2,
    gamma: int = 1,
) -> nn.Module:
    """A packed ensemble for images of this shape (channels, height, width); ValueError where depth is not 6n + 4."""
    return Packed(outputs, depth, width, alpha, gamma, num_classes, image_shape[0])
