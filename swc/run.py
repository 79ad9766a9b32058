"""A run: its folder, its training, and the machine it computes on.

Takes a build and what the command line says; gives `Run`. Guarantees: a run folder belongs to one spec with one
scaling of its epochs, for good; a run of another one is refused, never overwritten.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.formats import DamagedFile
from swc.diagnostics.catalogue.ranks import IdleRanks
from swc.diagnostics.catalogue.training import NoDevice, NotARun, NothingToTrain, RunOfAnotherSpec, SurroundingsChanged
from swc.driver import compile_spec
from swc.frontend.table import LayerTable
from swc.program.codec import hash_of
from swc.program.stages import scale_epochs
from swc.program.training import Recipe, Training
from swc.semantics.spec import Spec
from swc.store import RUN, Build, held, read_spec, write_spec, write_whole

if TYPE_CHECKING:
    from swc.diagnostics import Sink
    from swc_runtime.data import Dataset
    from swc_runtime.dealing import Deal
    from swc_runtime.precision import Arithmetic
    from swc_runtime.progress import Progress
    from swc_runtime.ranks import Placement, Ranks

UNBEGUN = frozenset({"lock", "tables.json"})  # what a run that was stopped before it had begun leaves
LIBRARIES = ("numpy", "torch", "torchvision")


@frozen
class Options:
    """What the command line says about a run.

    `checkpoint_every` is in seconds, within an epoch (there is always one after an epoch); `score_every` in epochs, 0
    for the ends of stages only; `threads` 0 leaves torch's choice. Several processes share the images of each batch, or
    the members (`placement`); with `sync_norms` BatchNorm sees the images of all processes.
    """

    run: Path | None = None
    data: Path | None = None
    offline: bool = False
    epochs_scale: float = 1.0
    device: str = "auto"
    threads: int = 0
    checkpoint_every: float = 300.0
    score_every: int = 0
    fresh: bool = False
    sync_norms: bool = False
    placement: Placement = "images"


@frozen
class Machine:
    """What a run computes on; `deterministic` runs give the same bits again on the same machine and threads.

    `ranks` are the processes that train it together, `deal` what this one takes of each batch.
    """

    device: str
    arithmetic: Arithmetic
    threads: int
    deterministic: bool
    ranks: Ranks
    deal: Deal
    sync_norms: bool

    def __str__(self) -> str:
        bits = (
            "deterministic" if self.deterministic else "not to the same bits: state is complete, rounding is not kept"
        )
        many = f" in each of {self.ranks.size} processes" if self.ranks.are_many else ""
        return f"{self.device}, {self.arithmetic}, {self.threads} threads{many}, {bits}"

    def facts(self) -> dict[str, str]:
        """What the bits of a run depend on, beside its spec."""
        libraries = {name: version(name) for name in LIBRARIES}
        own = {"device": self.device, "arithmetic": str(self.arithmetic), "threads": str(self.threads)}
        own |= {"processes": f"{self.ranks.size}, sharing {self.ranks.placement}", "BatchNorm": self._norms()}
        return {**own, "python": platform.python_version(), "cpu": cpu_name(), **libraries}

    def _norms(self) -> str:
        """What BatchNorm sees, where there are several processes."""
        if not self.ranks.are_many or self.ranks.deals_members:
            return "as the recipe says"
        return "all processes" if self.sync_norms else f"parts of {self.deal.part}"


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
    machine = settle_machine(spec.training.recipe, len(spec.members), options)
    announce(f"training on {machine}")
    with machine.ranks.first_ahead():
        dataset = open_data(spec.data, options.data, options.offline, announce).to(machine.device)
        if machine.ranks.is_first:
            _prepare(folder, spec, build, options, machine.facts() | {"data": dataset.digest()}, sink, announce)
    return Run(folder, spec, hash_of(spec), spec.training, dataset, machine, Silent(), options)


def _prepare(
    folder: Path,
    spec: Spec,
    build: Build,
    options: Options,
    facts: dict[str, str],
    sink: Sink,
    announce: Callable[[str], None],
) -> None:
    """Make the folder of the run; only now, so that what cannot begin changes nothing."""
    if options.fresh and (aside := set_aside(folder)):
        announce(f"the run before was set aside as {aside}")
    with held(folder):
        if not _begun(folder, spec, build.tables):
            write_spec(folder, compile_spec(spec, build.tables))
        _compare_surroundings(folder, facts, sink)


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


def settle_machine(recipe: Recipe, num_members: int, options: Options) -> Machine:
    """Choose device, threads and arithmetic, and make torch deterministic on the CPU; DiagnosticError without a GPU."""
    import torch

    from swc_runtime.dealing import deal_of
    from swc_runtime.precision import choose_arithmetic, make_deterministic
    from swc_runtime.ranks import join_ranks

    device = _device_of(options.device)
    if device not in _devices():
        raise DiagnosticError(NoDevice(device=device, known=_devices()))
    if options.threads:
        torch.set_num_threads(options.threads)
    deterministic = device == "cpu"
    if deterministic:
        make_deterministic(recipe.seed)
    arithmetic = choose_arithmetic(recipe.precision, device)
    ranks = join_ranks(device, options.placement)
    if ranks.deals_members and ranks.size > num_members:
        raise DiagnosticError(IdleRanks(size=ranks.size, num_members=num_members))
    deal = deal_of(recipe, ranks, options.sync_norms)
    return Machine(device, arithmetic, torch.get_num_threads(), deterministic, ranks, deal, options.sync_norms)


def _device_of(wanted: str) -> str:
    """Settle `auto`; of several processes each takes the GPU of its number on its machine."""
    import torch

    from swc_runtime.ranks import ranks_announced

    _, size, local = ranks_announced()
    device = ("cuda" if torch.cuda.is_available() else "cpu") if wanted == "auto" else wanted
    return f"cuda:{local}" if device == "cuda" and size > 1 else device


def _devices() -> tuple[str, ...]:
    import torch

    if not torch.cuda.is_available():
        return ("cpu",)
    return ("cpu", "cuda", *(f"cuda:{number}" for number in range(torch.cuda.device_count())))


def _compare_surroundings(folder: Path, facts: dict[str, str], sink: Sink) -> None:
    path = folder / "machine.json"
    if path.is_file():
        before = _facts(path)
        changed = tuple(f"{k}: {before[k]} -> {facts[k]}" for k in sorted(facts) if before.get(k, facts[k]) != facts[k])
        if changed:
            sink.report(SurroundingsChanged(changes=changed))
        if before == facts:
            return
    write_whole(path, json.dumps(facts, indent=1, sort_keys=True) + "\n")


def _facts(path: Path) -> dict[str, str]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise DiagnosticError(DamagedFile(origin=str(path), detail=str(error))) from error
    if not isinstance(found, dict):
        raise DiagnosticError(DamagedFile(origin=str(path), detail="the file holds no JSON object"))
    return found


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
