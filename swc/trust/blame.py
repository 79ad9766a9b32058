"""Whose code an exception comes from: the author's model, a plug-in, or something of ours.

Takes an exception, the folders in which factories are looked for, and plug-ins; gives the place in their code.
Guarantees: where our own code called a library wrongly, it is not the author's fault.
"""

from __future__ import annotations

import sys
import sysconfig
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path

from attrs import asdict

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.plugins import BrokenPlugIn
from swc.diagnostics.catalogue.training import OwnModelFailed
from swc.program.kinds import KINDS
from swc.registry.offers import PlugIn

SHARED = ("torch", "torchvision", "numpy")  # where a plug-in's row may lead, and which raise for anybody's mistakes


@contextmanager
def told_to_its_author(folders: Iterable[Path], plug_ins: Iterable[PlugIn] = ()) -> Iterator[None]:
    """Inside, what the code of factories in these folders or of these plug-ins raises becomes a diagnostic.

    That it would end the process too, which otherwise ends in silence.
    """
    try:
        yield
    except DiagnosticError:
        raise
    except (Exception, SystemExit) as error:
        place = place_in(error, tuple(str(folder.resolve()) for folder in folders))
        first = (str(error).strip().splitlines() or [""])[0]
        said = f"{type(error).__name__}: {first}" if first else type(error).__name__
        if place is not None:
            raise DiagnosticError(OwnModelFailed(error=said, place=place)) from error
        for plug_in in sorted(plug_ins, key=partial(_is_outside, error)):
            if place := place_in_plug_in(error, plug_in):
                raise DiagnosticError(BrokenPlugIn(**asdict(plug_in), reason=f"{said} ({place})")) from error
        raise


def _is_outside(error: BaseException, plug_in: PlugIn) -> bool:
    """Whether the implementation of a plug-in was not entered, though perhaps something else of the same package.

    `swc_lion:Lion` is entered where a function `Lion`, or `Lion.step` of a class, is among the frames of its file.
    """
    attribute = KINDS[plug_in.kind][plug_in.name].implementation.partition(":")[2]
    files = _files_of(plug_in)
    codes = [frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__)]
    inside = [code.co_qualname for code in codes if files and code.co_filename.startswith(files)]
    return not any(name == attribute or name.startswith(f"{attribute}.") for name in inside)


def place_in(error: BaseException, folders: tuple[str, ...]) -> str | None:
    """The innermost line that belongs to no library, as `file:line`, where it lies in one of the folders."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = frame.filename
        if is_ours(file):
            return None
        if not is_of_a_library(file):
            inside = file.startswith(tuple(f"{folder}/" for folder in folders))
            return f"{Path(file).name}:{frame.lineno}" if inside else None
    return None


def place_in_plug_in(error: BaseException, plug_in: PlugIn) -> str | None:
    """The innermost line of a plug-in's code, as `file:line`, unless code of ours that it called raised the error."""
    files = _files_of(plug_in)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if is_ours(frame.filename):
            return None
        if files and frame.filename.startswith(files):
            return f"{Path(frame.filename).name}:{frame.lineno}"
    return None


def _files_of(plug_in: PlugIn) -> str:
    """How the files of a plug-in's implementation begin; "" where that is a library that others use too."""
    row = KINDS[plug_in.kind][plug_in.name]
    top = row.implementation.partition(":")[0].partition(".")[0]
    file = getattr(sys.modules.get(top), "__file__", None)
    if file is None or top in SHARED:
        return ""
    return f"{Path(file).parent}/" if Path(file).stem == "__init__" else file


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
