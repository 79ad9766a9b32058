"""MobileNetV2, torchvision's, with strides that suit the images' size.

Takes a width factor; gives torchvision's module, so layer paths are its (`features.0.0`, ...). Guarantees: for
images of up to 64 pixels the stem and the first of the striding stages keep the resolution, which leaves a stride
of 8 instead of 32 in all; the parameters are those of torchvision's model either way.
"""

from __future__ import annotations

from torch import nn
from torchvision.models import MobileNetV2

# expansion, channels, repeats, stride of the first (paper of MobileNetV2, table 2)
SETTINGS = [
    [1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 3, 2], [6, 64, 4, 2], [6, 96, 3, 1], [6, 160, 3, 2], [6, 320, 1, 1],
]  # fmt: skip
SMALL_SETTINGS = [[t, c, n, 1 if c == 24 else s] for t, c, n, s in SETTINGS]
SMALL_IMAGE = 64  # pixels


def mobilenet_v2(num_classes: int, image_shape: tuple[int, int, int], *, width: float = 1.0) -> nn.Module:
    """MobileNetV2 with `width` times the usual channels for images of this shape (channels, height, width)."""
    channels, height, wide = image_shape
    small = max(height, wide) <= SMALL_IMAGE
    settings = SMALL_SETTINGS if small else SETTINGS
    model: nn.Module = MobileNetV2(num_classes=num_classes, width_mult=width, inverted_residual_setting=settings)
    if small or channels != 3:
        _replace_stem(model, channels, stride=1 if small else 2)
    return model


def _replace_stem(model: nn.Module, channels: int, stride: int) -> None:
    features = model.get_submodule("features.0")
    old = model.get_submodule("features.0.0")
    assert isinstance(features, nn.Sequential)
    assert isinstance(old, nn.Conv2d)
    stem = nn.Conv2d(channels, old.out_channels, 3, stride, padding=1, bias=False)
    nn.init.kaiming_normal_(stem.weight, mode="fan_out")
    features[0] = stem
