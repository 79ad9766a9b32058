"""Models with something unusual about each, for `test_trial.py`."""

from __future__ import annotations

import os
import random
import threading
import weakref

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune, spectral_norm, weight_norm

calls = [0]


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


# --- these are refused ------------------------------------------------------------------------------------------------


def grows() -> nn.Module:
    calls[0] += 1
    return net(width=4 + calls[0])


def by_chance() -> nn.Module:
    return net(width=4 + int(torch.randint(1000, ())))


class Constant(Wrapped):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("noise", torch.tensor(list(os.urandom(10))), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x) * self.noise


class Clocked(Wrapped):
    def __init__(self) -> None:
        super().__init__()
        self.noise = int.from_bytes(os.urandom(4), "big") / 1e6

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x) * self.noise


class Sparse(Wrapped):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("map", torch.eye(10).to_sparse())


class Quantised(Wrapped):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scale", torch.quantize_per_tensor(torch.ones(10), 0.1, 0, torch.qint8))


class Late(Wrapped):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("shift", None)

    def forward(self, x: Tensor) -> Tensor:
        if self.shift is None:
            self.shift = torch.ones(10)
        return self.net(x) + self.shift


class Growing(Buffered):
    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.shift = torch.cat([self.shift, torch.zeros(1)])
        return self.net(x) + self.shift[:10]


class Counting(Wrapped):
    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += self.training
        return self.net(x) * (1 + 0.1 * self.calls)


class Generating(Wrapped):
    def __init__(self) -> None:
        super().__init__()
        self.generator = torch.Generator().manual_seed(0)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x + torch.randn(x.shape, generator=self.generator) if self.training else x)


class Hidden(Wrapped):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("steps", torch.zeros(1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.steps += 1
        return self.net(x) + self.steps


class Queue(Wrapped):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        made = self.net(x)
        if self.training:
            self.seen = [*self.seen[-3:], made.detach().mean()]
        return made + sum(self.seen)


class Rounded(Wrapped):
    def state_dict(self, *given: object, **named: object) -> dict[str, Tensor]:
        return {name: tensor.half() for name, tensor in super().state_dict(*given, **named).items()}


class Follower(Buffered):
    """A buffer that is a view of a parameter, and follows it."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(10))
        self.shift = self.scale.data

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x) * self.scale + self.shift


class Twins(Wrapped):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("one", torch.ones(10))
        self.register_buffer("other", self.one)

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.one.add_(1)
        return self.net(x) + self.other


class Overwriting(Wrapped):
    def forward(self, x: Tensor) -> Tensor:
        made = self.net(x).exp()
        doubled = made * made
        made.add_(1)
        return doubled


class Detached(Wrapped):
    def forward(self, x: Tensor) -> Tensor:
        return self.net(x).detach()


class Whole(Wrapped):
    def forward(self, x: Tensor) -> Tensor:
        return self.net(x).round().long()


class PairInEval(Wrapped):
    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        made = self.net(x)
        return made if self.training else (made, made)


class NamedInTraining(Wrapped):
    def forward(self, x: Tensor) -> Tensor | dict[str, Tensor]:
        made = self.net(x)
        return {"logits": made} if self.training else made


class Squeezed(Wrapped):
    def forward(self, x: Tensor) -> Tensor:
        return self.net(x) if self.training else self.net(x).squeeze()


class Paired(Wrapped):
    def forward(self, x: Tensor) -> Tensor:
        return self.net(x.view(2, len(x) // 2, 1, 8, 8).flatten(0, 1) if self.training else x)


class Unused(Wrapped):
    def __init__(self) -> None:
        super().__init__()
        self.auxiliary = nn.Linear(6, 6)


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


def scripted() -> nn.Module:
    return torch.jit.script(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)))


def compiled() -> nn.Module:
    return torch.compile(Unused())  # type: ignore[return-value]


class OfDoubles(Wrapped):
    """Changes what torch makes of numbers, for everybody."""

    def __init__(self) -> None:
        super().__init__()
        torch.set_default_dtype(torch.float64)
        self.last = nn.Linear(10, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.net(x))


class Softmax(nn.Module):
    """Gives probabilities, as many models for prediction do."""

    def __init__(self, num_classes):
        super().__init__()
        self.hidden = nn.Linear(64, 8)
        self.head = nn.Linear(8, num_classes)

    def forward(self, x):
        return self.head(self.hidden(x.flatten(1)).relu()).softmax(-1)


class Positive(Softmax):
    """Gives outputs above 0 that are no shares."""

    def forward(self, x):
        return super().forward(x) * 3
