"""A run: its folder, its training, and the machine it computes on.

Takes a build and what the command line says; gives `Run`. Guarantees: a run folder belongs to one spec with one
scaling of its epochs, for good; a run of another one is refused, never overwritten.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.training import NoDevice, NotARun, NothingToTrain, RunOfAnotherSpec, SurroundingsChanged
from swc.driver import compile_spec
from swc.frontend.table import LayerTable
from swc.program.codec import hash_of
from swc.program.stages import scale_epochs
from swc.program.training import Recipe, Training
from swc.semantics.spec import Spec
from swc.store import MACHINE, RUN, Build, held, read_machine, read_spec, write_spec, write_whole

if TYPE_CHECKING:
    from swc.diagnostics import Sink
    from swc.program.program import Program
    from swc_runtime.data import Dataset
    from swc_runtime.kernels.choose import Choice
    from swc_runtime.precision import Arithmetic
    from swc_runtime.progress import Progress

UNBEGUN = frozenset({"lock", "tables.json"})  # what a run that was stopped before it had begun leaves
LIBRARIES = ("numpy", "torch", "torchvision")


@frozen
class Options:
    """What the command line says about a run.

    `checkpoint_every` is in seconds, within an epoch (there is always one after an epoch); `score_every` in epochs, 0
    for the ends of stages only; `threads` 0 leaves torch's choice; `kernels` is `auto`, `torch` or `cupy`.
    """

    run: Path | None = None
    data: Path | None = None
    offline: bool = False
    epochs_scale: float = 1.0
    device: str = "auto"
    kernels: str = "auto"
    threads: int = 0
    checkpoint_every: float = 300.0
    score_every: int = 0
    fresh: bool = False


@frozen
class Machine:
    """What a run computes on; `deterministic` runs give the same bits again on the same machine and threads."""

    device: str
    arithmetic: Arithmetic
    kernels: Choice
    threads: int
    deterministic: bool

    def __str__(self) -> str:
        bits = (
            "deterministic" if self.deterministic else "not to the same bits: state is complete, rounding is not kept"
        )
        return f"{self.device}, {self.arithmetic}, kernels {self.kernels}, {self.threads} threads, {bits}"

    def facts(self) -> dict[str, str]:
        """What the bits of a run depend on, beside its spec."""
        libraries = {name: version(name) for name in LIBRARIES}
        own = {"device": self.device, "arithmetic": str(self.arithmetic), "kernels": self.kernels.name}
        own["threads"] = str(self.threads)
        return {**own, "python": platform.python_version(), "cpu": cpu_name(), **libraries}


def cpu_name() -> str:
    """The processor as the system calls it; its architecture where it does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


@frozen(eq=False)
class Run:
    """Everything about a run that stays as it is while it goes on."""

    folder: Path
    spec: Spec
    spec_hash: str
    training: Training
    dataset: Dataset
    machine: Machine
    progress: Progress
    options: Options

    @property
    def recipe(self) -> Recipe:
        """The recipe of all phases."""
        return self.training.recipe

    @property
    def checkpoint(self) -> Path:
        """Where the run can be taken up."""
        return self.folder / "checkpoints" / "last.safetensors"

    @property
    def members(self) -> tuple[str, ...]:
        """The names of the members, in order."""
        return tuple(member.name for member in self.spec.members)


def scaled(spec: Spec, factor: float) -> Spec:
    """The spec with its epochs scaled; DiagnosticError where it has nothing to train."""
    if spec.training is None:
        raise DiagnosticError(NothingToTrain(ensemble=spec.name, span=spec.span))
    return spec if factor == 1.0 else evolve(spec, training=scale_epochs(spec.training, factor))


def open_run(build: Build, options: Options, sink: Sink, announce: Callable[[str], None]) -> Run:
    """Open the run of a build, or begin one, without progress for anybody.

    `announce` is told what people should know at once, such as a download. DiagnosticError where the folder holds the
    run of another spec, or data or device are missing.
    """
    from swc_runtime.data import open_data
    from swc_runtime.progress import Silent

    spec = scaled(build.spec, options.epochs_scale)
    assert spec.training is not None
    folder = run_folder(build, options)
    if not options.fresh:
        _begun(folder, spec, build.tables)
    before = None if options.fresh else read_machine(folder)
    machine = settle_machine(spec.training.recipe, options, lambda: compile_spec(spec, build.tables).program, before)
    announce(f"training on {machine}")
    dataset = open_data(spec.data, options.data, options.offline, announce)
    # only now, so that what cannot begin changes nothing
    if options.fresh and (aside := set_aside(folder)):
        announce(f"the run before was set aside as {aside}")
    with held(folder):
        if not _begun(folder, spec, build.tables):
            write_spec(folder, compile_spec(spec, build.tables))
        _compare_surroundings(folder, machine.facts() | {"data": dataset.digest()}, sink)
    return Run(folder, spec, hash_of(spec), spec.training, dataset, machine, Silent(), options)


