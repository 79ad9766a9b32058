"""Wide residual networks, WRN-d-w, with pre-activation blocks.

Takes a depth, a width factor or channel numbers, and the images' channels; gives a torch module whose layer paths are
`conv1`, `block1.0.conv1`, ..., `bn`, `fc`. Guarantees: convolutions are registered stem first, then in each block
`conv1`, `conv2` and, where there is one, `shortcut`; images of any size from 8 pixels up are taken. Families that
differ in their convolutions or their classifier alone make the same network of theirs (`mimo`, `packed`).

Channel numbers stand in the order of the data: the stem's outputs, then for each stage those of its blocks, which the
sums make equal, and those of the first convolution of every block.

Shapes: B images, C channels, H x W pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STEM_CHANNELS = 16

Channels = tuple[int, int, int, int]  # of the stem and the three stages
Numbers = tuple[int, ...]  # of every convolution: see above
Convolution = Callable[[int, int, int, int], nn.Conv2d]  # of input channels, output channels, size and stride
Classifier = Callable[[int], nn.Module]  # of the number of features


def convolution(inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """A convolution of odd size, padded so that stride 1 keeps the resolution, without bias."""
    return nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, groups=groups, bias=False)


class PreActivationBlock(nn.Module):
    """Two 3x3 convolutions, each after BatchNorm and ReLU; a 1x1 shortcut on the activated input if shapes differ.

    Between the two is dropout, where there is any (Zagoruyko and Komodakis, 2016, section 2.4).
    """

    dropout = 0.0  # of a class, so that blocks without any hold nothing that they did not hold before

    def __init__(self, inputs: int, inner: int, outputs: int, stride: int, conv: Convolution = convolution) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = conv(inputs, inner, 3, stride)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv2 = conv(inner, outputs, 3, 1)
        same = inputs == outputs and stride == 1
        self.shortcut = None if same else conv(inputs, outputs, 1, stride)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """The block's sum of shortcut and residual."""
        active_BCHW = F.relu(self.bn1(x_BCHW))
        kept_BCHW = x_BCHW if self.shortcut is None else self.shortcut(active_BCHW)
        inner_BCHW = F.relu(self.bn2(self.conv1(active_BCHW)))
        if self.dropout:
            inner_BCHW = F.dropout(inner_BCHW, self.dropout, self.training)
        residual_BCHW = self.conv2(inner_BCHW)
        return torch.add(kept_BCHW, residual_BCHW)


class WideResNet(nn.Module):
    """Three stages of blocks between a stem and a classifier of the pooled features.

    The stem is a plain convolution; those of the blocks are made by `conv`.
    """

    def __init__(
        self, numbers: Numbers, image_channels: int, classifier: Classifier, conv: Convolution = convolution
    ) -> None:
        super().__init__()
        stem, *rest = numbers
        per_stage = len(rest) // 3
        first, second, third = (rest[start : start + per_stage] for start in range(0, len(rest), per_stage))
        self.conv1 = convolution(image_channels, stem, 3)
        self.block1 = _stage(stem, first, 1, conv)
        self.block2 = _stage(first[0], second, 2, conv)
        self.block3 = _stage(second[0], third, 2, conv)
        self.bn = nn.BatchNorm2d(third[0])
        self.fc = classifier(third[0])
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


def spread(depth: int, channels: Channels) -> Numbers:
    """Channel numbers where all convolutions of a stage have the same; ValueError where no WRN has this depth."""
    stem, *stages = channels
    return (stem, *(number for number in stages for _ in range(1 + blocks_per_stage(depth))))


def even_channels(depth: int, width: float) -> Numbers:
    """The channel numbers of WRN-`depth`-`width`; ValueError where no WRN has this depth."""
    return spread(depth, channels_of(width))


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


def linear(num_classes: int) -> Classifier:
    """The usual classifier."""
    return partial(nn.Linear, out_features=num_classes)


def _stage(inputs: int, numbers: Sequence[int], stride: int, conv: Convolution) -> nn.Sequential:
    outputs, first, *others = numbers
    return nn.Sequential(
        PreActivationBlock(inputs, first, outputs, stride, conv),
        *(PreActivationBlock(outputs, inner, outputs, 1, conv) for inner in others),
    )


def _initialise(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)


def wrn(
    num_classes: int,
    image_shape: tuple[int, int, int],
    *,
    depth: int,
    width: float,
    channels: str = "",
    dropout: float = 0.0,
) -> nn.Module:
    """A WRN for images of this shape (channels, height, width); `channels` numbers them by hand, in place of `width`.

    `dropout` is that between the convolutions of a block. ValueError where depth is not 6n + 4 or `channels` does not
    fit it.
    """
    numbers = read_channels(depth, channels) if channels else even_channels(depth, width)
    model = WideResNet(numbers, image_shape[0], linear(num_classes))
    for block in model.modules():
        if isinstance(block, PreActivationBlock):
            block.dropout = dropout
    return model
