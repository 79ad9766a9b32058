"""Whose code an exception comes from: the author's model or something of ours.

Takes an exception and the folders in which factories are looked for; gives the place in the author's code. Guarantees:
where our own code called a library wrongly, it is not the author's fault.
"""

from __future__ import annotations

import sysconfig
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.training import OwnModelFailed


@contextmanager
def told_to_its_author(folders: Iterable[Path]) -> Iterator[None]:
    """Inside, what the code of factories in these folders raises becomes a diagnostic."""
    try:
        yield
    except DiagnosticError:
        raise
    except Exception as error:
        place = place_in(error, tuple(str(folder.resolve()) for folder in folders))
        if place is None:
            raise
        first = (str(error).strip().splitlines() or [""])[0]
        raise DiagnosticError(OwnModelFailed(error=f"{type(error).__name__}: {first}", place=place)) from error


def place_in(error: Exception, folders: tuple[str, ...]) -> str | None:
    """The innermost line that belongs to no library, as `file:line`, where it lies in one of the folders."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = frame.filename
        if is_ours(file):
            return None
        if not is_of_a_library(file):
            inside = file.startswith(tuple(f"{folder}/" for folder in folders))
            return f"{Path(file).name}:{frame.lineno}" if inside else None
    return None


def is_raised_by_us(error: Exception) -> bool:
    """Whether our own code raised an exception, as where it calls a factory with arguments which that does not take."""
    return is_ours(traceback.extract_tb(error.__traceback__)[-1].filename)


def is_ours(file: str) -> bool:
    """Whether a file is this project's."""
    return file.startswith(_ours())


def is_of_a_library(file: str) -> bool:
    """Whether a file is Python's own or an installed package's, or no file at all."""
    return file.startswith(("<", *_libraries()))


@cache
def _ours() -> tuple[str, ...]:
    specs = (find_spec(name) for name in ("swc", "swc_runtime"))
    return tuple(f"{folder}/" for spec in specs if spec for folder in spec.submodule_search_locations or ())


@cache
def _libraries() -> tuple[str, ...]:
    return tuple(sorted({f"{sysconfig.get_path(name)}/" for name in ("stdlib", "platstdlib", "purelib", "platlib")}))
