"""Diagnostics about beginning and continuing a run (SW54x).

Guarantees: `TRAINING` lists every class of this module.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from swc.diagnostics.diagnostic import Diagnostic, Severity
from swc.diagnostics.numbers import in_full


@frozen(kw_only=True)
class NothingToTrain(Diagnostic):
    """An ensemble was to be trained whose spec has no `train` block.

    Without one the compiler still gives the budget, the allocation and the graph, but it does not know what to train
    for how long. Add a block such as `train cifar { phase main: 200 epochs }`, importing the recipe it names.
    """

    code: ClassVar[str] = "SW540"
    ensemble: str

    def message(self) -> str:
        return f"the ensemble `{self.ensemble}` has no train block"

    def help(self) -> str:
        return "add a train block with a recipe and at least one phase, and compile again"


@frozen(kw_only=True)
class RunOfAnotherSpec(Diagnostic):
    """The run folder was begun with another spec, or with its epochs scaled differently.

    A run belongs to one spec for good: its checkpoints and results would mean nothing under another one. Nothing was
    changed. `swc train --fresh` sets the old run aside and begins a new one; `swc train --run FOLDER` begins a new run
    in a folder of its own; to go on with the old run, compile its spec again with the same params and the same
    `--epochs-scale`.
    """

    code: ClassVar[str] = "SW541"
    folder: str
    differs: tuple[str, ...]
    scale: float | None = None

    def message(self) -> str:
        return f"the run in `{self.folder}` was begun with another spec"

    def help(self) -> str:
        on = "" if self.scale is None else f"go on with it with `--epochs-scale {in_full(self.scale)}`, or "
        return f"{on}use `--fresh` to set that run aside, or `--run FOLDER` to begin another beside it"

    def notes(self) -> tuple[str, ...]:
        return (f"what differs: {', '.join(self.differs) or 'the name'}",)


@frozen(kw_only=True)
class NoDevice(Diagnostic):
    """The device that was asked for is not there.

    Where it is a CUDA device, torch does not see it: there is none of that number, its driver does not answer, or this
    build of torch is for the CPU only. `--device cpu` trains on the CPU; `--device auto`, the default, takes a GPU
    where there is one.
    """

    code: ClassVar[str] = "SW542"
    device: str
    known: tuple[str, ...] = ("cpu",)

    def message(self) -> str:
        return f"there is no device `{self.device}` here"

    def help(self) -> str:
        return f"use one of {', '.join(f'`{name}`' for name in self.known)}, or leave the option out"


@frozen(kw_only=True)
class SurroundingsChanged(Diagnostic):
    """A run goes on under other conditions than it was begun with.

    Another device, arithmetic, choice of kernels, number of threads or version of a library rounds differently, so the
    run will not end with the same bits as an undisturbed one. Its state is complete, and the result is as good. To
    repeat the bits, go on where it was begun, with the same `--threads`.
    """

    code: ClassVar[str] = "SW543"
    severity: ClassVar[Severity] = Severity.WARNING
    changes: tuple[str, ...]

    def message(self) -> str:
        return "the run goes on under other conditions; its last bits will differ from an undisturbed run"

    def help(self) -> str:
        return "for the same bits, go on with the same machine, library versions and `--threads`"

    def notes(self) -> tuple[str, ...]:
        return self.changes


@frozen(kw_only=True)
class DataChanged(Diagnostic):
    """The data are not those that a run was trained on: a hash of their inputs, labels and file names differs.

    A file was replaced, or a function gives other examples. What was trained has seen the examples of before; scores
    on examples that may be among these promise too much, and a phase that ends by patience compares scores of different
    examples. Bring the data of before back, or begin a run of its own with `--fresh`. Items that are read one by one
    (`--workers`, more than 2 GiB) are known by their labels alone, so a run that goes on in the other way is told so.
    """

    code: ClassVar[str] = "SW551"
    severity: ClassVar[Severity] = Severity.WARNING
    name: str
    was: str
    now: str

    def message(self) -> str:
        return f"`{self.name}` gives other examples than the run was trained on"

    def help(self) -> str:
        return "bring the data of before back, or train on these with `swc train --fresh`"

    def notes(self) -> tuple[str, ...]:
        return (f"the hash of inputs and labels was {self.was} and is {self.now}",)


@frozen(kw_only=True)
class RunCodeChanged(Diagnostic):
    """The code of `python(...)` members or data is not the code that a run was trained with.

    A run keeps a hash of every module of yours that its code consists of. What was trained goes on, in networks or on
    data that the code of now makes; where the change is more than a comment, that is neither the run of before nor one
    of the new code. Bring the files of before back, or train beside it, in another folder, with `--run FOLDER`.
    """

    code: ClassVar[str] = "SW552"
    severity: ClassVar[Severity] = Severity.WARNING
    changes: tuple[str, ...]

    def message(self) -> str:
        return "the run goes on with other code of yours than it was trained with"

    def help(self) -> str:
        return "bring the files of before back, or train with these in another folder: `swc train --run FOLDER`"

    def notes(self) -> tuple[str, ...]:
        return self.changes


@frozen(kw_only=True)
class RunBusy(Diagnostic):
    """Another process is training this run just now.

    Two of them would write over each other's checkpoints and mix their metrics, so the second does nothing. Wait for
    the first, or stop it: the run can be taken up where it was. `--run FOLDER` trains beside it. The lock is the
    system's and ends with the process that holds it, in whatever way that ends: there is nothing to clean up.
    """

    code: ClassVar[str] = "SW544"
    folder: str
    process: int | None = None

    def message(self) -> str:
        number = "" if self.process is None else f" ({self.process})"
        return f"another process{number} is training the run in `{self.folder}`"

    def help(self) -> str:
        return "wait for it or stop it, or use `--run FOLDER` to train beside it"


@frozen(kw_only=True)
class PartMissing(Diagnostic):
    """A file of a build or a run is not there any more.

    What swc writes belongs together: a revision cannot be compiled again, nor shown, without the spec, the layer tables
    and the feedback that led to it. Copy the file back from where the folder came; a build is made again by
    `swc compile`, and `swc train --fresh` starts the run from scratch, setting aside what is there.
    """

    code: ClassVar[str] = "SW545"
    path: str

    def message(self) -> str:
        return f"`{self.path}` is missing"

    def help(self) -> str:
        return "copy it back; or make a build again with `swc compile`, a run with `swc train --fresh`"


@frozen(kw_only=True)
class NotARun(Diagnostic):
    """The folder named by `--run` holds something else than a run.

    A run's folder is written to, and set aside as a whole by `--fresh`; neither must happen to other people's files or
    to a build. Name a folder that holds a run, or one that is empty or not there yet.
    """

    code: ClassVar[str] = "SW546"
    folder: str

    def message(self) -> str:
        return f"`{self.folder}` holds something else than a run"

    def help(self) -> str:
        return "name the folder of a run, or one that is empty or not there yet"


@frozen(kw_only=True)
class CheckpointsLost(Diagnostic):
    """A run has been trained, but its checkpoints are gone.

    Its records and feedback are still there, and starting from scratch in the same folder would overwrite them. Copy
    the checkpoints back, or set the whole run aside with `swc train --fresh`.
    """

    code: ClassVar[str] = "SW547"
    folder: str

    def message(self) -> str:
        return f"the run in `{self.folder}` has records but no checkpoint"

    def help(self) -> str:
        return "copy its checkpoints back, or use `--fresh` to set the run aside and begin a new one"


@frozen(kw_only=True)
class MemberChanged(Diagnostic):
    """A member's module is not the one the program was compiled for.

    The code of a `python(...)` factory, or the version of a library, has changed since: a parameter is missing or has
    another shape, or the factory takes other arguments. A run that was begun with the old code goes on with the old
    code alone. To train the new one compile the spec again, and begin a run with `--fresh`, which sets the old one
    aside.
    """

    code: ClassVar[str] = "SW548"
    detail: str

    def message(self) -> str:
        return f"a member has changed since it was compiled: {self.detail}"

    def help(self) -> str:
        return "bring the old code back to go on, or compile the spec again and begin a new run with `--fresh`"


@frozen(kw_only=True)
class NoKernels(Diagnostic):
    """CuPy's kernels were asked for, but cannot be used here.

    They need a CUDA device and CuPy, which is optional: `pip install cupy-cuda13x` is the one for the CUDA version
    of torch's own wheels. `--kernels torch` composes with torch's operations, which work everywhere and give the same
    weights to rounding; `--kernels auto`, the default, takes CuPy's only where they can be had and were measured
    faster.
    """

    code: ClassVar[str] = "SW549"
    reason: str

    def message(self) -> str:
        return f"there are no CuPy kernels here: {self.reason}"

    def help(self) -> str:
        return "train on CUDA with CuPy (`pip install cupy-cuda13x`), or leave `--kernels cupy` out"


@frozen(kw_only=True)
class OwnModelFailed(Diagnostic):
    """The code of a member's own model raised an exception while it was trained, measured or scored.

    Reading the model had gone well: what fails now happens only in training mode, on real images, or after some steps.
    The run keeps its last checkpoint. Mend the model so that its layers stay as they are, and train again: the run
    goes on. If its layers change, compile again and begin a new run with `--fresh`.
    """

    code: ClassVar[str] = "SW550"
    error: str
    place: str

    def message(self) -> str:
        return f"a member's own model failed: {self.error}"

    def help(self) -> str:
        return "mend the model and train again: the run goes on from its last checkpoint"

    def notes(self) -> tuple[str, ...]:
        return (f"raised at {self.place}",)


@frozen(kw_only=True)
class MemberNotFound(Diagnostic):
    """The code of a member or of the data, or a library that it needs, cannot be found or imported now.

    Nothing says that it has changed: a file was moved, the command was given in another folder or environment, or a
    library is not installed here. The run is as it was, and goes on as soon as the code is back. `--fresh` would give
    up what was trained, and is not needed.
    """

    code: ClassVar[str] = "SW555"
    detail: str

    def message(self) -> str:
        return f"code that the spec names cannot be imported now: {self.detail}"

    def help(self) -> str:
        return "put the file back, or install the library, and type the command again: nothing of the run is lost"


@frozen(kw_only=True)
class ScaledAlready(Diagnostic):
    """`--epochs-scale` was given with the folder of a run that was begun with another scale.

    A run keeps the scale of its epochs for good, and its folder says it: `swc train RUN` goes on without the option.
    The scale counts from the epochs of the spec, so a run of another one begins at the build folder, where
    `--run FOLDER` puts it beside the first.
    """

    code: ClassVar[str] = "SW556"
    folder: str
    was: float
    now: float

    def message(self) -> str:
        return (
            f"the run in `{self.folder}` was begun with `--epochs-scale {in_full(self.was)}`, not {in_full(self.now)}"
        )

    def help(self) -> str:
        return "leave `--epochs-scale` away to go on with it, or train its build folder with `--run FOLDER`"


@frozen(kw_only=True)
class TeacherUnfit(Diagnostic):
    """The ensemble that `step taught` names cannot teach.

    It must be a run that has trained to its end, on the same data, with the same part of it: a teacher that has seen
    the images which its pupil is chosen by would tell of them. It is named as for `swc show`, by its folder, which
    counts from where the command is given, or by the name of a compiled ensemble; `{seed}` in it is the seed of the
    run. Members from factories of your own (`python(...)`) learn from a teacher, and are none. Train the teacher first.
    """

    code: ClassVar[str] = "SW557"
    teacher: str
    reason: str

    def message(self) -> str:
        return f"`{self.teacher}` cannot teach: {self.reason}"

    def help(self) -> str:
        return "train the teacher to its end on the same data, or name another with `step taught(by: ...)`"


@frozen(kw_only=True)
class TeacherChanged(Diagnostic):
    """A run goes on, and its teacher has other weights than when it was begun.

    What it has learned so far came from the other one, so that the result would be neither's. A run keeps the digest of
    its teacher's weights in `machine.json`. Put the teacher back, or begin the run again with `--fresh`.
    """

    code: ClassVar[str] = "SW558"
    teacher: str

    def message(self) -> str:
        return f"the run was begun with another teacher than the one that `{self.teacher}` holds now"

    def help(self) -> str:
        return "put the teacher back that it was begun with, or begin it again with `--fresh`"


TRAINING = (
    NothingToTrain,
    RunOfAnotherSpec,
    NoDevice,
    SurroundingsChanged,
    DataChanged,
    RunCodeChanged,
    RunBusy,
    PartMissing,
    NotARun,
    CheckpointsLost,
    MemberChanged,
    NoKernels,
    OwnModelFailed,
    MemberNotFound,
    ScaledAlready,
    TeacherUnfit,
    TeacherChanged,
)
