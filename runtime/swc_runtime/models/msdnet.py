"""Multi-Scale Dense Networks with an exit after every block (Huang et al., ICLR 2018), in their CIFAR setting.

Takes the number of exits and how fast features grow; gives a torch module with the logits of all exits. Layer paths
are `blocks.0.stem.scale0.conv`, `blocks.0.layer1.scale2.down.reduce.conv`, `blocks.5.transition13.scale1.conv` and
`exits.0.fc`: layers count from 1 through all blocks, scales from 0, the finest. Guarantees: an exit sees only its
block and those before, and `until` runs no other; for images of 32 x 32 pixels parameters, multiply-adds and logits
are those of the authors' code.

Three scales at 1, 1/2 and 1/4 of the resolution grow by 1, 2 and 4 times `growth` channels a layer. Each layer sees
all features of its scale and of the next finer one. Growth 6 gives the "6, 12 and 24 output channels" of the
original's appendix A, so 12, 24 and 48 channels are growth 12. All else is as there: 16 channels first, an exit after
4 layers and after every 2 more, 1x1 bottlenecks of 1, 2 and 4 times the outputs at the three scales. The layers are
cut into three equal parts, each without the finest scale of the part before and with the rest halved by 1x1
convolutions at its first layer. 16 blocks have 34 layers.

Left out: exits at linearly growing distances, four scales for ImageNet, and not computing features that the last exit
wanted does not use ("lazy evaluation"). An exit averages what pixels it is left with, so that small images are taken;
at 32 pixels these are the original's 2 x 2.

Suffixes: B images, C channels, H x W pixels, K exits.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from swc_runtime.models.exits import num_wanted

FACTORS = (1, 2, 4)  # of each scale, for the growth and for the bottleneck
SCALES = len(FACTORS)
EXIT_CHANNELS = 128


class Unit(nn.Module):
    """A convolution that keeps the size up to its stride, BatchNorm and ReLU."""

    def __init__(self, inputs: int, outputs: int, size: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """The activated features."""
        return F.relu(self.bn(self.conv(x_BCHW)))


class Stem(nn.Module):
    """The first features of all scales, each from the next finer one."""

    def __init__(self, image_channels: int, width: int) -> None:
        super().__init__()
        widths = [image_channels, *(width * factor for factor in FACTORS)]
        for scale, (inputs, outputs) in enumerate(pairwise(widths)):
            self.add_module(f"scale{scale}", Unit(inputs, outputs, 3, stride=1 if scale == 0 else 2))

    def forward(self, images_BCHW: Tensor) -> tuple[Tensor, ...]:
        """Features, finest first."""
        features = [images_BCHW]
        for unit in self.children():
            features.append(unit(features[-1]))
        return tuple(features[1:])


class Bottleneck(nn.Sequential):
    """New features: a 1x1 convolution to at most `factor` times as many channels, then a 3x3 one."""

    def __init__(self, inputs: int, outputs: int, factor: int, stride: int = 1) -> None:
        super().__init__()
        inner = min(inputs, factor * outputs)
        self.add_module("reduce", Unit(inputs, inner, 1))
        self.add_module("expand", Unit(inner, outputs, 3, stride))


class ScaleBranch(nn.Module):
    """A layer at one scale: its features and new ones, half of them `down` from the finer scale where there is one."""

    def __init__(self, width: int, growth: int, scale: int, is_finest: bool) -> None:
        super().__init__()
        new = growth * FACTORS[scale]
        self.down: Bottleneck | None = None
        if not is_finest:
            new //= 2
            finer = FACTORS[scale - 1]
            self.down = Bottleneck(width * finer, new, finer, stride=2)
        self.same = Bottleneck(width * FACTORS[scale], new, FACTORS[scale])

    def forward(self, finer_BCHW: Tensor | None, x_BCHW: Tensor) -> Tensor:
        """The features so far, then those from the finer scale, then those from this one."""
        new_BCHW = self.same(x_BCHW)
        if self.down is None:
            return torch.cat([x_BCHW, new_BCHW], dim=1)
        return torch.cat([x_BCHW, self.down(finer_BCHW), new_BCHW], dim=1)


class MultiScaleLayer(nn.Module):
    """One layer at all scales from `first` on; its input may begin with a finer one, `inputs_from`."""

    def __init__(self, width: int, growth: int, inputs_from: int, first: int) -> None:
        super().__init__()
        for scale in range(first, SCALES):
            self.add_module(f"scale{scale}", ScaleBranch(width, growth, scale, is_finest=scale == inputs_from))
        self.num_scales = SCALES - first

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Features of the scales that are left, finest first."""
        finer = (None, *features[:-1])[-self.num_scales :]
        own = features[-self.num_scales :]
        return tuple(scale(*pair) for scale, *pair in zip(self.children(), finer, own, strict=True))


