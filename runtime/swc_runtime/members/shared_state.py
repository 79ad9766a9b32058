"""Members that are not apart: parameters and buffers that two of them hold, or two builds of one.

Takes modules by name; gives what they share. Guarantees: nothing is changed; tensors are compared by the memory they
lie in, so that views of one tensor count, and on the meta device by the storage they name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from attrs import frozen
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.disturbing import MembersShareState
from torch import Tensor, nn

Named = tuple[str, nn.Module]


@frozen
class Sharing:
    """A tensor at `path` of a member that `other` holds at `other_path`."""

    member: str
    path: str
    other: str
    other_path: str


@frozen(order=True)
class _Place:
    """Bytes from `start` to `stop` of a device's memory, or a storage without memory, and who holds them."""

    device: str
    start: int
    stop: int
    build: int
    path: str


def shared_between(members: Sequence[Named]) -> tuple[Sharing, ...]:
    """What different modules of a list share, each tensor once, in the order of the members."""
    places = sorted(place for number, (_, module) in enumerate(members) for place in _places(number, module))
    found: dict[tuple[int, str], Sharing] = {}
    held: list[_Place] = []
    for place in places:
        held = [one for one in held if one.device == place.device and one.stop > place.start]
        for one in held:
            first, second = sorted((one, place), key=lambda each: (each.build, each.path))
            if first.build != second.build:
                sharing = Sharing(members[first.build][0], first.path, members[second.build][0], second.path)
                found.setdefault((second.build, second.path), sharing)
        held.append(place)
    return tuple(found[key] for key in sorted(found))


def check_apart(members: Sequence[Named]) -> None:
    """DiagnosticError, by name, where two modules share a parameter or a buffer."""
    found = shared_between(members)
    if found:
        first = found[0]
        told = MembersShareState(
            member=first.member,
            path=first.path,
            other=first.other,
            other_path=first.other_path,
            more=tuple(f"`{one.other}.{one.other_path}`" for one in found[1:]),
        )
        raise DiagnosticError(told)


def set_apart(members: Sequence[Named]) -> None:
    """Give each member buffers of its own, and DiagnosticError where two of them share more than buffers.

    `swc compile` refuses shared buffers too; runs that were begun before it did go on, and read the same numbers.
    """
    modules = dict(members)
    for sharing in shared_between(members):
        owner, _, name = sharing.other_path.rpartition(".")
        buffers = modules[sharing.other].get_submodule(owner)._buffers
        if (buffer := buffers.get(name)) is not None:
            buffers[name] = buffer.clone()
    check_apart(members)


def _places(build: int, module: nn.Module) -> Iterator[_Place]:
    named = [*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)]
    for path, tensor in named:
        where = _memory(tensor)
        if where is not None:
            yield _Place(*where, build, path)


def _memory(tensor: Tensor) -> tuple[str, int, int] | None:
    """The device and the bytes of a tensor's storage; None for one without numbers."""
    try:
        storage = tensor.untyped_storage()
        start, size = storage.data_ptr(), storage.nbytes()
    except (NotImplementedError, RuntimeError):  # a tensor of another kind, which has no storage of its own
        return ("object", id(tensor), id(tensor) + 1)
    if torch.numel(tensor) == 0:
        return None
    if start == 0:  # the meta device: the storage is named, and takes no memory
        return ("storage", storage._cdata, storage._cdata + 1)
    return (str(tensor.device), start, start + size)
