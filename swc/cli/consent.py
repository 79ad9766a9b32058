"""Consent to the code of `python(...)`: said by naming a spec, asked for where a folder names the code.

Takes code or a spec, runs nothing of it. Guarantees: what will run is printed before it does; where the user has not
consented, the command ends with a diagnostic that says what would have run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import click

from swc.cli import console

if TYPE_CHECKING:
    from swc.diagnostics import Diagnostic, Sink
    from swc.folders.store import Build
    from swc.trust.code import Code

# `--trust` for commands that run the code which a build or a run names
option = click.option(
    "--trust", is_flag=True, help="Consent to the python(...) code of this folder's members and data."
)


@contextmanager
def by_naming(sink: Sink) -> Iterator[Callable[[Code], None]]:
    """Announces the code of a spec that the user named: it is printed, and consented to, once.

    Inside, processes that are started may run the code too.
    """
    seen: set[str] = set()
    with ExitStack() as inside:

        def announce(code: Code) -> None:
            from swc.trust.code import described
            from swc.trust.consent import inherited

            lines = [line for line in described(code) if line not in seen]
            if lines:
                console.say(f"runs {'; '.join(lines)}")
            if code.digest not in seen:
                _keep(code, sink)
                inside.enter_context(inherited(code))
            seen.update((*lines, code.digest))

        yield announce


def _keep(code: Code, sink: Sink) -> None:
    from swc.diagnostics.catalogue.trust import ConsentNotKept
    from swc.trust.consent import consent_place, keep

    reason = keep(code)
    if reason:
        sink.report(ConsentNotKept(folder=consent_place(), reason=reason))


@contextmanager
def asked(build: Build, is_trusted: bool, sink: Sink, *, is_first: bool = True) -> Iterator[None]:
    """Inside, the code of a build's members may be run, here and in processes that are started.

    DiagnosticError where the user has not consented to it, and does not by `--trust`; `is_first` says that this is the
    process, of several, that tells.
    """
    from swc.trust.code import code_of, sources_of
    from swc.trust.consent import inherited, is_consented
    from swc.trust.importing import importable

    if not sources_of(build.spec):
        yield
        return
    code = code_of(build.spec)
    _check_all_there(code)
    if is_trusted and is_first:
        _trust(code, sink)
    elif not (is_trusted or is_consented(code)):
        raise _refused(build, code)
    with importable(code), inherited(code):
        yield


@contextmanager
def asked_for_data(build: Build, is_trusted: bool, sink: Sink) -> Iterator[None]:
    """As `asked`, for a command that opens the data and builds no member of the user's own."""
    if build.spec.data.code is None:
        yield
        return
    with asked(build, is_trusted, sink):
        yield


def _check_all_there(code: Code) -> None:
    """DiagnosticError where a module cannot be found: consent is to all of the code, and some of it cannot be seen."""
    from swc.diagnostics import DiagnosticError
    from swc.diagnostics.catalogue.training import MemberNotFound
    from swc.trust.code import shown

    if code.missing:
        names, folders = ", ".join(map(repr, code.missing)), " and in ".join(map(shown, code.folders))
        raise DiagnosticError(MemberNotFound(detail=f"No module named {names}; it is looked for in {folders}"))


def _trust(code: Code, sink: Sink) -> None:
    for line in _files(code):
        console.say(f"runs {line}")
    _keep(code, sink)


def _files(code: Code) -> tuple[str, ...]:
    """What would run, with the whole way to each file, and what those import from beside them."""
    from swc.trust.code import described, shown

    factories = {code.file_of(name) for name in code.factories}
    others = [module.file for module in code.modules if module.file not in factories and not module.is_folder]
    return (*described(code, whole=True), *(f"{shown(file)}, which it may import" for file in others))


def _refused(build: Build, code: Code) -> Exception:
    from swc.diagnostics import DiagnosticError
    from swc.diagnostics.catalogue.trust import CodeChanged, ConsentMissing
    from swc.trust.consent import changes, earlier, refusal

    place = str(build.folder)
    before = earlier(code)
    told: Diagnostic
    if before is not None:
        told = CodeChanged(place=place, changes=changes(before, code))
    else:
        told = ConsentMissing(place=place, files=_files(code), reason=_unread(refusal()))
    return DiagnosticError(told)


def _unread(reason: str) -> str:
    return f"what you consented to before is not read: {reason}" if reason else ""
