"""Wide residual networks, WRN-d-w, with pre-activation blocks.

Takes a depth, a width factor or channel numbers, and the images' channels; gives a torch module whose layer paths are
`conv1`, `block1.0.conv1`, ..., `bn`, `fc`. Guarantees: convolutions are registered stem first, then in each block
`conv1`, `conv2` and, where there is one, `shortcut`; images of any size from 8 pixels up are taken.

Channel numbers stand in the order of the data: the stem's outputs, then for each stage those of its blocks, which the
sums make equal, and those of the first convolution of every block.
Shapes: B images, C channels, H x W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STEM_CHANNELS = 16


class Block(nn.Module):
    """Two 3x3 convolutions, each after BatchNorm and ReLU; a 1x1 shortcut on the activated input if shapes differ."""

    def __init__(self, inputs: int, inner: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, inner, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, outputs, 3, padding=1, bias=False)
        same = inputs == outputs and stride == 1
        self.shortcut = None if same else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """The block's sum of shortcut and residual."""
        active_BCHW = F.relu(self.bn1(x_BCHW))
        kept_BCHW = x_BCHW if self.shortcut is None else self.shortcut(active_BCHW)
        residual_BCHW = self.conv2(F.relu(self.bn2(self.conv1(active_BCHW))))
        return torch.add(kept_BCHW, residual_BCHW)


class WideResNet(nn.Module):
    """WRN-`depth`-`width`: three stages of (depth - 4) / 6 blocks with 16, 32 and 64 times `width` channels.

    With `channels` the numbers in it hold in place of the width.
    """

    def __init__(self, depth: int, width: float, num_classes: int, image_channels: int, channels: str = "") -> None:
        super().__init__()
        stem, *rest = read_channels(depth, channels) if channels else even_channels(depth, width)
        per_stage = len(rest) // 3
        first, second, third = (rest[start : start + per_stage] for start in range(0, len(rest), per_stage))
        self.conv1 = nn.Conv2d(image_channels, stem, 3, padding=1, bias=False)
        self.block1 = _stage(stem, first, stride=1)
        self.block2 = _stage(first[0], second, stride=2)
        self.block3 = _stage(second[0], third, stride=2)
        self.bn = nn.BatchNorm2d(third[0])
        self.fc = nn.Linear(third[0], num_classes)
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


def even_channels(depth: int, width: float) -> tuple[int, ...]:
    """The channel numbers of WRN-`depth`-`width`: one for each stage, that of all its convolutions."""
    per_stage = 1 + blocks_per_stage(depth)
    stages = (max(1, round(base * width)) for base in (16, 32, 64))
    return (STEM_CHANNELS, *(number for number in stages for _ in range(per_stage)))


def read_channels(depth: int, text: str) -> tuple[int, ...]:
    """Channel numbers as a text of whole numbers; ValueError where it does not hold those of this depth."""
    words = text.split()
    wrong = [word for word in words if not (word.isascii() and word.isdigit() and int(word))]
    if wrong:
        raise ValueError(f"channels must be whole numbers from 1 up, with spaces between them: not `{wrong[0]}`")
    num_blocks = blocks_per_stage(depth)
    needed = 1 + 3 * (1 + num_blocks)
    if len(words) != needed:
        inner = "its block's first convolution" if num_blocks == 1 else f"the first ones of its {num_blocks} blocks"
        order = f"the stem, then for each of three stages its outputs and {inner}"
        raise ValueError(f"depth {depth} takes {needed} channel numbers, not {len(words)}: {order}")
    return tuple(int(word) for word in words)


def _stage(inputs: int, numbers: Sequence[int], stride: int) -> nn.Sequential:
    outputs, first, *others = numbers
    return nn.Sequential(
        Block(inputs, first, outputs, stride), *(Block(outputs, inner, outputs, 1) for inner in others)
    )


def _initialise(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)


def wrn(
    num_classes: int, image_shape: tuple[int, int, int], *, depth: int, width: float, channels: str = ""
) -> nn.Module:
    """A WRN for images of this shape (channels, height, width); `channels` numbers them by hand, in place of `width`.

    ValueError where depth is not 6n + 4 or `channels` does not fit it.
    """
    return WideResNet(depth, width, num_classes, image_shape[0], channels)
