"""Four members of one WRN in this compiler, in a plain loop, in `torch.vmap` and in torch-uncertainty.

    python -m benchmarks.peers [-o FOLDER] [--rounds N]

Each system against the plain loop: parameters, multiply-adds for one image, a training step, inference, peak memory.
Times are wall times by turns (`paired`); memory is the peak of a process of its own. MIMO and Packed-Ensembles compute
less than four networks, so each has a second entry that computes about as much. What torch-uncertainty makes is left
out where that is not installed: `make bench-peers` installs it in an environment of its own.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.device import DEVICE, settled
from benchmarks.paired import paired
from benchmarks.peer_systems import SYSTEMS, System, available, has_peers, program
from benchmarks.step import resident
from benchmarks.table import Row, arguments, give, seen
from swc_runtime.ensemble import Ensemble
from swc_runtime.precision import laid_out

BATCH = 32
BASE = "loop"


def batch(num_images: int = BATCH) -> tuple[Tensor, Tensor]:
    """Images [B, 3, 32, 32] of noise, channels-last, and labels [B]; the same ones at every call."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(num_images, 3, 32, 32, generator=generator)
    labels = torch.randint(0, 100, (num_images,), generator=generator)
    return laid_out(images.to(DEVICE)), labels.to(DEVICE)


def stepper(system: System, num_images: int = BATCH) -> Callable[[], None]:
    """A whole training step: gradients cleared, members forward and backward, parameters updated."""
    images, labels = batch(num_images)

    def step() -> None:
        system.modules.train()
        system.optimiser.zero_grad(set_to_none=True)
        system.backward(images, labels)
        system.optimiser.step()
        settled()

    return step


def predictor(system: System) -> Callable[[], None]:
    """Logits of all members for a batch; ours are composed again at every call."""
    images, _ = batch()

    def predict() -> None:
        system.modules.eval()
        with torch.no_grad():
            system.logits(images)
        settled()

    return predict


def multiply_adds(system: System) -> int:
    """Those of convolutions and products for one image through all members; composition, once a batch, is left out."""
    images, _ = batch(1)
    system.modules.eval()
    with torch.no_grad(), _composed(system), FlopCounterMode(display=False) as counter:
        (system.counted or system.logits)(images)
    return counter.get_total_flops() // 2


@contextmanager
def _composed(system: System) -> Iterator[None]:
    if isinstance(system.modules, Ensemble):
        with system.modules.composed():
            yield
    else:
        yield


def rows_of(name: str, system: System, base: System, rounds: int) -> list[Row]:
    """What one system stores, computes and takes, over the plain loop."""
    return [
        _count_row(f"{name}: parameters", system.num_parameters, base.num_parameters),
        _count_row(f"{name}: multiply-adds, one image", multiply_adds(system), multiply_adds(base)),
        _time_row(f"{name}: training step", stepper(system), stepper(base), rounds),
        _time_row(f"{name}: inference", predictor(system), predictor(base), rounds),
    ]


def _count_row(what: str, found: int, base: int) -> Row:
    return Row(what, found / base, f"{found / base:.3f}, {found:,} / {base:,}")


def _time_row(what: str, ours: Callable[[], None], base: Callable[[], None], rounds: int) -> Row:
    found = paired(ours, base, rounds)
    return Row(what, found.median, seen(found))


def memory_rows(names: tuple[str, ...]) -> dict[str, Row]:
    """Peak memory of two training steps over the plain loop's, by system."""
    base = _peak_of(BASE)
    rows = {}
    for name in names:
        own = _peak_of(name)
        words = f"{own / base:.3f}, {own / 2**20:.0f} / {base / 2**20:.0f} MiB"
        rows[name] = Row(f"{name}: peak memory of training", own / base, words)
    return rows


def _peak_of(name: str) -> int:
    command = [sys.executable, "-m", "benchmarks.peers", "--peak", name, str(BATCH)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def peak(name: str, num_images: int) -> int:
    """Bytes that making a system and two steps take at most; of the device on CUDA, resident ones elsewhere (Linux)."""
    _load(name)
    before = resident("VmRSS")
    step = stepper(SYSTEMS[name].make(), num_images)
    step()
    step()
    return torch.cuda.max_memory_allocated() if DEVICE == "cuda" else resident("VmHWM") - before


def _load(name: str) -> None:
    """Import and compile what a system needs, so that this is not counted."""
    if SYSTEMS[name].needs_peers:
        import torch_uncertainty.methods
        import torch_uncertainty.models.classification  # noqa: F401
    program("shared")


def table(rounds: int) -> list[Row]:
    """Every system that can be made here, over the plain loop."""
    others = tuple(name for name in available() if name != BASE)
    base, memory = SYSTEMS[BASE].make(), memory_rows(others)
    rows = []
    for name in others:
        rows += [*rows_of(name, SYSTEMS[name].make(), base, rounds), memory[name]]
        print(f"{name}: measured", file=sys.stderr)
    return rows


if __name__ == "__main__":
    given = arguments(__doc__, "--peak")
    if given.peak:
        print(peak(given.peak[0], int(given.peak[1])))
    else:
        peers = f"torch-uncertainty {version('torch-uncertainty')}" if has_peers() else "no torch-uncertainty here"
        print(f"{peers}; float32, batch {BATCH}; every ratio is over the plain loop")
        give(table(given.rounds), given.output, "peers")
