"""Bottleneck residual networks of the v1.5 kind (stride on the 3x3 convolution), with a width factor.

Takes a depth and a width factor; gives torchvision's own module, so layer paths are its (`layer1.0.conv1`, ...).
Guarantees: `resnet(depth: 50, width: 2)` is torchvision's `wide_resnet50_2`, parameter for parameter; images of up
to 64 pixels get a 3x3 stem without stride and pooling, so that their stages see 32, 16, 8 and 4 pixels.
"""

from __future__ import annotations

from torch import nn
from torchvision.models.resnet import Bottleneck, ResNet

STAGES = {26: (2, 2, 2, 2), 38: (3, 3, 3, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
SMALL_IMAGE = 64  # pixels: at most this, and the ImageNet stem would leave too little to see


def resnet(num_classes: int, image_shape: tuple[int, int, int], *, depth: int, width: float = 1.0) -> nn.Module:
    """A bottleneck ResNet whose inner channels are `width` times the usual; ValueError for an unusual depth."""
    if depth not in STAGES:
        raise ValueError(f"no bottleneck resnet has depth {depth}: choose one of {', '.join(map(str, STAGES))}")
    per_group = max(1, round(64 * width))
    model: nn.Module = ResNet(Bottleneck, list(STAGES[depth]), num_classes=num_classes, width_per_group=per_group)
    _fit_stem(model, image_shape)
    return model


def _fit_stem(model: nn.Module, image_shape: tuple[int, int, int]) -> None:
    small = is_small(image_shape)
    if image_shape[0] == 3 and not small:
        return
    model.conv1 = make_stem(image_shape, 64)
    if small:
        model.maxpool = nn.Identity()


def is_small(image_shape: tuple[int, int, int]) -> bool:
    """Whether images of this shape (channels, height, width) are too small for ImageNet's stem and pooling."""
    return max(image_shape[1:]) <= SMALL_IMAGE


def make_stem(image_shape: tuple[int, int, int], outputs: int) -> nn.Conv2d:
    """The first convolution for images of this shape: 3x3 on small ones, else 7x7 with stride 2."""
    size, stride, padding = (3, 1, 1) if is_small(image_shape) else (7, 2, 3)
    stem = nn.Conv2d(image_shape[0], outputs, size, stride, padding, bias=False)
    nn.init.kaiming_normal_(stem.weight, mode="fan_out", nonlinearity="relu")
    return stem
