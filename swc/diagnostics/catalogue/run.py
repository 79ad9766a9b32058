"""Diagnostics about a run: data, checkpoints, training (SW5xx).

Guarantees: `RUN` lists every class of this module.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from swc.diagnostics.diagnostic import Diagnostic

SHOWN = 5  # names in a message


def _listed(names: tuple[str, ...]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown} and {len(names) - SHOWN} more"


@frozen(kw_only=True)
class NonFiniteLoss(Diagnostic):
    """The loss of a member became infinite or not a number, and training stopped.

    Nothing useful follows from there: the next step would spread it to every template, and so to every member. The
    last checkpoint is from before and is kept. Most often the learning rate is too high for the batch: lower it, or
    let it rise over some epochs, as in `schedule cosine, warmup 5 epochs`. If it happens at once, look at the
    data; if only with bfloat16, set `precision float32` in the recipe. Epochs and steps are counted from 1 here. On a
    CUDA device losses are read every twentieth step, so the first bad step may be up to nineteen earlier.
    """

    code: ClassVar[str] = "SW520"
    phase: str
    epoch: int
    step: int
    members: tuple[str, ...]

    def message(self) -> str:
        return (
            f"the loss of {_listed(self.members)} is not finite in phase `{self.phase}`, "
            f"epoch {self.epoch}, step {self.step}"
        )

    def help(self) -> str | None:
        return (
            "lower the learning rate, add a warm-up, or set `precision float32`; at the very first steps look whether "
            "the model's logits are finite; the last checkpoint is kept"
        )


@frozen(kw_only=True)
class NonFiniteState(Diagnostic):
    """A parameter or a running statistic became infinite or not a number, though no loss has shown it yet.

    It was found before a checkpoint was written, so the last good one is kept. The causes are those of SW520: a
    learning rate that is too high, or numbers that are too coarse. Lower the rate, add a warm-up, or set
    `precision float32` in the recipe, and train again.
    """

    code: ClassVar[str] = "SW521"
    phase: str
    epoch: int
    step: int
    tensors: tuple[str, ...]

    def message(self) -> str:
        return f"{_listed(self.tensors)} not finite in phase `{self.phase}`, epoch {self.epoch}, step {self.step}"

    def help(self) -> str | None:
        return (
            "lower the learning rate, add a warm-up, or set `precision float32`; at the very first steps look whether "
            "the model's logits are finite; the last checkpoint is kept"
        )


@frozen(kw_only=True)
class CheckpointDamaged(Diagnostic):
    """A checkpoint does not hold what was written: it is cut short, or bytes in it have changed.

    Checkpoints are written beside the old one and put in its place only when complete, so a run that was killed does
    not cause this; a full or failing disk, or an interrupted copy, does. A checksum over all tensors and the position
    finds it. The checkpoint before it stands beside it with `.previous` at the end of its name: remove the damaged
    file, and `swc train` goes on from there.
    """

    code: ClassVar[str] = "SW522"
    path: str
    detail: str

    def message(self) -> str:
        return f"checkpoint `{self.path}` is damaged: {self.detail}"

    def help(self) -> str | None:
        return f"remove `{self.path}` to go on from `{self.path}.previous`, or copy the file again"


@frozen(kw_only=True)
class CheckpointForeign(Diagnostic):
    """A checkpoint belongs to another spec or another program than the one to be trained.

    Weights are stored by the ids of one sharing graph, and mean nothing in another one; so a run is only continued
    with exactly the spec it was begun with. If the `.sw` file was edited after the training began, either undo the
    edit, train into another folder with `swc train --run FOLDER`, or set the run aside with `swc train --fresh`.
    """

    code: ClassVar[str] = "SW523"
    path: str
    what: str
    found: str
    expected: str

    def message(self) -> str:
        return (
            f"checkpoint `{self.path}` belongs to another {self.what} "
            f"(`{self.found[:12]}`, this one is `{self.expected[:12]}`)"
        )

    def help(self) -> str | None:
        return "undo the change since the training began, or start from scratch with `swc train --fresh`"


@frozen(kw_only=True)
class CheckpointSchema(Diagnostic):
    """A safetensors file is not a checkpoint of swc, or one of a version that this swc does not read.

    Checkpoints carry the number of their layout. Use the version of swc that wrote the file, or train again.
    """

    code: ClassVar[str] = "SW524"
    path: str
    found: str
    known: str

    def message(self) -> str:
        return f"`{self.path}` is not a checkpoint of layout {self.known}: found {self.found}"

    def help(self) -> str | None:
        return "use the version of swc that wrote it, or train again"


@frozen(kw_only=True)
class CheckpointMissing(Diagnostic):
    """There is no checkpoint where one is needed.

    A run writes its first checkpoint before its first step; a folder without one holds no run, or only a part of one.
    Train first (`swc train`), or name the folder of a run.
    """

    code: ClassVar[str] = "SW525"
    path: str

    def message(self) -> str:
        return f"there is no checkpoint `{self.path}`"

    def help(self) -> str | None:
        return "train first with `swc train`, or name the folder of a run"


@frozen(kw_only=True)
class CheckpointNotWritten(Diagnostic):
    """A checkpoint could not be written; the one before it is untouched.

    The system said why: most often the disk is full, or the folder is not ours to write in. Make room or give
    permission, then `swc train` goes on from the last checkpoint.
    """

    code: ClassVar[str] = "SW526"
    path: str
    reason: str

    def message(self) -> str:
        return f"cannot write checkpoint `{self.path}`: {self.reason}"

    def help(self) -> str | None:
        return "make room or give permission, then run `swc train` again: it goes on from the last checkpoint"


@frozen(kw_only=True)
class RecordsCutShort(Diagnostic):
    """The metrics of a run are shorter than its checkpoint says they were.

    When a run goes on, its metrics are cut back to the length they had at the checkpoint. A file that is missing or
    shorter was removed or edited since, and numbers that belong to the run would be lost without a word. Put the file
    back; or, if the numbers do not matter, `swc train --new-metrics` sets aside what is there and goes on from the
    checkpoint: the weights do not depend on it.
    """

    code: ClassVar[str] = "SW527"
    path: str
    size: int
    expected: int

    def message(self) -> str:
        return f"`{self.path}` has {self.size} bytes, but had {self.expected} at the checkpoint"

    def help(self) -> str | None:
        return "put the file back; or go on without its numbers: `swc train --new-metrics`"


@frozen(kw_only=True)
class RecordNotWritten(Diagnostic):
    """What a run measured could not be written to its metrics or to the events of TensorBoard.

    The system said why: most often the disk is full. The last checkpoint is whole, and `swc train` goes on from it once
    there is room.
    """

    code: ClassVar[str] = "SW528"
    path: str
    reason: str

    def message(self) -> str:
        return f"cannot write to `{self.path}`: {self.reason}"

    def help(self) -> str | None:
        return "make room or give permission, then run `swc train` again: it goes on from the last checkpoint"


RUN: tuple[type[Diagnostic], ...] = (
    NonFiniteLoss,
    NonFiniteState,
    CheckpointDamaged,
    CheckpointForeign,
    CheckpointSchema,
    CheckpointMissing,
    CheckpointNotWritten,
    RecordsCutShort,
    RecordNotWritten,
)
