"""Factories that do not give what a member needs, each in its own way."""

from __future__ import annotations

import torch
from torch import nn


class Small(nn.Module):
    """One convolution and a classifier."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3, padding=1)
        self.head = nn.Linear(8, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.conv(images).mean(dim=(2, 3))
        logits: torch.Tensor = self.head(features)
        return logits


def small() -> nn.Module:
    return Small()


def failing() -> nn.Module:
    raise RuntimeError("no such width")


def a_class() -> type[nn.Module]:
    return Small


def lazy() -> nn.Module:
    return nn.Sequential(nn.LazyConv2d(8, 3), nn.Flatten(), nn.LazyLinear(10))


def empty() -> nn.Module:
    return nn.Flatten()


def for_seven_classes() -> nn.Module:
    return Small(classes=7)


class Colourful(Small):
    """A network that refuses grey images."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        raise ValueError(f"needs three channels, not {images.shape[1]}")


def for_colour() -> nn.Module:
    return Colourful()


def grouped() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.Conv2d(8, 8, 3, groups=8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10)
    )


class Counting(Small):
    """A network that keeps a number beside its tensors."""

    def get_extra_state(self) -> int:
        return 1

    def set_extra_state(self, state: int) -> None:
        assert state == 1


def with_extra_state() -> nn.Module:
    return Counting()


class Attending(nn.Module):
    """A network whose only linear layers are those of its attention."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(8, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        rows = images[:, 0]
        return self.head(self.attention(rows, rows, rows)[0].mean(1))


def attending() -> nn.Module:
    return Attending()
