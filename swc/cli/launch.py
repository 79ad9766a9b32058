"""Several processes that train together: starting them, and ending as one.

Takes a command line, gives nothing back or raises. Guarantees: a mistake is told once, by the process that met it;
when one process is lost the others are stopped, and the command says which one it was and how to go on.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.ranks import OtherRanks, RankLost

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

LOOK = 0.2  # seconds between two looks at the processes
GRACE = 20.0  # seconds: torchrun stops the others at once when the first has ended, which may be slower to come there


def together(nproc: int, arguments: Sequence[str]) -> None:
    """Run `swc ARGUMENTS`, `--nproc` taken out, in `nproc` processes under torchrun's engine, and end as they do."""
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    if "RANK" in os.environ:
        raise DiagnosticError(OtherRanks(nproc=nproc))
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)  # the command says it in its own words
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=nproc,
        run_id=str(os.getpid()),
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
        monitor_interval=LOOK,
    )
    try:
        elastic_launch(config, sys.executable)("-P", "-m", "swc", *without_nproc(arguments))
    except ChildFailedError as error:
        _end_like(error.get_first_failure()[1], nproc)


def without_nproc(arguments: Sequence[str]) -> list[str]:
    """A command line for one of the processes, which inherit the consent that `--trust` gives."""
    kept: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument == "--nproc":
            next(rest, None)
        elif argument != "--trust" and not argument.startswith("--nproc="):  # consent is inherited
            kept.append(argument)
    return kept


def _end_like(failure: ProcessFailure, nproc: int) -> None:
    if failure.exitcode < 0:
        name = signal.Signals(-failure.exitcode).name
        raise DiagnosticError(RankLost(rank=failure.local_rank, size=nproc, detail=f"it was ended by {name}"))
    raise click.exceptions.Exit(failure.exitcode)


@contextmanager
def among_others() -> Iterator[None]:
    """Around a run of one of several processes: lets others speak first, and closes the connections to them."""
    try:
        yield
    except Exception as error:
        _let_others_speak(error)
        _leave(together=False)
        raise
    _leave(together=True)


def _leave(together: bool) -> None:
    if "torch" in sys.modules:
        from swc_runtime.ranks import leave_ranks

        leave_ranks(together)


def _let_others_speak(error: Exception) -> None:
    """Wait where another process says what ended this one: the first, or the one that started all."""
    if "RANK" not in os.environ:  # which torchrun sets
        return
    is_loss = isinstance(error, DiagnosticError) and any(isinstance(d, RankLost) for d in error.diagnostics)
    if os.environ["RANK"] != "0" or is_loss:
        time.sleep(GRACE)
