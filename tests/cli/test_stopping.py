"""Commands that a signal ends: one line, the status of the signal, and no process that stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from swc.export.python_file import ASK
from swc.system.processes import child_command, tied

from support.groups import is_left_alone, members

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds processes in /proc")

# two processes in the place of those that train: they need no torch, and say when they are there
TOGETHER = """
import sys
from contextlib import nullcontext
from functools import partial
from swc.system import processes
from swc.cli import launch
from swc.cli.main import cli, main
launch.end = partial(processes.end, grace=0.3)
launch._meeting_place = lambda: nullcontext(0)
launch.child_command = lambda: (sys.executable, "-c", '''{worker}''')
cli.invoke = lambda context: launch.together(2, ["train", "--nproc", "2"])
sys.argv[1:] = ["train", "--nproc", "2"]
main()
"""
WORKER = """
import os, signal, sys, time
from swc.cli.child import end_with_parent
{first}
end_with_parent()
os.write(2, f"ready {{os.environ['RANK']}}\\\\n".encode())  # a line at once
time.sleep(100)
"""

Begin = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def begin() -> Iterator[Begin]:
    """Begins a process in a group of its own; what is left of the group is ended."""
    begun: list[subprocess.Popen[str]] = []

    def start(code: str, **options: object) -> subprocess.Popen[str]:
        # what runs in the background ignores interrupts and hands that on: a terminal's child does not
        def listen() -> None:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)

        given = {"stderr": subprocess.PIPE, "text": True, "start_new_session": True, "preexec_fn": listen, **options}
        begun.append(subprocess.Popen([sys.executable, "-c", code], **given))  # type: ignore[call-overload]
        return begun[-1]

    yield start
    for process in begun:
        if members(process.pid):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def together(begin: Begin, first: str = "") -> subprocess.Popen[str]:
    """A command with two processes, both of which are there."""
    process = begin(TOGETHER.format(worker=WORKER.format(first=first)))
    assert process.stderr is not None
    assert {process.stderr.readline() for _ in range(2)} == {"ready 0\n", "ready 1\n"}
    return process


def to_group(process: subprocess.Popen[str], number: int) -> None:
    os.killpg(process.pid, number)


def to_command(process: subprocess.Popen[str], number: int) -> None:
    process.send_signal(number)


@pytest.mark.parametrize(
    ("send", "number", "line"),
    [
        (to_group, signal.SIGINT, "interrupted"),  # as Ctrl-C does
        (to_command, signal.SIGINT, "interrupted"),
        (to_command, signal.SIGTERM, "stopped by SIGTERM"),
        (to_group, signal.SIGHUP, "stopped by SIGHUP"),  # as a terminal that closes does
    ],
)
def test_a_signal_ends_several_processes_with_one_line(
    begin: Begin, send: Callable[[subprocess.Popen[str], int], None], number: int, line: str
) -> None:
    process = together(begin)
    send(process, number)
    assert process.communicate(timeout=60)[1] == f"{line}\n"
    assert process.returncode == 128 + number
    assert is_left_alone(process.pid)


def test_processes_end_with_a_command_that_is_killed(begin: Begin) -> None:
    process = together(begin)
    process.kill()
    assert is_left_alone(process.pid)
    assert process.communicate(timeout=60)[1] == ""


def test_a_process_that_is_killed_is_told_and_ends_the_others(begin: Begin) -> None:
    process = together(begin)
    os.kill(members(process.pid)[-1], signal.SIGKILL)
    told = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert "error[SW562]" in told and "it was ended by SIGKILL" in told
    assert is_left_alone(process.pid)


def test_a_process_that_does_not_end_when_asked_is_ended(begin: Begin) -> None:
    process = together(begin, "signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    process.terminate()
    assert process.communicate(timeout=60)[1] == "stopped by SIGTERM\n"
    assert process.returncode == 143
    assert is_left_alone(process.pid)


def test_a_signal_that_comes_before_the_processes_are_there(begin: Begin) -> None:
    """While the command imports torch, where an exception may be swallowed."""
    code = TOGETHER.replace("lambda: nullcontext(0)", "meet").replace(
        "sys.argv", "print('now', file=sys.stderr, flush=True)\nsys.argv", 1
    )
    lines = ("import time", "try: time.sleep(1)", "except BaseException: pass", "return nullcontext(0)")
    meet = "def meet():\n" + "".join(f"    {line}\n" for line in lines)
    process = begin(code.format(worker=WORKER.format(first="")).replace("launch._meeting", f"{meet}launch._meeting", 1))
    assert process.stderr is not None and process.stderr.readline() == "now\n"
    time.sleep(0.3)
    process.terminate()
    assert process.communicate(timeout=60)[1] in ("stopped by SIGTERM\n", "")
    assert process.returncode in (143, -signal.SIGTERM)
    assert is_left_alone(process.pid)


ALONE = """
import sys, time
from swc.cli import main, stopping
stopping.PATIENCE = 0.3
def work(arguments):
    print("ready", file=sys.stderr, flush=True)
    {work}
