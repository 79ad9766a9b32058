"""Packed-Ensembles: several narrow wide residual networks side by side in one, by grouped convolutions.

Takes images; gives the logits of every subnetwork. `alpha` widens all subnetworks together, and `gamma` cuts the
convolutions inside each into as many groups again. Layer paths are those of `wrn`. Guarantees: no subnetwork reads
another's features, as the first convolution, which all see the images through, has output channels for each; cut into
`outputs` parts along its first axis, every tensor of the state is that of the subnetworks, in the outputs' order.

A convolution has alpha ** 2 / (outputs * gamma) times the weights of a plain WRN's: as many for four outputs, alpha 2
and gamma 1. As in the authors' own code, gamma gives way in convolutions whose groups would be narrow, and in the first
and the last layer; channels are rounded up to a multiple of the outputs, which is this project's choice.
Source: Laurent et al., Packed-Ensembles for Efficient Uncertainty Estimation, ICLR 2023.

Shapes: B images, M outputs, F features of each, K classes.
"""

from __future__ import annotations

from functools import partial
from math import ceil

from torch import Tensor, nn

from swc_runtime.models.wrn import Channels, WideResNet, channels_of, convolution, spread

LEAST_GROUP = 64  # input channels of a group, where gamma makes some: the authors' value


class PackedLinear(nn.Conv1d):
    """A linear layer for each subnetwork, as groups of a convolution; starts as `nn.Linear` does, biases at zero."""

    def __init__(self, features: int, num_classes: int, outputs: int) -> None:
        super().__init__(features, outputs * num_classes, 1, groups=outputs)
        assert self.bias is not None
        nn.init.zeros_(self.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Logits [M, B, K] of features [B, M * F]."""
        logits_BR1 = super().forward(features.unsqueeze(2))
        return logits_BR1.reshape(-1, self.groups, self.out_channels // self.groups).transpose(0, 1)


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
    """A packed ensemble for images of this shape (channels, height, width).

    ValueError where depth is not 6n + 4, and where another number is not positive.
    """
    if outputs < 1 or gamma < 1 or not alpha > 0:
        raise ValueError(f"outputs {outputs}, alpha {alpha}, gamma {gamma}: each must be positive")
    channels = packed_channels(channels_of(width), outputs, alpha)
    classifier = partial(PackedLinear, num_classes=num_classes, outputs=outputs)
    return WideResNet(spread(depth, channels), image_shape[0], classifier, partial(_packed_convolution, outputs, gamma))


def packed_channels(channels: Channels, outputs: int, alpha: float) -> Channels:
    """The channels of all subnetworks together: `alpha` times the usual ones, rounded up to a multiple of `outputs`."""
    stem, first, second, third = (outputs * max(1, ceil(round(alpha * usual) / outputs)) for usual in channels)
    return stem, first, second, third


def num_groups(inputs: int, channels: int, outputs: int, gamma: int) -> int:
    """The groups of a convolution between these channels: `outputs` times the largest number up to `gamma` that fits.

    A number above 1 fits where its groups divide the channels of both sides and see at least `LEAST_GROUP` of them.
    """
    for inner in range(gamma, 1, -1):
        groups = outputs * inner
        if inputs % groups == 0 and channels % groups == 0 and inputs // groups >= LEAST_GROUP:
            return groups
    return outputs


def _packed_convolution(outputs: int, gamma: int, inputs: int, channels: int, size: int, stride: int) -> nn.Conv2d:
    return convolution(inputs, channels, size, stride, num_groups(inputs, channels, outputs, gamma))
