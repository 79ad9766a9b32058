"""Diagnostics about the files the project itself writes: programs, graphs, feedback (SW65x, SW78x).

Guarantees: `FORMATS` lists every class of this module.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import field, frozen

from swc.diagnostics import Diagnostic


def _named(origin: str) -> str:
    return f"`{origin}`" if origin else "the text"


@frozen(kw_only=True)
class DamagedFile(Diagnostic):
    """A file that swc wrote can no longer be read as JSON.

    Programs, feedback and specs are kept as JSON text. This one is cut short, was edited into something that is no
    JSON, or is another file altogether. Such files are results and can be made again: run `swc compile` for a
    program, or copy the file again from where it came.
    """

    code: ClassVar[str] = "SW650"
    origin: str = ""
    detail: str = ""
    way: str = ""  # where there is a better one

    def message(self) -> str:
        return f"{_named(self.origin)} is damaged: {self.detail}"

    def help(self) -> str:
        return (
            self.way
            or "copy it again from where it came; a build is made again by `swc compile`, a run by `swc train --fresh`"
        )


@frozen(kw_only=True)
class WrongFileType(Diagnostic):
    """A file holds something else than what the command needs.

    Every file says in its `type` entry what it is: a Program, feedback, a Spec. A command that needs a program cannot
    use feedback instead. Give it the file of the right kind, for example `build/NAME/program.json`.
    """

    code: ClassVar[str] = "SW651"
    origin: str = ""
    found: str
    wanted: str

    def message(self) -> str:
        return f"{_named(self.origin)} holds `{self.found}` where `{self.wanted}` is needed"

    def help(self) -> str:
        return f"give a file whose `type` is `{self.wanted}`"


@frozen(kw_only=True)
class UnknownSchema(Diagnostic):
    """A file was written by another version of swc, whose layout this one does not know.

    Every file carries the number of its layout in `schema`. Reading one layout as another could give wrong networks
    without a word, so swc refuses. Compile the spec again with this version, or use the version that wrote the file.
    """

    code: ClassVar[str] = "SW652"
    origin: str = ""
    found: str
    wanted: int

    def message(self) -> str:
        return f"{_named(self.origin)} has schema `{self.found}`; this version reads schema {self.wanted}"

    def help(self) -> str:
        return "compile the spec again with this version, or use the version that wrote the file"


@frozen(kw_only=True)
class NewerFile(Diagnostic):
    """A file was written by a newer version of swc than the one that reads it.

    Every kind of file has a schema number, which is raised when the kind gets an entry or gives an old one another
    meaning. This version knows how to read all schemas up to the one named; a newer one may say what it would not
    understand, so it reads nothing of it. Install the version that wrote the file, or a newer one. The page Files of
    the reference lists all kinds with their numbers.
    """

    code: ClassVar[str] = "SW570"
    origin: str = ""
    kind: str
    found: int
    known: int

    def message(self) -> str:
        """The kind of file, its schema, and the newest that this version reads."""
        return (
            f"{_named(self.origin)} is of a newer version of swc: `{self.kind}` of schema {self.found}, "
            f"where this version reads schemas up to {self.known}"
        )

    def help(self) -> str:
        """Which version reads it."""
        return "use the version of swc that wrote the file, or a newer one"


@frozen(kw_only=True)
class WrongContent(Diagnostic):
    """A file is valid JSON of the right type, but an entry is missing, unknown, or has a value of the wrong type.

    This happens when a file was edited by hand or written by another program. The notes name the entries, as paths
    from the top of the file such as `$.banks[3].num_templates`. Correct those entries, or write the file again with
    `swc compile`.
    """

    code: ClassVar[str] = "SW653"
    origin: str = ""
    details: tuple[str, ...] = field(default=())

    def message(self) -> str:
        count = len(self.details)
        return f"{_named(self.origin)} has {count} {'entry' if count == 1 else 'entries'} that cannot be used"

    def help(self) -> str:
        return "correct the entries named here, or write the file again with `swc compile`"

    def notes(self) -> tuple[str, ...]:
        return self.details[:8]


@frozen(kw_only=True)
class DamagedGraph(Diagnostic):
    """A line of a graph's text is not in the form in which `swc` prints graphs.

    A graph's text has one line for each member, layer, cluster, level, bank, coefficient, slot and weight, each
    beginning with that word. The line shown here does not follow the form of its kind. Undo the edit, or print the
    graph again with `swc compile`.
    """

    code: ClassVar[str] = "SW654"
    detail: str

    def message(self) -> str:
        return f"this line of the graph's text cannot be read: {self.detail}"

    def help(self) -> str:
        return "undo the edit, or print the graph again with `swc compile`"


@frozen(kw_only=True)
class ForeignFile(Diagnostic):
    """A file can be read, but it does not belong to the files around it.

    The files of a build or a run are of one piece: a program is compiled from the spec of its folder, the graph's text
    is that of the program, feedback names the layers of its revision, an evaluation the members of its run. Here one
    was changed, or comes from another revision, build or run. What it says would be taken for something that it is
    not, so it is not shown. Copy the folder again from where it came; a build is made again by `swc compile`, an
    evaluation by `swc eval`.
    """

    code: ClassVar[str] = "SW780"
    path: str
    detail: str

    def message(self) -> str:
        return f"`{self.path}` does not belong to the files around it: {self.detail}"

    def help(self) -> str:
        return "copy the folder again from where it came; a build is made again by `swc compile`, a run by `--fresh`"


FORMATS = (DamagedFile, WrongFileType, UnknownSchema, NewerFile, WrongContent, DamagedGraph, ForeignFile)
