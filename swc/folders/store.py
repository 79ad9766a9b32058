"""Build and run folders: what the commands leave for each other.

Takes compiled revisions, gives them back. Guarantees: a file is written whole or not at all; what is read is checked
by the strict decoders, and nothing is unpickled.

    build/.last                         the name of the ensemble compiled last
    build/<ensemble>/                   spec.json tables.json origin.json program.json graph.txt notes.txt
    build/<ensemble>/run/               spec.json tables.json origin.json machine.json, and what the runtime writes
    build/<ensemble>/run/revisions/<n>/ program.json graph.txt notes.txt feedback.json
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from shutil import rmtree

from attrs import evolve, frozen

from swc.compiler.driver import Compiled, stage_of
from swc.compiler.ir.text import parse_graph, print_graph
from swc.diagnostics import DiagnosticError, Span
from swc.diagnostics.catalogue.files import EmptyPlace, NoBuild, UnknownBuild
from swc.diagnostics.catalogue.formats import DamagedFile
from swc.diagnostics.catalogue.training import PartMissing
from swc.files.checkpoint_head import head_of
from swc.files.checksums import check_owner, has_checksum, is_there, move_kept, text_of, write_kept
from swc.files.codec import hash_of_text
from swc.files.disk import load, save
from swc.files.kinds import FILE_KINDS
from swc.files.names import NAME
from swc.files.notes import Notes
from swc.files.origin import Origin
from swc.files.run import MachineFacts
from swc.files.whole import PARTIAL, turn_to_write
from swc.files.whole import write_whole as write_whole  # noqa: PLC0414 - for those who write beside a build
from swc.folders.consistency import (
    check_feedback,
    check_graph,
    check_measured,
    check_parameters,
    check_program,
    check_tables,
    numbers_of,
)
from swc.program.feedback import Feedback
from swc.program.layer_table import LayerTable
from swc.program.program import Program
from swc.program.references import dangling
from swc.program.spec import Spec
from swc.program.stages import scale_epochs, stages
from swc.program.training import row_of
from swc.show.revision import Revision

BUILD = "build"
RUN = "run"
LAST = ".last"  # a name that no ensemble can have
ORIGIN = "origin.json"
MACHINE = "machine.json"


@frozen
class Build:
    """What a build or run folder holds: the spec, the layer tables and every revision so far."""

    folder: Path
    spec: Spec
    tables: tuple[LayerTable, ...]
    revisions: tuple[Revision, ...]

    @property
    def is_run(self) -> bool:
        """Whether this is the folder of a run, and not of what was compiled."""
        return not (self.folder / "program.json").is_file()


def write_build(compiled: Compiled, root: Path, origin: Origin | None = None) -> Path:
    """Write `build/<ensemble>/` below `root`, note it as the last one, and give its folder."""
    folder = root / BUILD / compiled.spec.name
    write_beginning(folder, compiled, origin)
    write_whole(root / BUILD / LAST, compiled.spec.name + "\n")
    return folder


def write_beginning(folder: Path, compiled: Compiled, origin: Origin | None) -> None:
    """Write all that a compiled ensemble is, or leave what was there.

    Other processes that write into the folder come before, or after.
    """
    stage = folder / f"compiled{PARTIAL}"
    with turn_to_write(folder / ORIGIN):
        try:
            write_origin(stage, origin)
            write_spec(stage, compiled)
            write_revision(stage, compiled)
            if origin is None:
                (folder / ORIGIN).unlink(missing_ok=True)
            move_kept(stage, folder)
        finally:
            rmtree(stage, ignore_errors=True)


def write_spec(folder: Path, compiled: Compiled) -> None:
    """Write what every revision is compiled from: the tables, then the spec, by which a folder is known."""
    save(FILE_KINDS["tables"], folder / "tables.json", compiled.tables)
    save(FILE_KINDS["spec"], folder / "spec.json", compiled.spec)


def write_origin(folder: Path, origin: Origin | None) -> None:
    """Write what the spec was read from; where that is not known, nothing older may stay in its place."""
    if origin is not None:
        save(FILE_KINDS["origin"], folder / ORIGIN, origin)
    else:
        (folder / ORIGIN).unlink(missing_ok=True)


def read_origin(folder: Path) -> Origin | None:
    """The source that a spec was compiled from; None where it was compiled without one, or before it was kept."""
    path = folder / ORIGIN
    if not (is_there(path) or has_checksum(path)):
        return None
    found: Origin = load(FILE_KINDS["origin"], path)
    return found


def write_revision(folder: Path, compiled: Compiled) -> None:
    """Write one revision: the graph, the notes and, last, the program, by which a revision is known."""
    write_kept(folder / "graph.txt", print_graph(compiled.graph))
    save(FILE_KINDS["notes"], folder / "notes.txt", Notes(tuple(compiled.remarks)))
    save(FILE_KINDS["program"], folder / "program.json", compiled.program)


def revision_folder(run: Path, number: int) -> Path:
    """Where a run keeps a revision."""
    return run / "revisions" / str(number)


def checkpoint_path(run: Path) -> Path:
    """Where a run can be taken up."""
    return run / "checkpoints" / "last.safetensors"


def write_feedback(run: Path, feedback: Feedback) -> None:
    """Write what training a revision measured."""
    save(FILE_KINDS["feedback"], revision_folder(run, feedback.revision) / "feedback.json", feedback)


def read_feedback(run: Path, number: int) -> Feedback | None:
    """What training a revision measured; None where it has not come to that."""
    path = revision_folder(run, number) / "feedback.json"
    return _measured(path) if is_there(path) else None


def _measured(path: Path) -> Feedback:
    found: Feedback = load(FILE_KINDS["feedback"], path)
    check_feedback(path, found, read_program(path.with_name("program.json")))
    return found


def read_machine(folder: Path) -> dict[str, str] | None:
    """What a run was last trained on, as `Machine.facts`; None where nothing was trained."""
    path = folder / MACHINE
    if folder.is_file():  # a spec that was compiled in memory
        return None
    if not is_there(path):
        if head_of(folder / "checkpoints") is not None:
            raise DiagnosticError(PartMissing(path=str(path)))
        return None
    found: MachineFacts = load(FILE_KINDS["machine"], path)
    return {"kernels": "torch", **found.facts}  # runs begun before there was a choice had torch's


def write_machine(folder: Path, facts: Mapping[str, str]) -> None:
    """Write what a run is trained on, as `Machine.facts`."""
    save(FILE_KINDS["machine"], folder / MACHINE, MachineFacts(dict(facts)))


def read_spec(folder: Path) -> tuple[Spec, tuple[LayerTable, ...]]:
    """The spec and the layer tables of a build or run folder."""
    spec, tables = folder / "spec.json", folder / "tables.json"
    found: Spec = load(FILE_KINDS["spec"], spec)
    layers: tuple[LayerTable, ...] = load(FILE_KINDS["tables"], tables)
    check_tables(tables, layers, found)
    members = tuple(
        evolve(member, span=_placed(member.span, folder)) if member.source.kind == "python" else member
        for member in found.members
    )
    return evolve(found, members=members, data_span=_placed(found.data_span, folder)), layers


def _placed(span: Span | None, folder: Path) -> Span | None:
    """The place of what names code of one's own, with its spec where it lies, from wherever the command is called.

    A spec was named as seen from the folder that `build/` lies in, unless `--root` said otherwise.
    """
    if span is None:
        return None
    places = (parent / span.file for parent in folder.resolve().parents)
    found = next((place for place in places if place.is_file()), None)
    return span if found is None or found == Path(span.file).resolve() else evolve(span, file=str(found))


def spec_hash_of(folder: Path) -> str:
    """The hash of the spec that a build or run was begun with, as it was written then: by it a run is known."""
    path = folder / "spec.json"
    return hash_of_text(text_of(path), str(path))


def read_compiled(run: Path, number: int) -> Compiled:
    """A run's revision as it was compiled then, whatever the compiler would make of it now."""
    spec, tables = read_spec(run)
    earlier = () if spec.training is None else stages(spec.training)[:number]
    asked = (stage.revision for stage in earlier if stage.action is not None and row_of(stage.action).feedback)
    feedback = tuple(_measured(revision_folder(run, n) / "feedback.json") for n in asked)
    folder = revision_folder(run, number)
    kept = _revision(folder, number, spec, None)
    assert kept.program is not None
    program_hash = hash_of_text(text_of(folder / "program.json"))
    return Compiled(spec, tables, kept.graph, kept.program, program_hash, feedback, kept.notes)