class ScaleReduction(nn.Module):
    """A 1x1 convolution at each scale from `first` on."""

    def __init__(self, width: int, reduced: int, first: int) -> None:
        super().__init__()
        for scale in range(first, SCALES):
            self.add_module(f"scale{scale}", Unit(width * FACTORS[scale], reduced * FACTORS[scale], 1))

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Features of the same scales."""
        return tuple(unit(x_BCHW) for unit, x_BCHW in zip(self.children(), features, strict=True))


class Exit(nn.Module):
    """A classifier of the coarsest scale: two convolutions of stride 2, the mean over pixels, and a linear layer."""

    def __init__(self, inputs: int, num_classes: int) -> None:
        super().__init__()
        self.down1 = Unit(inputs, EXIT_CHANNELS, 3, stride=2)
        self.down2 = Unit(EXIT_CHANNELS, EXIT_CHANNELS, 3, stride=2)
        self.fc = nn.Linear(EXIT_CHANNELS, num_classes)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Logits [B, classes]."""
        features_BC = self.down2(self.down1(features[-1])).mean(dim=(2, 3))
        logits: Tensor = self.fc(features_BC)
        return logits


class MSDNet(nn.Module):
    """`outputs` blocks of layers, each with its exit; `base` layers in the first and `step` in each other."""

    has_exits = True

    def __init__(
        self, num_classes: int, image_channels: int, outputs: int, growth: int, channels: int, base: int, step: int
    ) -> None:
        super().__init__()
        num_layers = base + (outputs - 1) * step
        firsts = finest_scales(num_layers)
        blocks, exits = [nn.Sequential()], []
        blocks[0].add_module("stem", Stem(image_channels, channels))
        width = channels  # of the features of scale 0, were it still there; the others have 2 and 4 times as many
        for number, (before, first) in enumerate(pairwise((0, *firsts)), start=1):
            blocks[-1].add_module(f"layer{number}", MultiScaleLayer(width, growth, before, first))
            width += growth
            if first > before:
                blocks[-1].add_module(f"transition{number}", ScaleReduction(width, width // 2, first))
                width //= 2
            if number >= base and (number - base) % step == 0:
                exits.append(Exit(width * FACTORS[-1], num_classes))
                blocks.append(nn.Sequential())
        self.blocks = nn.ModuleList(blocks[:-1])  # the last exit has begun a block without layers
        self.exits = nn.ModuleList(exits)
        _initialise(self)

    def forward(self, images_BCHW: Tensor, until: int | None = None) -> Tensor:
        """Logits [K, B, classes] of all exits, or of those up to and with number `until`, whose blocks alone run."""
        features = images_BCHW
        logits_KBC = []
        for number in range(num_wanted(until, len(self.exits))):
            features = self.blocks[number](features)
            logits_KBC.append(self.exits[number](features))
        return torch.stack(logits_KBC)

    def parts_until(self, until: int) -> tuple[str, ...]:
        """The blocks and exits that run for the exits up to and with number `until`."""
        return tuple(f"{part}.{number}" for part in ("blocks", "exits") for number in range(until + 1))


def finest_scales(num_layers: int) -> list[int]:
    """The finest scale that each layer computes: the layers are cut into as many parts as there are scales."""
    part = -(-num_layers // SCALES)
    return [layer // part for layer in range(num_layers)]


def _initialise(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)


def msdnet(
    num_classes: int,
    image_shape: tuple[int, int, int],
    *,
    outputs: int,
    growth: int = 12,
    channels: int = 16,
    base: int = 4,
    step: int = 2,
) -> nn.Module:
    """An MSDNet with `outputs` exits for images of this shape (channels, height, width).

    `growth` and `channels` are those of the finest scale, per layer and at first; the first exit comes after `base`
    layers, each other after `step` more. ValueError where one of them is below 1.
    """
    for name, value in {"outputs": outputs, "growth": growth, "channels": channels, "base": base, "step": step}.items():
        if value < 1:
            raise ValueError(f"`{name}` is {value}, and must be 1 at least")
    return MSDNet(num_classes, image_shape[0], outputs, growth, channels, base, step)
