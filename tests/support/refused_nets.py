"""Models that are refused when they are tried, or told of, for `test_trial.py`."""

from __future__ import annotations

import os

import torch
from torch import Tensor, nn

from support.trial_nets import Buffered, Wrapped, net

calls = [0]


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
