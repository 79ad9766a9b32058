"""`python -m swc.cli.child`: the command `swc` as a child that ends with its parent, in whatever way that ends.

Takes a pipe as input that the parent holds open and never writes to. Guarantees: when the parent is gone the child is
ended as a request to end (SIGTERM) would; a run goes on from its last checkpoint.
"""

from __future__ import annotations

import os
import signal
from threading import Thread

INPUT = 0  # the file descriptor; a stream of Python's would be locked when the process ends


def end_with_parent() -> None:
    """Watch the pipe; it is closed when no process is left that holds its other end."""
    Thread(target=_watch, daemon=True).start()


def _watch() -> None:
    while os.read(INPUT, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    from swc.cli.main import main

    end_with_parent()
    main()
