"""Wide residual networks, WRN-d-w, with pre-activation blocks.

Takes a depth, a width factor and the images' channels; gives a torch module whose layer paths are `conv1`,
`block1.0.conv1`, ..., `bn`, `fc`. Guarantees: convolutions are registered stem first, then in each block `conv1`,
`conv2` and, where there is one, `shortcut`; images of any size from 8 pixels up are taken. Families that differ in
their convolutions or their classifier alone make the same network of theirs (`mimo`, `packed`).

Shapes: B images, C channels, H x W pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STEM_CHANNELS = 16

Channels = tuple[int, int, int, int]  # of the stem and the three stages
Convolution = Callable[[int, int, int, int], nn.Conv2d]  # of input channels, output channels, size and stride
Classifier = Callable[[int], nn.Module]  # of the number of features


def convolution(inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """A convolution of odd size, padded so that stride 1 keeps the resolution, without bias."""
    return nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, groups=groups, bias=False)


class Block(nn.Module):
    """Two 3x3 convolutions, each after BatchNorm and ReLU; a 1x1 shortcut on the activated input if shapes differ."""

    def __init__(self, inputs: int, outputs: int, stride: int, conv: Convolution = convolution) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = conv(inputs, outputs, 3, stride)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = conv(outputs, outputs, 3, 1)
        same = inputs == outputs and stride == 1
        self.shortcut = None if same else conv(inputs, outputs, 1, stride)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """The block's sum of shortcut and residual."""
        active_BCHW = F.relu(self.bn1(x_BCHW))
        kept_BCHW = x_BCHW if self.shortcut is None else self.shortcut(active_BCHW)
        residual_BCHW = self.conv2(F.relu(self.bn2(self.conv1(active_BCHW))))
        return torch.add(kept_BCHW, residual_BCHW)


class WideResNet(nn.Module):
    """Three stages of (`depth` - 4) / 6 blocks between a stem and a classifier of the pooled features.

    The stem is a plain convolution; those of the blocks are made by `conv`.
    """

    def __init__(
        self,
        depth: int,
        channels: Channels,
        image_channels: int,
        classifier: Classifier,
        conv: Convolution = convolution,
    ) -> None:
        super().__init__()
        num_blocks = blocks_per_stage(depth)
        stem, first, second, third = channels
        self.conv1 = convolution(image_channels, stem, 3)
        self.block1 = _stage(stem, first, num_blocks, 1, conv)
        self.block2 = _stage(first, second, num_blocks, 2, conv)
        self.block3 = _stage(second, third, num_blocks, 2, conv)
        self.bn = nn.BatchNorm2d(third)
        self.fc = classifier(third)
        _initialise(self)

    def forward(self, images_BCHW: Tensor) -> Tensor:
        """What the classifier gives for images [B, C, H, W]: logits [B, classes], if it is a linear layer."""
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


def channels_of(width: float) -> Channels:
    """The channels of the stem, which has no width factor, and of the stages: 16, 32 and 64 times `width`."""
    first, second, third = (max(1, round(base * width)) for base in (16, 32, 64))
    return STEM_CHANNELS, first, second, third


def linear(num_classes: int) -> Classifier:
    """The usual classifier."""
    return partial(nn.Linear, out_features=num_classes)


def _stage(inputs: int, outputs: int, num_blocks: int, stride: int, conv: Convolution) -> nn.Sequential:
    first = Block(inputs, outputs, stride, conv)
    return nn.Sequential(first, *(Block(outputs, outputs, 1, conv) for _ in range(num_blocks - 1)))


def _initialise(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)


def wrn(num_classes: int, image_shape: tuple[int, int, int], *, depth: int, width: float) -> nn.Module:
    """A WRN for images of this shape (channels, height, width); ValueError where depth is not 6n + 4."""
    return WideResNet(depth, channels_of(width), image_shape[0], linear(num_classes))
