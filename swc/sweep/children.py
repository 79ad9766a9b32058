"""The processes of a sweep: `swc train` and `swc eval`, each with its output in a file.

Takes command lines; gives exit statuses. Guarantees: none is left when they are stopped, or when this process ends.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Event, Lock

from attrs import field, frozen

from swc.diagnostics.sources import reason_of
from swc.system.processes import end, num_cores, tied

REFUSED = 1  # the exit status of a process that could not be begun


@frozen
class ChildOptions:
    """How the processes of a sweep run: `jobs` at a time, `threads` CPU threads each.

    `shared` are options that `swc train` and `swc eval` both take: where the data are, the device.
    """

    jobs: int
    threads: int
    shared: tuple[str, ...] = ()


@frozen
class Ended:
    """The exit status of a process, and what it said last."""

    status: int
    words: str

    def why(self, name: str) -> str:
        """Why it failed, in a line; what ended it where it had no time to say."""
        if self.status < 0:
            return f"{name} was ended by {signal.Signals(-self.status).name}"
        return self.words or f"{name} ended with {self.status}"


@frozen(eq=False)
class Processes:
    """What runs now, so that it can be stopped."""

    running: set[subprocess.Popen[bytes]] = field(factory=set)
    lock: Lock = field(factory=Lock)
    are_stopped: Event = field(factory=Event)

    def run(self, command: Sequence[str], log: Path, variables: Mapping[str, str] | None = None) -> Ended:
        """Run a command with its output at the end of a file. Its input ends when this process does.

        `variables` are added to its environment.
        """
        try:
            stream = log.open("ab")
        except OSError as error:  # its folder was removed meanwhile, for instance: the others go on
            return Ended(REFUSED, f"cannot write `{log}`: {reason_of(error)}")
        with stream:
            start = stream.seek(0, os.SEEK_END)
            with self.lock:
                if self.are_stopped.is_set():
                    return Ended(-signal.SIGTERM, "")
                environment = {**os.environ, **(variables or {})}
                process = tied(command, stdout=stream, stderr=subprocess.STDOUT, env=environment)
                self.running.add(process)
            with process:
                status = process.wait()
        return Ended(status, _last_words(log, start))

    def stop(self) -> None:
        """Ask all to end, and begin no other; none is left."""
        with self.lock:
            self.are_stopped.set()
        end(self.running)


def _last_words(log: Path, start: int) -> str:
    """The error that a process ended with, as it printed it; earlier ones have written up to `start`."""
    try:
        with log.open("rb") as stream:
            stream.seek(start)
            lines = stream.read().decode("utf-8", errors="replace").splitlines()
    except OSError as error:
        return f"what it said is not there to read: {reason_of(error)}"
    errors = [line for line in lines if line.startswith(("error", "swc: "))]
    return errors[-1] if errors else next((line for line in reversed(lines) if line.strip()), "")


def threads_each(jobs: int) -> int:
    """The CPU threads of each of several processes: what `OMP_NUM_THREADS` says, or the cores that this one may use."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdecimal() and int(asked) > 0:
        return int(asked)
    return max(1, num_cores() // jobs)