main.cli.invoke = work
sys.argv[1:] = ["explain"]
main.main()
"""


@pytest.mark.parametrize(
    "work",
    [
        "time.sleep(100)",
        "while True:\n        try: time.sleep(100)\n        except BaseException: pass",
        "import threading; threading.Thread(target=time.sleep, args=(100,)).start(); time.sleep(100)",
    ],
    ids=["at once", "an exception that is swallowed", "a thread that goes on"],
)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_ends_a_command_with_one_line(begin: Begin, number: signal.Signals, work: str) -> None:
    process = begin(ALONE.format(work=work))
    assert process.stderr is not None and process.stderr.readline() == "ready\n"
    process.send_signal(number)
    line = "interrupted" if number == signal.SIGINT else f"stopped by {number.name}"
    assert process.communicate(timeout=60)[1] == f"{line}\n"
    assert process.returncode == 128 + number


def test_a_hangup_that_is_ignored_stays_so(begin: Begin) -> None:
    """As under `nohup`."""
    ignore = partial(signal.signal, signal.SIGHUP, signal.SIG_IGN)
    process = begin(ALONE.format(work="time.sleep(1); print('done', file=sys.stderr)"), preexec_fn=ignore)
    assert process.stderr is not None and process.stderr.readline() == "ready\n"
    process.send_signal(signal.SIGHUP)
    assert process.communicate(timeout=60)[1] == "done\n"
    assert process.returncode == 0


def test_what_torchrun_has_begun_ends_when_that_is_killed(begin: Begin) -> None:
    code = """
import os, subprocess, sys, time
code = '''
import sys, time
from swc.system import processes
from swc.cli.launch import among_others
with among_others():
    print("ready", file=sys.stderr, flush=True)
    time.sleep(100)
'''
subprocess.run([sys.executable, "-c", code], env={**os.environ, "RANK": "0", "TORCHELASTIC_RUN_ID": "none"})
"""
    process = begin(code)
    assert process.stderr is not None and process.stderr.readline() == "ready\n"
    process.kill()
    assert is_left_alone(process.pid)


def test_the_trial_of_an_exported_file_ends_with_the_export(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("import time\nopen('begun', 'w').close()\ntime.sleep(100)\n")
    command = [sys.executable, "-c", ASK, str(tmp_path), "members", "a", "b"]
    with subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE) as process:
        while not (tmp_path / "begun").exists():
            time.sleep(0.02)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=30) == 1


CORRUPT = """
import sys
import numpy as np
from swc.cli import main
from swc.corrupt.workers import ImageChunk, ProcessPoolExecutor, in_order, workers
submit = ProcessPoolExecutor.submit
def told(*given):
    print("now", file=sys.stderr, flush=True)
    return submit(*given)
def work(arguments):
    ProcessPoolExecutor.submit = told
    batches = (ImageChunk(np.zeros((1, 8, 8, 3), np.uint8), n, "contrast", 1, 0) for n in range(10**9))
    with workers(2) as pool:
        for _ in in_order(batches, pool, 2):
            pass
main.cli.invoke = work
sys.argv[1:] = ["explain"]
if __name__ == "__main__":
    main.main()
"""


def test_an_interrupt_ends_processes_that_corrupt_images_with_one_line(begin: Begin) -> None:
    """Also while they begin."""
    process = begin(CORRUPT)
    assert process.stderr is not None and process.stderr.readline() == "now\n"
    to_group(process, signal.SIGINT)
    assert process.communicate(timeout=60)[1].replace("now\n", "") == "interrupted\n"
    assert process.returncode == 130
    assert is_left_alone(process.pid)


def test_no_file_of_the_current_folder_is_taken_for_a_library_by_a_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "attrs.py").write_text("raise SystemExit('taken for a library')\n")
    monkeypatch.chdir(tmp_path)
    with tied([*child_command(), "explain", "SW400"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.read()
        assert process.wait(timeout=60) == 0