def open_build(place: Path | str | None = None, *, prefer_run: bool = True) -> Build:
    """Open a build folder, a run folder or the ensemble compiled last.

    With `prefer_run`, a build that has been trained as it is now gives its run. `place` may be a folder, or the name of
    a compiled ensemble. Raises DiagnosticError where nothing is compiled, and for "", which is nobody's name.
    """
    if place == "":
        raise DiagnosticError(EmptyPlace())
    folder = _folder(place)
    spec, tables = read_spec(folder)
    run = folder / RUN
    begun = read_spec(run) if prefer_run and is_there(run / "spec.json") else None
    if begun is not None and trains(begun[0], spec) and numbers_of(run, begun[0]):
        folder, (spec, tables) = run, begun
    found = Build(folder, spec, tables, _revisions(folder, spec))
    for revision in found.revisions:
        if revision.program is not None:
            check_parameters(folder / "tables.json", revision.program, tables)
    return found


def trains(begun: Spec, compiled: Spec) -> bool:
    """Whether the spec of a run is the compiled one, its epochs scaled or not."""
    if begun.training is None or compiled.training is None:
        return False
    return is_same(begun, evolve(compiled, training=scale_epochs(compiled.training, begun.training.epochs_scale)))


def is_same(begun: Spec, spec: Spec) -> bool:
    """Whether two specs ask for the same.

    What was said of defaults is words, and later versions may choose others; that a plug-in has another version is
    told, not refused (`swc.program.plug_ins.report_other_plug_ins`).
    """
    return begun == evolve(spec, defaults=begun.defaults, plug_ins=begun.plug_ins)


