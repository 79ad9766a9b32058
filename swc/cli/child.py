"""`python -m swc.cli.child`: the command `swc` as a child that ends with its parent, in whatever way that ends.

Takes a pipe as input that the parent holds open and never writes to. Guarantees: when the parent is gone the child is
ended as a request to end (SIGTERM) would; a run goes on from its last checkpoint.
"""

from __future__ import annotations

from threading import Thread

from swc.system.processes import end_with

INPUT = 0  # the file descriptor; a stream of Python's would be locked when the process ends


def end_with_parent() -> None:
    """Watch the pipe; it is closed when no process is left that holds its other end."""
    Thread(target=end_with, args=(INPUT,), daemon=True).start()


if __name__ == "__main__":
    end_with_parent()
    from swc.cli.main import main

    main()
