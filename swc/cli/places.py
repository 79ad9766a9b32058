"""What the arguments of `swc show` and `swc diff` mean: builds, runs, specs, programs, and revisions of them.

Gives a `Build` or a side of a diff; raises DiagnosticError for what is not there. A place may end in `:REVISION`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from attrs import evolve, frozen

from swc.diagnostics import Diagnostic, DiagnosticError
from swc.diagnostics.catalogue.files import EmptyPlace, FileMissing, UnknownBuild
from swc.diagnostics.catalogue.reports import SameRunTwice
from swc.diagnostics.catalogue.show import OneRevision
from swc.diagnostics.catalogue.structure import SeveralEnsembles
from swc.diagnostics.catalogue.training import PartMissing

if TYPE_CHECKING:
    from swc.folders.store import Build
    from swc.program.feedback import Feedback
    from swc.program.training import Training
    from swc.show.diff import ProgramSide


@frozen
class DiffSide:
    """A side of a diff with the feedback known where it lies and the training it belongs to."""

    side: ProgramSide
    feedback: tuple[Feedback, ...] = ()
    training: Training | None = None


def open_place(
    place: str | None, overrides: Mapping[str, str], ensemble: str | None = None, data: Path | None = None
) -> Build:
    """The build or run at a place; a `.sw` file is compiled in memory, None is what was compiled last.

    After a colon a `.sw` file's place may name one of its ensembles; its table or arrays are looked for in `data`.
    No code of `python(...)` members runs: the layers of a `.sw` file's are those kept when it was compiled.
    DiagnosticError for "", which a script has where a variable of it is not set.
    """
    from swc.folders.store import open_build

    if place is None:
        return _with_revisions(open_build(None))
    if place == "":
        raise DiagnosticError(EmptyPlace())
    file, named = _parted(place)
    if file.endswith(".sw"):
        if ensemble and named and ensemble != named:
            raise click.UsageError(f"{place} and --ensemble {ensemble} name two ensembles: leave one away")
        return _compiled(file, overrides, ensemble or named, data)
    if "/" in place and not Path(place).exists():
        raise DiagnosticError(FileMissing(path=place))
    path = Path(place)
    # the folder of one revision stands for its run
    run = path.parent.parent if path.parent.name == "revisions" else path
    return _with_revisions(open_build(run if (run / "spec.json").is_file() else place))


def is_spec(place: str) -> bool:
    """Whether a place is a `.sw` file, or an ensemble of one, and no build or run."""
    return _parted(place)[0].endswith(".sw")


def open_runs(places: Sequence[str]) -> tuple[Build, ...]:
    """The builds of a command line, without any what was compiled last; DiagnosticError where one is named twice."""
    builds = tuple(open_place(place, {}) for place in places or (None,))
    seen: set[Path] = set()
    for build in builds:
        if build.folder.resolve() in seen:
            raise DiagnosticError(SameRunTwice(place=str(build.folder)))
        seen.add(build.folder.resolve())
    return builds


def open_compared(places: Sequence[str], overrides: Mapping[str, str], data: Path | None = None) -> tuple[Build, ...]:
    """The builds that places stand for, in their order; DiagnosticError with all that is wrong with any of them.

    A spec stands for its ensembles, or after a colon for one of them; a folder of builds, as that of a sweep, for all.
    """
    found: list[Build] = []
    told: list[Diagnostic] = []
    for place in places:
        try:
            found += _all_of(place, overrides, data)
        except DiagnosticError as error:
            told += error.diagnostics
    if told:
        raise DiagnosticError(*told)
    return tuple(found)


def _all_of(place: str, overrides: Mapping[str, str], data: Path | None) -> list[Build]:
    from swc.language.semantics.check import ensembles_in

    file, named = _parted(place)
    if file.endswith(".sw"):
        names = (named,) if named else ensembles_in(file) or (None,)
        return [open_place(file, overrides, name, data) for name in names]
    cells = sorted(Path(place).glob("*/spec.json")) if not (Path(place) / "spec.json").is_file() else []
    return [open_place(str(cell.parent), {}) for cell in cells] or [open_place(place, {})]


def _with_revisions(build: Build) -> Build:
    """The build; DiagnosticError where it holds no compiled program to look at."""
    if not build.revisions:
        raise DiagnosticError(PartMissing(path=str(build.folder / "program.json")))
    return build


def _compiled(place: str, overrides: Mapping[str, str], ensemble: str | None, data: Path | None) -> Build:
    from swc.compiler.driver import compile_file
    from swc.folders.store import Build
    from swc.show.revision import Revision

    try:
        # Nothing is announced: to look at a spec runs nobody's code.
        compiled = compile_file(place, overrides, ensemble, announce=None, data=data)
    except DiagnosticError as error:
        raise DiagnosticError(*(_with_place(one, place) for one in error.diagnostics)) from error
    label = compiled.stage.label if compiled.stage else ""
    revision = Revision(0, label, compiled.graph, compiled.program, None, compiled.remarks)
    return Build(Path(place), compiled.spec, compiled.tables, (revision,))


def _with_place(diagnostic: Diagnostic, place: str) -> Diagnostic:
    """Advice that holds for every command which takes places: not all have `--ensemble`."""
    return evolve(diagnostic, place=place) if isinstance(diagnostic, SeveralEnsembles) else diagnostic


def sides(first: str | None, second: str | None, data: Path | None = None) -> tuple[DiffSide, DiffSide]:
    """The two sides of a diff; with less than two places, the last two revisions of the one place.

    Tables and arrays of specs are looked for in `data`.
    """
    if first is not None and second is not None:
        return _side(first, data), _side(second, data)
    build = open_place(first, {}, data=data)
    if len(build.revisions) < 2:
        raise DiagnosticError(OneRevision(place=str(build.folder)))
    before, after = (f"{first or ''}:{revision.number}" for revision in build.revisions[-2:])
    return _side(before), _side(after)


def _side(text: str, data: Path | None = None) -> DiffSide:
    from swc.show.choose import choose
    from swc.show.diff import side_of

    place, wanted = _parted(text)
    if place.endswith(".json"):
        return _program(Path(place))
    if place.endswith(".sw"):  # which has one revision, and perhaps several ensembles
        place, wanted = text, None
    build = open_place(place or None, {}, data=data)
    revision = choose(build.revisions, wanted or _own_number(place))
    side = side_of(revision)
    if side is None:
        raise DiagnosticError(UnknownBuild(name=text))
    feedback = tuple(r.feedback for r in build.revisions if r.feedback is not None)
    return DiffSide(evolve(side, name=f"{revision.graph.ensemble} {side.name}"), feedback, build.spec.training)


def _parted(text: str) -> tuple[str, str | None]:
    if Path(text).exists() or ":" not in text:
        return text, None
    place, _, wanted = text.rpartition(":")
    return place, wanted


def _own_number(place: str) -> str | None:
    path = Path(place)
    return path.name if path.parent.name == "revisions" else None


def _program(path: Path) -> DiffSide:
    from swc.files.checksums import is_there
    from swc.folders.store import read_program
    from swc.show.diff import ProgramSide

    if not is_there(path):
        raise DiagnosticError(FileMissing(path=str(path)))
    return DiffSide(ProgramSide(str(path), read_program(path)))
