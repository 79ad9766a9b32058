"""What a run computes on: device, arithmetic, kernels, threads, and the processes that share the work.

Takes a spec and what the command line says; gives `Machine`. Guarantees: what was asked for is what is used, or there
is a diagnostic; every choice says why it was made.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.ranks import IdleRanks, StepNotDealt
from swc.diagnostics.catalogue.training import NoDevice
from swc.program.spec import Spec
from swc.program.training import Recipe
from swc.program.vocabulary import SAME_PROCESS_STEPS, SPLIT_STEPS
from swc.running.options import Options

if TYPE_CHECKING:
    from swc.program.program import Program
    from swc_runtime.data.shares import Deal
    from swc_runtime.precision import Arithmetic
    from swc_runtime.ranks.ranks import Ranks
    from swc_runtime.training.kernel_choice import KernelChoice

LIBRARIES = ("numpy", "torch", "torchvision")


@frozen
class Machine:
    """What a run computes on; `deterministic` runs give the same bits again on the same machine and threads.

    `ranks` are the processes that train it together, `deal` what this one takes of each batch.
    """

    device: str
    arithmetic: Arithmetic
    kernels: KernelChoice
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
        return f"{self.device}, {self.arithmetic}, kernels {self.kernels}, {self.threads} threads{many}, {bits}"

    def facts(self) -> dict[str, str]:
        """What the bits of a run depend on, beside its spec."""
        libraries = {name: version(name) for name in LIBRARIES}
        own = {"device": self.device, "arithmetic": str(self.arithmetic), "kernels": self.kernels.name}
        own["threads"] = str(self.threads)
        own |= {"processes": f"{self.ranks.size}, sharing {self.ranks.placement}", "BatchNorm": self._norms()}
        return {**own, "python": platform.python_version(), "cpu": cpu_name(), **libraries}

    def _norms(self) -> str:
        """What BatchNorm sees, where there are several processes."""
        if not self.ranks.are_many or self.ranks.deals_members:
            return "as the recipe says"
        return "all processes" if self.sync_norms else f"parts of {self.deal.part}"


def installed_versions(packages: Iterable[str]) -> dict[str, str]:
    """The versions of packages, none of which is imported; one that only stands in for another says none of its own."""
    found = {}
    for name in packages:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def cpu_name() -> str:
    """The processor as the system calls it; its architecture where it does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def settle_machine(
    spec: Spec, options: Options, program: Callable[[], Program], before: Mapping[str, str] | None = None
) -> Machine:
    """Choose what a run computes on, meet the processes that share the work, make torch deterministic on the CPU.

    `before` is where a run that goes on was trained: `auto` keeps its kernels on the same device; `program` is asked
    for only where kernels are measured. DiagnosticError where the device or the kernels that were asked for are not
    there, or the processes cannot share the work.
    """
    import torch

    from swc_runtime.precision import choose_arithmetic, make_deterministic
    from swc_runtime.training.kernel_choice import choose_kernels

    assert spec.training is not None, "a run has something to train"
    recipe = spec.training.recipe
    device = chosen_device(options.device)
    if options.threads:
        torch.set_num_threads(options.threads)
    deterministic = device == "cpu"
    if deterministic:
        make_deterministic(recipe.seed)
    kept = before.get("kernels") if before and before.get("device") == device else None
    kernels = choose_kernels(options.kernels, device, program, kept)
    arithmetic = choose_arithmetic(recipe.precision, device)
    ranks, deal = _shared(spec, recipe, options, device)
    threads = torch.get_num_threads()
    return Machine(device, arithmetic, kernels, threads, deterministic, ranks, deal, options.sync_norms)


def _shared(spec: Spec, recipe: Recipe, options: Options, device: str) -> tuple[Ranks, Deal]:
    """The processes of the run, and what this one takes of each batch."""
    from swc_runtime.data.shares import deal_of
    from swc_runtime.ranks.ranks import join_ranks

    ranks = join_ranks(device, options.placement)
    _check_step(spec.step.name, ranks, options.sync_norms)
    num_networks = sum(not member.host for member in spec.members)
    if ranks.deals_members and ranks.size > num_networks:
        raise DiagnosticError(IdleRanks(size=ranks.size, num_members=len(spec.members), num_networks=num_networks))
    return ranks, deal_of(recipe, ranks, options.sync_norms)


def _check_step(step: str, ranks: Ranks, sync_norms: bool) -> None:
    """DiagnosticError where a step strategy does not go with how the processes share the work."""
    if ranks.deals_members and step in SAME_PROCESS_STEPS:
        raise DiagnosticError(StepNotDealt(step=step, option="--placement members"))
    if ranks.are_many and sync_norms and step in SPLIT_STEPS:
        raise DiagnosticError(StepNotDealt(step=step, option="--sync-norms"))


def chosen_device(wanted: str) -> str:
    """The device that the command line names, `auto` settled; DiagnosticError where it is not there."""
    device = _device_of(wanted)
    if device not in _devices():
        raise DiagnosticError(NoDevice(device=device, known=_devices()))
    return device


def _device_of(wanted: str) -> str:
    """Settle `auto`; of several processes each takes the GPU of its number on its machine."""
    import torch

    from swc_runtime.ranks.ranks import ranks_announced

    _, size, local = ranks_announced()
    device = ("cuda" if torch.cuda.is_available() else "cpu") if wanted == "auto" else wanted
    return f"cuda:{local}" if device == "cuda" and size > 1 else device


def _devices() -> tuple[str, ...]:
    import torch

    if not torch.cuda.is_available():
        return ("cpu",)
    return ("cpu", "cuda", *(f"cuda:{number}" for number in range(torch.cuda.device_count())))
