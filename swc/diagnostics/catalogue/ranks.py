"""Diagnostics about training with several processes (SW56x).

Guarantees: `RANKS` lists every class of this module.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from swc.diagnostics.diagnostic import Diagnostic


@frozen(kw_only=True)
class BatchNotDealt(Diagnostic):
    """A batch cannot be divided among so many processes in the parts that BatchNorm is to see.

    Every process takes the same number of whole parts: of `norm_batch` images where the recipe says so, else of an
    equal share of the batch, and of two images at least. A batch of 128 goes to 2, 4, 8, ... processes; with
    `norm_batch 64` to 2. Take fewer processes, change `batch` or `norm_batch` in the recipe, or use `--sync-norms`,
    under which BatchNorm sees the whole batch and any share will do.
    """

    code: ClassVar[str] = "SW560"
    batch: int
    norm_batch: int | None
    size: int

    def message(self) -> str:
        parts = "" if self.norm_batch is None else f" in parts of {self.norm_batch} (`norm_batch`)"
        return f"a batch of {self.batch} images{parts} cannot be dealt evenly to {self.size} processes"

    def help(self) -> str:
        other = "use `--sync-norms`" if self.norm_batch is None else "drop `norm_batch` and use `--sync-norms`"
        return f"take a number of processes that divides it, change the recipe's batch, or {other}"


@frozen(kw_only=True)
class NormsTwice(Diagnostic):
    """`--sync-norms` says that BatchNorm sees the whole batch, the recipe's `norm_batch` that it sees parts of it.

    Only one of them can hold. Leave the option away: with `norm_batch`, BatchNorm sees the same parts on any number
    of processes. Or set `norm_batch none` in the train block.
    """

    code: ClassVar[str] = "SW561"
    norm_batch: int

    def message(self) -> str:
        return f"`--sync-norms` contradicts `norm_batch {self.norm_batch}` of the recipe"

    def help(self) -> str:
        return "leave `--sync-norms` away, or set `norm_batch none` in the train block"


@frozen(kw_only=True)
class RankLost(Diagnostic):
    """A process of the run is gone, and the others stopped with it.

    It was killed, ran out of memory or met an error, which stands above where it could be told. Nothing is lost but
    the steps after the last checkpoint: start the same number of processes again, and the run goes on from there.
    """

    code: ClassVar[str] = "SW562"
    rank: int | None = None
    size: int
    detail: str

    def message(self) -> str:
        which = "one" if self.rank is None else f"process {self.rank}"
        return f"{which} of the {self.size} processes was lost, and the run stopped"

    def help(self) -> str:
        return "see why a process ended, then train again: the run goes on from its last checkpoint"

    def notes(self) -> tuple[str, ...]:
        return (self.detail.splitlines()[0] if self.detail else "no more is known",)


@frozen(kw_only=True)
class RanksDisagree(Diagnostic):
    """The processes of a run do not have the same program, checkpoint or state, and stopped before they trained on.

    Most often they do not see the same run folder: on several machines it must lie on a file system that all of them
    share. Other versions of swc or torch on one of them have the same effect.
    """

    code: ClassVar[str] = "SW563"
    what: str
    size: int

    def message(self) -> str:
        return f"the {self.size} processes do not have the same {self.what}"

    def help(self) -> str:
        return "let all of them see the same run folder, with the same versions installed, and train again"


@frozen(kw_only=True)
class OtherRanks(Diagnostic):
    """`--nproc` was given to a process that `torchrun` has started already.

    Both say how many processes there are. Use one of them: `swc train --nproc 2`, or
    `torchrun --nproc-per-node 2 -m swc train`.
    """

    code: ClassVar[str] = "SW564"
    nproc: int

    def message(self) -> str:
        return f"`--nproc {self.nproc}` was given under torchrun"

    def help(self) -> str:
        return "leave `--nproc` away"


@frozen(kw_only=True)
class IdleRanks(Diagnostic):
    """Members are divided among the processes (`--placement members`), and there are more processes than networks.

    Each process runs its members on whole batches, so one without members would have nothing to do. Members that are
    one network, as those of `mimo`, `packed`, `hne` and `msdnet` are, run in one process. Take as many processes as
    there are networks at most, or let the processes share the images of each batch (`--placement images`).
    """

    code: ClassVar[str] = "SW565"
    size: int
    num_members: int
    num_networks: int

    def message(self) -> str:
        if self.num_networks == self.num_members:
            return f"{self.size} processes cannot share {self.num_members} members"
        networks = "are one network" if self.num_networks == 1 else f"are {self.num_networks} networks"
        return f"{self.size} processes cannot share {self.num_members} members that {networks}"

    def help(self) -> str:
        if self.num_networks == 1:
            return "write `--placement images`"
        return f"take {self.num_networks} processes at most, or `--placement images`"


@frozen(kw_only=True)
class LastBatchTooSmall(Diagnostic):
    """With `--sync-norms` every process needs an image of every batch, and the last one of an epoch has too few.

    BatchNorm asks all processes for each batch; one without images would let the others wait for ever. Take fewer
    processes, or another `batch`, so that what is left over at the end of an epoch goes to all of them.
    """

    code: ClassVar[str] = "SW566"
    num_images: int
    size: int

    def message(self) -> str:
        return f"the last batch of an epoch has {self.num_images} images for {self.size} processes with synced norms"

    def help(self) -> str:
        return "take fewer processes, or another `batch` in the train block"


@frozen(kw_only=True)
class StepNotDealt(Diagnostic):
    """A step strategy cannot be trained by several processes in the way that was asked for.

    `step sandwich` draws other networks in every step, and the largest of all teaches them in that step; where every
    process has networks of its own (`--placement members`) it is in one of them alone. `step split` shows each image
    to one network, so that a process has no images for most; `--sync-norms` needs some in every process. Let the
    processes share the images of each batch (`--placement images`), and leave `--sync-norms` away.
    """

    code: ClassVar[str] = "SW567"
    step: str
    option: str

    def message(self) -> str:
        return f"`step {self.step}` cannot be trained by several processes with `{self.option}`"

    def help(self) -> str:
        if self.option == "--sync-norms":
            return "leave `--sync-norms` away: a network sees its part of a batch in one process, or in two neighbours"
        return "write `--placement images`, or train in one process"


RANKS: tuple[type[Diagnostic], ...] = (
    BatchNotDealt,
    NormsTwice,
    RankLost,
    RanksDisagree,
    OtherRanks,
    IdleRanks,
    LastBatchTooSmall,
    StepNotDealt,
)