def run_folder(build: Build, options: Options) -> Path:
    """Where the run of a build lies; a run that was named itself is its own place."""
    return options.run or (build.folder if build.is_run else build.folder / RUN)


def _begun(folder: Path, spec: Spec, tables: tuple[LayerTable, ...]) -> bool:
    """Whether the folder holds a run of this spec; DiagnosticError where it holds anything else."""
    _require_run(folder)
    if not (folder / "spec.json").is_file():
        return False
    found, layers = read_spec(folder)
    if hash_of(found) != hash_of(spec):
        raise DiagnosticError(_another_spec(folder, found, spec))
    if layers != tables:
        raise DiagnosticError(RunOfAnotherSpec(folder=str(folder), differs=("the layers of the members",)))
    return True


def _require_run(folder: Path) -> None:
    """DiagnosticError for a folder with files in it that is no run's."""
    if not folder.exists():
        return
    files = {path.name for path in folder.iterdir()} if folder.is_dir() else {folder.name}
    is_run = "spec.json" in files and "program.json" not in files
    is_new = all(name in UNBEGUN or name.endswith(".partial") for name in files)
    if not (is_run or is_new):
        raise DiagnosticError(NotARun(folder=str(folder)))


def _another_spec(folder: Path, old: Spec, new: Spec) -> RunOfAnotherSpec:
    assert old.training is not None, "a run has something to train"
    assert new.training is not None, "a run has something to train"
    names = ("data", "members", "budget", "shares", "training", "params", "defaults")
    differs = tuple(name for name in names if getattr(old, name) != getattr(new, name))
    was, now = old.training.epochs_scale, new.training.epochs_scale
    if was == now or differs != ("training",):
        return RunOfAnotherSpec(folder=str(folder), differs=differs)
    scales = (f"epochs scaled by {was:g}, now by {now:g}",)
    return RunOfAnotherSpec(folder=str(folder), differs=scales, scale=was)


def settle_machine(
    recipe: Recipe, options: Options, program: Callable[[], Program], before: Mapping[str, str] | None = None
) -> Machine:
    """Choose device, threads, arithmetic and kernels, and make torch deterministic on the CPU.

    `before` is where a run that goes on was trained: `auto` keeps its kernels on the same device. DiagnosticError where
    the device or the kernels that were asked for are not there.
    """
    import torch

    from swc_runtime.kernels.choose import choose_kernels
    from swc_runtime.precision import choose_arithmetic, make_deterministic

    device = options.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device not in _devices():
        raise DiagnosticError(NoDevice(device=device, known=_devices()))
    if options.threads:
        torch.set_num_threads(options.threads)
    deterministic = device == "cpu"
    if deterministic:
        make_deterministic(recipe.seed)
    kept = before.get("kernels") if before and before.get("device") == device else None
    kernels = choose_kernels(options.kernels, device, program, kept)
    arithmetic = choose_arithmetic(recipe.precision, device)
    return Machine(device, arithmetic, kernels, torch.get_num_threads(), deterministic)


def _devices() -> tuple[str, ...]:
    import torch

    if not torch.cuda.is_available():
        return ("cpu",)
    return ("cpu", "cuda", *(f"cuda:{number}" for number in range(torch.cuda.device_count())))


def _compare_surroundings(folder: Path, facts: dict[str, str], sink: Sink) -> None:
    before = read_machine(folder)
    if before is not None:
        changed = tuple(f"{k}: {before.get(k)} -> {facts[k]}" for k in sorted(facts) if before.get(k) != facts[k])
        if changed:
            sink.report(SurroundingsChanged(changes=changed))
        if before == facts:
            return
    write_whole(folder / MACHINE, json.dumps(facts, indent=1, sort_keys=True) + "\n")


def set_aside(folder: Path) -> Path | None:
    """Move a run folder out of the way, to the first free `NAME.1`, `NAME.2`, ...; None where there is none.

    DiagnosticError where another process trains it.
    """
    folder = folder.resolve()
    if not folder.exists():
        return None
    _require_run(folder)
    number = 1
    while (aside := folder.with_name(f"{folder.name}.{number}")).exists():
        number += 1
    with held(folder):  # never from under another process
        folder.rename(aside)
    return aside
