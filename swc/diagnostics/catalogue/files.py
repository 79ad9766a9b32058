"""Diagnostics about files and the command itself (SW60x-SW64x, SW742, SW781).

Guarantees: `FILES` lists every class of this module.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from swc.diagnostics.diagnostic import Diagnostic


@frozen(kw_only=True)
class FileMissing(Diagnostic):
    """There is no file at the path that was given.

    The path is taken from the folder the command runs in. Paths in an `import` are taken from the folder of the file
    that imports; shipped files such as `recipes/cifar.sw` are found from anywhere. Correct the path, or change to the
    folder it starts from.
    """

    code: ClassVar[str] = "SW601"
    path: str
    suggestion: str | None = None

    def message(self) -> str:
        return f"there is no file `{self.path}`"

    def help(self) -> str:
        if self.suggestion:
            return f"did you mean `{self.suggestion}`?"
        return "correct the path, or run the command from the folder it starts from"


@frozen(kw_only=True)
class FileUnreadable(Diagnostic):
    """A file is there but the system does not let swc read it.

    It may be a folder, or belong to another user, or lie on a disk with a fault. The reason is the system's own.
    Name a file instead of its folder, or give yourself the right to read it (`chmod u+r FILE`).
    """

    code: ClassVar[str] = "SW602"
    path: str
    reason: str

    def message(self) -> str:
        return f"cannot read `{self.path}`: {self.reason}"

    def help(self) -> str:
        return "name a file that you may read, not a folder"


@frozen(kw_only=True)
class FileNotText(Diagnostic):
    """A `.sw` file is not UTF-8 text.

    Specs are UTF-8 text, so that they read the same on every machine. This file holds bytes that are not UTF-8: it is
    binary, or was saved by an editor in another encoding such as Latin-1 or UTF-16. Save it again as UTF-8, for
    example with `iconv -f latin1 -t utf-8 old.sw > new.sw`.
    """

    code: ClassVar[str] = "SW603"
    path: str
    line: int

    def message(self) -> str:
        return f"`{self.path}` is not UTF-8 text (first seen on line {self.line})"

    def help(self) -> str:
        return "save the file as UTF-8"


@frozen(kw_only=True)
class OutputUnwritable(Diagnostic):
    """A result cannot be written where it was asked for.

    The folder may be missing or belong to someone else, or the disk may be full or read-only. Nothing was left half
    written: results are written beside their place and moved there whole. Choose another place, or free some room.
    """

    code: ClassVar[str] = "SW604"
    path: str
    reason: str

    def message(self) -> str:
        return f"cannot write `{self.path}`: {self.reason}"

    def help(self) -> str:
        return "write to a folder that exists, that is yours, and that has room"


@frozen(kw_only=True)
class SystemRefused(Diagnostic):
    """The operating system refused something that the command needs.

    The disk is full or read-only, or a file belongs to another user. Neither the spec nor swc is at fault.
    Put the named cause right and run the command again: every command may be repeated.
    """

    code: ClassVar[str] = "SW605"
    path: str
    reason: str

    def message(self) -> str:
        return f"the system refuses to use `{self.path}`: {self.reason}" if self.path else f"the system: {self.reason}"

    def help(self) -> str:
        return "put the cause right, then run the command again"


@frozen(kw_only=True)
class NoBuild(Diagnostic):
    """A command needs a compiled program, and there is none here.

    `swc compile` writes `build/<ensemble>/` and notes it as the last one; `swc train`, `swc show` and `swc diff` take
    it from the nearest folder up that has a `build/`. Compile a spec first, for example
    `swc compile specs/quickstart.sw`, or change to the folder where you did.
    """

    code: ClassVar[str] = "SW610"
    folder: str

    def message(self) -> str:
        return f"nothing is compiled in `{self.folder}` or any folder above it"

    def help(self) -> str:
        return "compile a spec first: `swc compile SPEC.sw`"


@frozen(kw_only=True)
class UnknownBuild(Diagnostic):
    """A command was given the name of an ensemble that is not compiled here.

    Names are those of the ensembles in the specs, as the folders in `build/` show them. Use one of the names listed,
    or compile the spec that defines this one.
    """

    code: ClassVar[str] = "SW611"
    name: str
    known: tuple[str, ...] = ()

    def message(self) -> str:
        return f"the ensemble `{self.name}` is not compiled here"

    def help(self) -> str:
        return f"compile the spec that defines `{self.name}`: `swc compile SPEC.sw`"

    def notes(self) -> tuple[str, ...]:
        return (f"compiled here: {', '.join(f'`{name}`' for name in self.known)}",) if self.known else ()


@frozen(kw_only=True)
class EmptyPlace(Diagnostic):
    """The name of a run or a build is empty.

    Most often a script gives a variable that was never set, as in `swc eval "$RUN"`. What was compiled last could be
    another ensemble altogether, so it is not taken in its place. Name a run, a build folder or a compiled ensemble; for
    what was compiled last leave the argument out.
    """

    code: ClassVar[str] = "SW742"

    def message(self) -> str:
        return "the name of the run is empty"

    def help(self) -> str:
        return "name a run, or leave the argument out for what was compiled last"


@frozen(kw_only=True)
class ForeignOwner(Diagnostic):
    """The `build/` that a command would take without being told belongs to another user.

    Where no build is named, `swc` looks for the nearest `build/` in the folders above. In a folder that several people
    write to, such as `/tmp`, anybody could put one there, and what it holds would be taken for your own. Name the build
    or the run where you mean it, or work in a folder of your own.
    """

    code: ClassVar[str] = "SW781"
    path: str
    folder: str

    def message(self) -> str:
        return f"`{self.path}` belongs to another user"

    def help(self) -> str:
        return f"name the build where you mean it, as in `swc show {self.folder}/NAME`, or work in a folder of your own"


@frozen(kw_only=True)
class UnknownCode(Diagnostic):
    """`swc explain` was asked about a code that no diagnostic has.

    Codes are `SW` and three digits, and stand in brackets after the word `error` or `warning`. `swc explain` alone
    lists all of them.
    """

    code: ClassVar[str] = "SW620"
    asked: str
    suggestion: str | None = None

    def message(self) -> str:
        return f"there is no diagnostic `{self.asked}`"

    def help(self) -> str:
        return f"did you mean `{self.suggestion}`?" if self.suggestion else "`swc explain` lists all codes"


@frozen(kw_only=True)
class NotFormatted(Diagnostic):
    """`swc fmt --check` found a file that is not in the canonical form.

    There is one canonical layout for a spec, so that two versions of it differ only where their meaning does.
    `swc fmt FILE` rewrites the file in that form; comments stay.
    """

    code: ClassVar[str] = "SW621"
    path: str

    def message(self) -> str:
        return f"`{self.path}` is not formatted"

    def help(self) -> str:
        return f"run `swc fmt {self.path}`"


FILES = (
    FileMissing,
    FileUnreadable,
    FileNotText,
    OutputUnwritable,
    SystemRefused,
    NoBuild,
    UnknownBuild,
    EmptyPlace,
    ForeignOwner,
    UnknownCode,
    NotFormatted,
)
