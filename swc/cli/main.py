"""The command `swc`: finds the subcommand, runs it, and turns every way it can end into an exit status.

Guarantees: 0 done, 1 diagnostics, 2 wrong usage, 70 a bug of ours, 130 interrupted, 143 asked to end (SIGTERM), 129 the
terminal is gone, 141 the reader of the output went away. A subcommand's module is imported only when it runs, so that
`swc --help` is quick.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from io import StringIO

import click

from swc import DISTRIBUTION, __version__
from swc.cli import console, stopping
from swc.diagnostics.diagnostic import DiagnosticError

# name -> where the click command is, and what `swc --help` says of it
COMMANDS: dict[str, tuple[str, str]] = {
    "check": ("swc.cli.check:command", "Check specs for mistakes, without building any network."),
    "fmt": ("swc.cli.fmt:command", "Rewrite specs in the canonical form."),
    "compile": ("swc.cli.compile:command", "Compile a spec: the exact budget, allocation and sharing graph."),
    "train": ("swc.cli.train:command", "Train the compiled ensemble, or resume it; recompile where the spec says so."),
    "eval": ("swc.cli.eval:command", "Evaluate what was trained: members, subsets, costs, diversity, outliers."),
    "show": ("swc.cli.show:show", "Show a compiled ensemble as text, picture, graph or JSON."),
    "compare": ("swc.cli.compare:command", "Compare ensembles: parameters, costs, what is shared, results of runs."),
    "diff": ("swc.cli.diff:diff", "Say what changed between two compiled programs, and why."),
    "plot": ("swc.cli.plot:command", "Draw what a run measured: curves, similarities, scores against cost."),
    "report": ("swc.cli.report:command", "Make one page of runs, or serve it while they train."),
    "export": ("swc.cli.export:command", "Write members as plain files that need nothing of swc."),
    "slim": ("swc.cli.slim:command", "Search the channels of a trained slimmable network; write a spec of them."),
    "sweep": ("swc.cli.sweep:command", "Train a spec with many values of its params and many seeds."),
    "data": ("swc.cli.data:command", "Make corrupted copies of a data set's test images."),
    "explain": ("swc.cli.explain:command", "Explain a diagnostic by its code."),
}

DONE, DIAGNOSTICS, USAGE, BUG, INTERRUPTED, NO_READER = 0, 1, 2, 70, 130, 141


class Commands(click.Group):
    """A group that knows its commands by name and imports one only when it is run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order in which one uses them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None if there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, with a suggestion where there is none of that name."""
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            ctx.fail(_no_such_command(args[0]))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands with their summaries, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


def _no_such_command(name: str) -> str:
    from swc.diagnostics.suggest import closest

    meant = closest(name, COMMANDS)
    return f"no such command `{name}`." + (f" Did you mean `{meant}`?" if meant else "")


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message=f"swc %(version)s (distribution {DISTRIBUTION})")
def cli() -> None:
    """Compile, train and recompile parameter-shared ensembles described in `.sw` files.

    Begin with: swc compile SPEC.sw, then swc train, then swc show.
    """


def main() -> None:
    """Run the command line of this process and exit with its status."""
    _open_closed_streams()
    os.environ.setdefault("PYTHONSAFEPATH", "1")  # no file here is taken for a module by what this process starts
    stopping.listen()
    status = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        status = NO_READER
    if status == NO_READER:
        _silence_stdout()
    if status in stopping.STATUSES:
        os._exit(status)  # at once: Python would join threads that read ahead, and Gloo's may abort without their peers
    sys.exit(status)


def _open_closed_streams() -> None:
    """Let what was closed (`>&-`) lead nowhere: a file that is opened later would take the number of the stream."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            os.set_inheritable(number, True)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8"))


def run(arguments: Sequence[str]) -> int:
    """Run one command line and give its exit status; everything that can go wrong is said on the error stream."""
    status = _ran(arguments)
    _tell_refused()
    return status


def _tell_refused() -> None:
    """Say once which parts of the cache were not read."""
    from swc.system.cache import refused

    for path in refused:
        console.say(f"the cache {path} is not read: other users own it or may write to it")
    refused.clear()


def _ran(arguments: Sequence[str]) -> int:
    try:
        with cli.make_context("swc", list(arguments), obj=tuple(arguments)) as context:
            cli.invoke(context)
    except click.exceptions.Exit as end:
        return end.exit_code
    except Exception as error:  # noqa: BLE001  (the one place that must see every bug: it makes the report of it)
        return _told(error, arguments)
    except KeyboardInterrupt:
        return _stopped(signal.SIGINT)
    except stopping.Stopped as stop:
        return _stopped(stop.number)
    return DONE


def _stopped(number: int) -> int:
    """Say, once for all processes, that a signal ended the command, and give the exit status for it."""
    stopping.ignore_more()
    if os.environ.get("RANK", "0") == "0":
        with suppress(OSError):  # the terminal may be gone
            console.say(stopping.line_of(number))
    return stopping.status_of(number)


def _told(error: Exception, arguments: Sequence[str]) -> int:
    """Say what ended the command and give the exit status for it."""
    match error:
        case DiagnosticError():
            console.report(error.diagnostics)
            return DIAGNOSTICS
        case click.Abort():
            return _stopped(signal.SIGINT)
        case click.ClickException():
            shown = StringIO()
            error.show(shown)
            console.say(shown.getvalue().rstrip("\n"))
            return USAGE
        case BrokenPipeError():
            return NO_READER
        case _:
            return _unforeseen(error, arguments)


def _unforeseen(error: Exception, arguments: Sequence[str]) -> int:
    from swc.cli import bug

    refusal = bug.refusal_of_system(error)
    if refusal is not None:
        console.report([refusal])
        return DIAGNOSTICS
    console.say(bug.describe(error, arguments))
    return BUG


def _silence_stdout() -> None:
    """Point the output at nothing, so that Python's own flush at exit does not fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
