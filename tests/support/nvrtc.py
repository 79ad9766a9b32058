"""NVIDIA's run-time compiler, where torch's CUDA wheels brought one: CUDA C to PTX, without a GPU."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from ctypes.util import find_library
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest


def compiled(source: str, options: Sequence[str]) -> str:
    """The PTX of a source; fails the test with the compiler's log, or skips it where there is no compiler."""
    library = _library()
    if library is None:
        pytest.skip("needs NVRTC, which comes with torch's CUDA wheels")
    program = ctypes.c_void_p()
    assert library.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"compose.cu", 0, None, None) == 0
    given = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
    failed = library.nvrtcCompileProgram(program, len(options), given)
    assert not failed, _text(library, program, "ProgramLog")
    return _text(library, program, "PTX")


def _text(library: ctypes.CDLL, program: ctypes.c_void_p, what: str) -> str:
    size = ctypes.c_size_t()
    assert getattr(library, f"nvrtcGet{what}Size")(program, ctypes.byref(size)) == 0
    text = ctypes.create_string_buffer(size.value)
    assert getattr(library, f"nvrtcGet{what}")(program, text) == 0
    return text.value.decode()


@cache
def _library() -> ctypes.CDLL | None:
    for path in _candidates():
        try:
            return ctypes.CDLL(path)
        except OSError:
            continue
    return None


def _candidates() -> Iterator[str]:
    """Below the folders of NVIDIA's wheels, then where the system looks."""
    found = find_spec("nvidia")
    for folder in found.submodule_search_locations or () if found else ():
        yield from (str(path) for path in sorted(Path(folder).glob("*/lib/libnvrtc.so.*")))
    if system := find_library("nvrtc"):
        yield system
