"""What code this user has consented to: kept by its digest in a folder of the user's own.

Takes `Code`; says whether it may run, and remembers that it may. Guarantees: what is not there, damaged, or in a folder
that somebody else owns or can write to is not consent; the caller learns what cannot be written down.

    $XDG_STATE_HOME/swc/consent/<digest>.json     the factories, and the hash of every module
    SWC_CONSENT                                   digests, for the processes that a command starts
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from swc.diagnostics import DiagnosticError
from swc.diagnostics.sources import reason_of
from swc.files.consent import Consent
from swc.files.kind_codec import content_of, text_of_kind
from swc.files.kinds import FILE_KINDS
from swc.files.whole import PARTIAL, whole
from swc.trust.code import Code, shown

VARIABLE = "SWC_CONSENT"
OTHERS_WRITE = 0o022


def consent_to(code: Code) -> Consent:
    """What is written down of some code."""
    files = (code.file_of(name) for name in code.factories)
    return Consent(code.digest, code.factories, tuple(str(file) for file in files if file), code.hashes)


def consent_folder() -> Path:
    """Where consent is kept; RuntimeError where there is no home folder."""
    named = os.environ.get("XDG_STATE_HOME", "")
    base = Path(named) if named.startswith("/") else Path.home() / ".local" / "state"  # a relative one is not valid
    return base / "swc" / "consent"


def consent_place() -> str:
    """Where consent is kept, for people."""
    try:
        return str(consent_folder())
    except RuntimeError:
        return "~/.local/state/swc"


def is_consented(code: Code) -> bool:
    """Whether this user, or the command that started this process, has consented to the code."""
    if not code.sources or code.digest in os.environ.get(VARIABLE, "").split(","):
        return True
    return not refusal() and _read(consent_folder() / f"{code.digest}.json", code.digest) is not None


def refusal() -> str:
    """Why the folder is not read; "" where it is, or is not there yet."""
    try:
        folder = consent_folder()
        return next((said for place in (folder.parent, folder) if (said := _distrusted(place))), "")
    except RuntimeError:
        return "there is no home folder"
    except OSError as error:
        return reason_of(error)


def _distrusted(folder: Path) -> str:
    if not folder.exists():
        return ""
    found = folder.stat()
    if found.st_uid != os.getuid():
        return f"`{folder}` belongs to another user"
    return f"others can write to `{folder}`" if found.st_mode & OTHERS_WRITE else ""


def keep(code: Code) -> str:
    """Write down that the code may run; gives why that could not be done, or ""."""
    said = refusal()
    if said:
        return said
    try:
        folder = consent_folder()
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.mkdir(exist_ok=True, mode=0o700)
        path = folder / f"{code.digest}.json"
        # several commands may write it at once
        with whole(path, partial=path.with_name(f".{path.name}.{os.getpid()}{PARTIAL}")) as partial:
            partial.write_text(text_of_kind(FILE_KINDS["consent"], consent_to(code)), encoding="utf-8")
    except OSError as error:
        return reason_of(error)
    return refusal()  # as it came out under this umask


def _read(path: Path, digest: str) -> Consent | None:
    """A consent that is whole, of this user's and where it says; else None."""
    try:
        if path.stat().st_uid != os.getuid():
            return None
        found: Consent = content_of(FILE_KINDS["consent"], path.read_text("utf-8"), str(path))
    except (OSError, ValueError, DiagnosticError):
        return None
    return found if found.digest == digest else None


def earlier(code: Code) -> Consent | None:
    """The last consent to code with these factories in these places; None where there was none."""
    if refusal():
        return None
    wanted = consent_to(code)
    with suppress(OSError):
        paths = sorted(consent_folder().glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
        records = (_read(path, path.stem) for path in paths)
        return next((one for one in records if one and _place(one) == _place(wanted)), None)
    return None


def _place(record: Consent) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return record.factories, record.files


def changes(before: Consent, code: Code) -> tuple[str, ...]:
    """What is other than it was, a line each: module by module, or the members' arguments."""
    now = consent_to(code).modules
    names = {module.name: shown(module.file) for module in code.modules}
    names |= {top: f"package `{top}`" for top, _ in code.linked}
    told = [f"{names[name]} is new" for name in sorted(now.keys() - before.modules.keys())]
    told += [f"module `{name}` is gone" for name in sorted(before.modules.keys() - now.keys())]
    same = now.keys() & before.modules.keys()
    told += [f"{names[name]} has changed" for name in sorted(same) if now[name] != before.modules[name]]
    return tuple(told) or ("the arguments of the factories have changed",)


@contextmanager
def inherited(code: Code) -> Iterator[None]:
    """Inside, processes that are started may run the code too."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = ",".join(part for part in (before, code.digest if code.sources else "") if part)
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before
