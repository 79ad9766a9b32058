"""Several processes that train together: starting them, and ending as one.

Takes a command line, gives nothing back or raises. Guarantees: a mistake is reported once, by the process that met it;
when one process is lost the others are stopped, and the command says which one it was and how to go on; however the
command is ended, no process of it is left.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from subprocess import Popen
from threading import Thread

import click
from attrs import frozen

from swc.cli import stopping
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.ranks import OtherRanks, RankLost
from swc.system.processes import child_command, end, end_with_parent, tied

LOOK = 0.1  # seconds between two looks at the processes
GRACE = 20.0  # seconds: the others are stopped at once when the first has ended, which may be slower to come there
HERE = "127.0.0.1"


@frozen
class Failure:
    """A process that did not end well; a negative status is the number of the signal that ended it."""

    rank: int
    status: int


def together(nproc: int, arguments: Sequence[str]) -> None:
    """Run `swc ARGUMENTS`, `--nproc` taken out, in `nproc` processes that meet here, and end as they do."""
    if stopping.is_one_of_several():
        raise DiagnosticError(OtherRanks(nproc=nproc))
    with stopping.noticed() as notice, _meeting_place() as port:
        failure = _run(nproc, port, without_nproc(arguments), notice)
    notice.raise_again()
    if failure is not None:
        _end_like(failure, nproc)


@contextmanager
def _meeting_place() -> Iterator[int]:
    """A store by which the processes find each other, as torchrun has one; gives its port."""
    from torch._C._distributed_c10d import TCPStore  # torch.distributed has it under the same name, untyped

    store = TCPStore(HERE, 0, is_master=True, wait_for_workers=False)
    yield store.port


def _run(nproc: int, port: int, arguments: Sequence[str], notice: stopping.Notice) -> Failure | None:
    processes: list[Popen[bytes]] = []
    try:
        for rank in range(nproc):
            if notice.number is None:
                processes.append(_begun(rank, nproc, port, arguments))
        return _first_failure(processes, notice)
    finally:
        end(processes)


def _begun(rank: int, nproc: int, port: int, arguments: Sequence[str]) -> Popen[bytes]:
    announced = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": nproc, "LOCAL_WORLD_SIZE": nproc}
    meeting = {"MASTER_ADDR": HERE, "MASTER_PORT": port, "TORCHELASTIC_USE_AGENT_STORE": True}
    told = {name: str(value) for name, value in (announced | meeting).items()}
    return tied([*child_command(), *arguments], env=os.environ | told)


def _first_failure(processes: Sequence[Popen[bytes]], notice: stopping.Notice) -> Failure | None:
    """Wait for the first process that does not end well; None when all have ended well, or a signal comes."""
    while notice.number is None:
        statuses = [process.poll() for process in processes]
        failures = [Failure(rank, status) for rank, status in enumerate(statuses) if status]
        if failures:
            return min(failures, key=_consequence)
        if None not in statuses:
            return None
        time.sleep(LOOK)
    return None


def _consequence(failure: Failure) -> tuple[bool, bool, int]:
    """Of several failures the cause comes first: Gloo aborts a process, and others say so, when a peer is gone."""
    return failure.status == -signal.SIGABRT, failure.status > 0, failure.rank


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


def _end_like(failure: Failure, nproc: int) -> None:
    if failure.status < 0:
        name = signal.Signals(-failure.status).name
        raise DiagnosticError(RankLost(rank=failure.rank, size=nproc, detail=f"it was ended by {name}"))
    raise click.exceptions.Exit(failure.status)


@contextmanager
def among_others() -> Iterator[None]:
    """Around a run of one of several processes: lets others speak first, and closes the connections to them."""
    if "TORCHELASTIC_RUN_ID" in os.environ:  # begun by torchrun, which says nothing where it is killed
        Thread(target=end_with_parent, args=(os.getppid(),), daemon=True).start()
    try:
        yield
    except Exception as error:
        _let_others_speak(error)
        _leave(together=False)
        raise
    _leave(together=True)


def _leave(together: bool) -> None:
    if "torch" in sys.modules:
        from swc_runtime.ranks.ranks import leave_ranks

        leave_ranks(together)


def _let_others_speak(error: Exception) -> None:
    """Wait where another process says what ended this one: the first, or the one that started all."""
    if not stopping.is_one_of_several():
        return
    is_loss = isinstance(error, DiagnosticError) and any(isinstance(d, RankLost) for d in error.diagnostics)
    if os.environ["RANK"] != "0" or is_loss:
        time.sleep(GRACE)
