"""Models with something unusual about each that can be trained all the same, for `test_trial.py`."""

from __future__ import annotations

import random
import threading
import weakref

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune, spectral_norm, weight_norm


def net(middle: nn.Module | None = None, width: int = 6) -> nn.Sequential:
    """Two convolutions, of which the middle one may be another module, and a classifier."""
    stem = [nn.Conv2d(1, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    middle = middle or nn.Conv2d(width, width, 1)
    return nn.Sequential(*stem, middle, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))


def conv() -> nn.Conv2d:
    return nn.Conv2d(6, 6, 1)


class Wrapped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = net()

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class Buffered(Wrapped):
    """Adds a buffer to its logits."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("shift", self.make())

    def make(self) -> Tensor:
        return torch.zeros(10)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x) + self.shift


# --- these are fine ---------------------------------------------------------------------------------------------------


def old_weight_norm() -> nn.Module:
    return net(weight_norm(conv()))


def old_spectral_norm() -> nn.Module:
    return net(spectral_norm(conv()))


def new_weight_norm() -> nn.Module:
    return net(parametrizations.weight_norm(conv()))


def new_spectral_norm() -> nn.Module:
    return net(parametrizations.spectral_norm(conv()))


def pruned() -> nn.Module:
    return net(prune.l1_unstructured(conv(), "weight", 0.3))


class Attached(Wrapped):
    def __init__(self) -> None:
        super().__init__()
        self.net[3].register_forward_hook(lambda module, given, made: made * 2)
        self.itself, self.lock, self.numbers = weakref.ref(self), threading.Lock(), (n for n in range(3))

    def forward(self, x: Tensor) -> Tensor:
        return self.itself().net(x)


class Drawn(Wrapped):
    """Begins with numbers of numpy's and of Python's, and drops with Python's."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = np.random.rand() + random.random()
        with torch.no_grad():
            self.net[3].weight.copy_(torch.from_numpy(np.random.randn(6, 6, 1, 1)))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x) * self.scale * (random.random() if self.training else 1)


class Expanded(Buffered):
    def make(self) -> Tensor:
        return torch.zeros(1).expand(10)


class Overlapping(Wrapped):
    def __init__(self) -> None:
        super().__init__()
        both = torch.ones(12)
        self.register_buffer("low", both[:10])
        self.register_buffer("high", both[2:])
        self.register_buffer("again", self.low)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x) * self.low + self.high + self.again


class Parts(Wrapped):
    """Two parameters in one storage that do not meet."""

    def __init__(self) -> None:
        super().__init__()
        both = torch.ones(20)
        self.scale, self.shift = nn.Parameter(both[:10]), nn.Parameter(both[10:])

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x) * self.scale + self.shift


class Kinds(Wrapped):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))
        self.register_buffer("mask", torch.ones(10, dtype=torch.bool))
        self.register_buffer("nothing", torch.zeros(0, 3))
        self.register_buffer("short", torch.ones(10, dtype=torch.bfloat16))
        self.register_buffer("small", torch.ones(10).to(torch.float8_e4m3fn))
        self.register_buffer("turn", torch.ones(10, dtype=torch.complex64))
        self.register_buffer("hidden", torch.full((10,), -torch.inf), persistent=False)
        self.empty = nn.Parameter(torch.zeros(0, 3))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.count += 1
        kept = self.net(x) * self.mask * self.short.float() * self.small.float()
        return (kept + self.hidden.exp()) * self.turn.real


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.middle = nn.Linear(64, 16, bias=False), nn.Linear(16, 16)
        self.decoder = nn.Linear(64, 16, bias=False)
        self.decoder.weight = self.encoder.weight
        self.head = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.relu(self.middle(self.encoder(x.flatten(1))))
        return self.head(F.linear(hidden, self.decoder.weight.t()))


class FrozenNorms(Wrapped):
    def train(self, mode: bool = True) -> FrozenNorms:
        super().train(mode)
        self.net[1].eval()
        return self


class Normalising(Wrapped):
    """Works on its images in place, not the same way twice."""

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x.sub_(0.5).div_(0.25))


class Silent(Wrapped):
    """Its own `train` gives nothing back."""

    def train(self, mode: bool = True) -> None:  # type: ignore[override]
        super().train(mode)


class NoGradientsInEval(Wrapped):
    def forward(self, x: Tensor) -> Tensor:
        with torch.set_grad_enabled(self.training and torch.is_grad_enabled()):
            return self.net(x)


# --- these read their weights in ways of their own --------------------------------------------------------------------


class Captured(Wrapped):
    def __init__(self) -> None:
        super().__init__()
        self.weights = [self.net[3].weight]

    def forward(self, x: Tensor) -> Tensor:
        return self.net[4:](F.conv2d(self.net[:3](x), self.weights[0]))


class Hooked(Wrapped):
    def __init__(self) -> None:
        super().__init__()
        self.net[3].weight.register_hook(lambda gradient: gradient * 0)


class Walking(Wrapped):
    def forward(self, x: Tensor) -> Tensor:
        return self.net(x) + sum(parameter.square().sum() for parameter in self.parameters())


class Averaged(Wrapped):
    """Keeps a moving average of its own parameters, one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.teacher = net().requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            for mean, own in zip(self.teacher.parameters(), self.net.parameters(), strict=True):
                mean.data.lerp_(own.data, 0.1)
        return self.net(x) + self.teacher(x)
