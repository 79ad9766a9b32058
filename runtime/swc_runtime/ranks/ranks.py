"""The processes that train one ensemble together, and what they tell each other.

Takes the environment that `torchrun` sets; gives `Ranks`. Guarantees: one process alone calls nothing and changes no
bit; what a collective gives is the same to the bit on every rank; a rank that is gone ends the others with a
diagnostic.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from hashlib import sha256
from typing import Literal

import torch
import torch.distributed as dist
from attrs import frozen
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.ranks import RankLost, RanksDisagree
from torch import Tensor

WorkDivision = Literal["images", "members"]

PATIENCE = timedelta(hours=2)  # a download or a low-rank fit may take long; a dead process is noticed at once


@frozen
class Ranks:
    """This process is number `rank` of `size`; numbers travel by way of `device`.

    What is dealt to the ranks are the images of each batch, or the members (`placement`).
    """

    rank: int = 0
    size: int = 1
    device: str = "cpu"
    placement: WorkDivision = "images"

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that writes files and talks to people."""
        return self.rank == 0

    @property
    def are_many(self) -> bool:
        """Whether there is anybody to talk to."""
        return self.size > 1

    @property
    def deals_members(self) -> bool:
        """Whether every rank sees all images, and runs some of the members."""
        return self.are_many and self.placement == "members"

    def own(self, num_networks: int) -> tuple[int, ...] | None:
        """The numbers of the networks that this rank runs; None for all."""
        if not self.deals_members:
            return None
        return tuple(number for number in range(num_networks) if self.owner(number) == self.rank)

    def add_up(self, tensor: Tensor) -> None:
        """Replace a tensor by its sum over all ranks, however it lies in the memory of each."""
        if self.are_many:
            held = tensor.contiguous()  # collectives add up memory, and layouts may differ
            with _heard(self):
                dist.all_reduce(held)
            if held is not tensor:
                tensor.copy_(held)

    def on_any(self, flag: bool) -> bool:
        """Whether a flag is set on any rank."""
        votes = torch.tensor(float(flag), device=self.device)
        self.add_up(votes)
        return bool(votes)

    def owner(self, network: int) -> int:
        """The rank that runs a network, by its number, and speaks for it; the first, where all run it."""
        return network % self.size if self.deals_members else 0

    def take_from_first(self, tensors: Sequence[Tensor]) -> None:
        """Overwrite tensors by those of the first rank."""
        self.take_from(0, tensors)

    def take_from(self, rank: int, tensors: Sequence[Tensor]) -> None:
        """Overwrite tensors by those of a rank."""
        if self.are_many:
            with _heard(self):
                for tensor in tensors:
                    held = tensor.detach().to(self.device).contiguous()
                    dist.broadcast(held, rank)
                    tensor.copy_(held)

    def wait(self) -> None:
        """Go on when every rank has come here."""
        self.add_up(torch.zeros(1, device=self.device))

    @contextmanager
    def first_ahead(self) -> Iterator[None]:
        """Inside, the first rank is alone; the others come when it has left without an error."""
        if not self.is_first:
            self.wait()
        yield
        if self.is_first:
            self.wait()

    def agree(self, what: str, text: bytes) -> None:
        """DiagnosticError unless every rank has the same `text`."""
        if not self.are_many:
            return
        words = torch.frombuffer(bytearray(sha256(text).digest()), dtype=torch.int64).to(self.device)
        least, most = words.clone(), words.clone()
        with _heard(self):
            dist.all_reduce(least, dist.ReduceOp.MIN)
            dist.all_reduce(most, dist.ReduceOp.MAX)
        if not torch.equal(least, most):
            raise DiagnosticError(RanksDisagree(what=what, size=self.size))


ALONE = Ranks()


@contextmanager
def _heard(ranks: Ranks) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # what torch.distributed raises where a connection is closed
        raise DiagnosticError(RankLost(size=ranks.size, detail=str(error))) from error


def ranks_announced() -> tuple[int, int, int]:
    """The rank, the number of ranks and the rank on this machine, as `torchrun` set them; (0, 1, 0) without it."""
    rank, size, local = (int(os.environ.get(name, value)) for name, value in _VARIABLES)
    return rank, size, local


_VARIABLES = (("RANK", "0"), ("WORLD_SIZE", "1"), ("LOCAL_RANK", "0"))


def join_ranks(device: str, placement: WorkDivision = "images") -> Ranks:
    """Meet the other processes, by NCCL on CUDA and Gloo elsewhere; `ALONE` where `torchrun` announced no others."""
    rank, size, _ = ranks_announced()
    if size == 1:
        return ALONE
    ranks = Ranks(rank, size, device, placement)
    with _heard(ranks):
        dist.init_process_group("nccl" if device.startswith("cuda") else "gloo", timeout=PATIENCE)
    return ranks


def leave_ranks(together: bool = False) -> None:
    """Close the connections, where there are any; `together`, at a good end, when every rank has come here."""
    if dist.is_available() and dist.is_initialized():
        if together:
            with _heard(Ranks(dist.get_rank(), dist.get_world_size())):
                dist.barrier()  # Gloo's threads may abort a process whose peer has gone first
        dist.destroy_process_group()