def _folder(place: Path | str | None) -> Path:
    if place is not None and _is_build(Path(place)):
        return Path(place)
    build = nearest_build(Path.cwd(), None if place is None else str(place))
    name = str(place) if place is not None else _last(build)
    if not _is_build(build / name):
        known = tuple(sorted(found.parent.name for found in build.glob("*/spec.json")))
        raise DiagnosticError(UnknownBuild(name=name, known=known))
    return build / name


def _is_build(folder: Path) -> bool:
    """Whether a folder is of a build or a run; the spec may be missing, which whoever reads it reports."""
    return folder.is_dir() and any(is_there(folder / name) for name in ("spec.json", "tables.json", "program.json"))


def _last(build: Path) -> str:
    """The name of the ensemble compiled last; a name alone, so that it leads nowhere else."""
    path = build / LAST
    name = text_of(path).strip()
    if not NAME.fullmatch(name):
        raise DiagnosticError(DamagedFile(origin=str(path), detail="it does not hold the name of an ensemble"))
    return name


def nearest_build(start: Path, name: str | None = None) -> Path:
    """The `build/` folder nearest to `start`, going up; raises DiagnosticError where there is none.

    One that says what was compiled last, or holds the ensemble `name`: a single build that was copied here says not.
    """
    for folder in (start, *start.parents):
        signs = (LAST,) if name is None or not NAME.fullmatch(name) else (LAST, f"{name}/spec.json")
        sign = next((folder / BUILD / sign for sign in signs if is_there(folder / BUILD / sign)), None)
        if sign is not None:
            check_owner(sign, start)
            return folder / BUILD
    raise DiagnosticError(NoBuild(folder=str(start)))


def _revisions(folder: Path, spec: Spec) -> tuple[Revision, ...]:
    if is_there(folder / "program.json"):
        return (_revision(folder, 0, spec, None),)
    numbers = numbers_of(folder, spec)
    check_measured(folder, numbers, spec)
    return tuple(_revision(revision_folder(folder, n), n, spec, read_feedback(folder, n)) for n in numbers)


def _revision(folder: Path, number: int, spec: Spec, feedback: Feedback | None) -> Revision:
    path = folder / "program.json"
    program, graph = read_program(path), parse_graph(text_of(folder / "graph.txt"), str(folder / "graph.txt"))
    notes = load(FILE_KINDS["notes"], folder / "notes.txt").remarks
    whole = folder.parent.parent if folder.parent.name == "revisions" else folder
    check_program(path, program, number, spec, hash_of_text(text_of(whole / "spec.json")))
    check_graph(folder / "graph.txt", graph, program)
    stage = stage_of(spec, number)
    return Revision(number, stage.label if stage else "", graph, program, feedback, notes)


def read_program(path: Path) -> Program:
    """A program by itself; DiagnosticError where it is damaged."""
    found: Program = load(FILE_KINDS["program"], path)
    problem = dangling(found)
    if problem:
        raise DiagnosticError(DamagedFile(origin=str(path), detail=problem))
    return found
