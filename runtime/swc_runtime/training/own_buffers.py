"""What members keep from step to step in buffers of their own, on all ranks alike.

Takes an ensemble and its ranks; changes buffers alone. Guarantees: after a step every rank has the buffers of the one
that runs the member, or, where all run it, those of the first, as torch's DistributedDataParallel does; where no member
has any, or none has changed, nothing travels. Running statistics of torch's norms are no such buffers: those of all
ranks are added up (`training.reduction`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from swc_runtime.ensemble import Ensemble, networks_of
from swc_runtime.ranks.ranks import Ranks

Place = tuple[nn.Module, str]  # a module and the name of its buffer, which code may replace by another tensor


@contextmanager
def buffers_alike(ensemble: Ensemble, ranks: Ranks) -> Iterator[None]:
    """Inside members run and may change what they keep; all ranks must come here together."""
    places = _own_buffers(ensemble) if ranks.are_many else {}
    if not any(places.values()):
        yield
        return
    before = _values(places)
    yield
    after = _values(places)
    if ranks.on_any(any(_differ(*pair) for pair in zip(before, after, strict=True))):
        for number, network in enumerate(networks_of(ensemble.program)):
            ranks.take_from(ranks.owner(number), [module.get_buffer(name) for module, name in places[network.host]])


def _own_buffers(ensemble: Ensemble) -> dict[int, list[Place]]:
    """Per member that holds a network the buffers that a checkpoint keeps, without statistics of norms."""
    return {
        network.host: [
            (module, name)
            for module in ensemble.members[network.host].modules()
            if not isinstance(module, _NormBase)
            for name, buffer in module._buffers.items()
            if buffer is not None and name not in module._non_persistent_buffers_set
        ]
        for network in networks_of(ensemble.program)
    }


def _values(places: dict[int, list[Place]]) -> list[tuple[Tensor | None, int]]:
    """The tensors, and how often each was changed in place."""
    tensors = [module._buffers[name] for found in places.values() for module, name in found]
    return [(tensor, 0 if tensor is None else tensor._version) for tensor in tensors]


def _differ(before: tuple[Tensor | None, int], after: tuple[Tensor | None, int]) -> bool:
    return before[0] is not after[0] or before[1] != after[1]
