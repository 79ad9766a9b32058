"""Wide residual networks, WRN-d-w, with pre-activation blocks.

Takes a depth, a width factor and the images' channels; gives a torch module whose layer paths are `conv1`,
`block1.0.conv1`, ..., `bn`, `fc`. Guarantees: convolutions are registered stem first, then in each block `conv1`,
`conv2` and, where there is one, `shortcut`; images of any size from 8 pixels up are taken.

Shapes: B images, C channels, H x W pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STEM_CHANNELS = 16


class Block(nn.Module):
    """Two 3x3 convolutions, each after BatchNorm and ReLU; a 1x1 shortcut on the activated input if shapes differ."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        same = inputs == outputs and stride == 1
        self.shortcut = None if same else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """The block's sum of shortcut and residual."""
        active_BCHW = F.relu(self.bn1(x_BCHW))
        kept_BCHW = x_BCHW if self.shortcut is None else self.shortcut(active_BCHW)
        residual_BCHW = self.conv2(F.relu(self.bn2(self.conv1(active_BCHW))))
        return torch.add(kept_BCHW, residual_BCHW)


class WideResNet(nn.Module):
    """WRN-`depth`-`width`: three stages of (depth - 4) / 6 blocks with 16, 32 and 64 times `width` channels."""

    def __init__(self, depth: int, width: float, num_classes: int, image_channels: int) -> None:
        super().__init__()
        num_blocks = blocks_per_stage(depth)
        stages = [max(1, round(base * width)) for base in (16, 32, 64)]
        self.conv1 = nn.Conv2d(image_channels, STEM_CHANNELS, 3, padding=1, bias=False)
        self.block1 = _stage(STEM_CHANNELS, stages[0], num_blocks, stride=1)
        self.block2 = _stage(stages[0], stages[1], num_blocks, stride=2)
        self.block3 = _stage(stages[1], stages[2], num_blocks, stride=2)
        self.bn = nn.BatchNorm2d(stages[2])
        self.fc = nn.Linear(stages[2], num_classes)
        _initialise(self)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """Logits [B, classes] of images [B, C, H, W]."""
        x_BCHW = self.block3(self.block2(self.block1(self.conv1(images_BCHW))))
        features_BC = F.relu(self.bn(x_BCHW)).mean(dim=(2, 3))
        logits: Tensor = self.fc(features_BC)
        return logits


def blocks_per_stage(depth: int) -> int:
    """The blocks in each of the three stages; ValueError where no WRN has this depth."""
    if depth < 10 or (depth - 4) % 6:
        below = max(10, depth - (depth - 4) % 6)
        raise ValueError(f"depth {depth} is not 6n + 4: the nearest depths are {below} and {below + 6}")
    return (depth - 4) // 6


def _stage(inputs: int, outputs: int, num_blocks: int, stride: int) -> nn.Sequential:
    first = Block(inputs, outputs, stride)
    return nn.Sequential(first, *(Block(outputs, outputs, 1) for _ in range(num_blocks - 1)))


def _initialise(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)


def wrn(num_classes: int, image_shape: tuple[int, int, int], *, depth: int, width: float) -> nn.Module:
    """A WRN for images of this shape (channels, height, width); ValueError where depth is not 6n + 4."""
    return WideResNet(depth, width, num_classes, image_shape[0])
