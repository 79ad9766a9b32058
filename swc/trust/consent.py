"""What code this user has consented to: kept by its digest in a folder of the user's own.

Takes `Code`; says whether it may run, and remembers that it may. Guarantees: what is not there, damaged, or in a folder
that somebody else owns or can write to is no consent; the caller learns what cannot be written down.

    $XDG_STATE_HOME/swc/consent/<digest>.json     the factories, and the hash of every module
    SWC_CONSENT                                   digests, for the processes that a command starts
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from attrs import asdict, frozen

from swc.diagnostics.sources import reason_of
from swc.trust.code import Code, shown

VARIABLE = "SWC_CONSENT"
OTHERS_WRITE = 0o022


@frozen
class Record:
    """What was consented to: factories by name, where those of the user's own lay, and hashes of modules by name.

    A linked package has one hash for all of it.
    """

    factories: tuple[str, ...]
    files: tuple[str, ...]
    modules: dict[str, str]


def record_of(code: Code) -> Record:
    """What is written down of some code."""
    files = (code.file_of(name) for name in code.factories)
    modules = {module.name: sha256(module.data).hexdigest() for module in code.modules}
    return Record(code.factories, tuple(str(file) for file in files if file), modules | dict(code.linked))


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
        _write_whole(folder / f"{code.digest}.json", _text(code))
    except OSError as error:
        return reason_of(error)
    return refusal()  # as it came out under this umask


def _text(code: Code) -> str:
    record = record_of(code)
    said = {"schema": 1, "digest": code.digest, **asdict(record)}
    return json.dumps(said, indent=1, sort_keys=True) + "\n"


def _write_whole(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _read(path: Path, digest: str) -> Record | None:
    """A record that is whole, of this user's and where it says; else None."""
    try:
        if path.stat().st_uid != os.getuid():
            return None
        found: Any = json.loads(path.read_text("utf-8"))
        if found["schema"] != 1 or found["digest"] != digest:
            return None
        factories, files = (tuple(map(str, found[name])) for name in ("factories", "files"))
        return Record(factories, files, {str(name): str(value) for name, value in found["modules"].items()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def earlier(code: Code) -> Record | None:
    """The last consent to code with these factories in these places; None where there was none."""
    if refusal():
        return None
    wanted = record_of(code)
    with suppress(OSError):
        paths = sorted(consent_folder().glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
        records = (_read(path, path.stem) for path in paths)
        return next((one for one in records if one and _place(one) == _place(wanted)), None)
    return None


def _place(record: Record) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return record.factories, record.files


def changes(before: Record, code: Code) -> tuple[str, ...]:
    """What is other than it was, a line each: module by module, or the members' arguments."""
    now = record_of(code).modules
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
