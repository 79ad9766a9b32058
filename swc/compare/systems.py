"""What is compared: ensembles, each with the runs that there are of it.

Takes builds as the command line names them; gives `System`s. Guarantees: places of one spec, whatever its seed, are one
system; a run counts once, however often it is named; order is that of the command line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

from attrs import define, evolve, frozen

from swc.diagnostics import DiagnosticError, Sink
from swc.diagnostics.catalogue.comparing import OtherVersion
from swc.diagnostics.catalogue.formats import NewerFile, UnknownSchema
from swc.files.checksums import is_there, text_of
from swc.files.codec import field_line
from swc.files.kind_codec import content_of
from swc.files.kinds import FILE_KINDS
from swc.folders.store import BUILD, RUN, Build, is_same, trains
from swc.program.datasets import DATA
from swc.program.spec import Spec
from swc.report.names import names_of
from swc.sweep.plan import SEED


@frozen
class System:
    """An ensemble by the name it has beside the others, what was compiled of it, and the folders of its runs."""

    name: str
    build: Build
    runs: tuple[Path, ...]


@define
class _Group:
    """A system in the making."""

    build: Build
    runs: dict[Path, Path]  # as they were named, by what they are


def systems_of(builds: Sequence[Build], start: Path, sink: Sink) -> tuple[System, ...]:
    """Builds of one spec together; a spec's runs are looked for in the nearest `build/` from `start` upwards.

    One of them that another version wrote is left out, and the sink is told.
    """
    groups: list[_Group] = []
    for build in builds:
        group = next((group for group in groups if are_alike(group.build.spec, build.spec)), None)
        if group is None:
            group = _Group(build, {})
            groups.append(group)
        group.runs |= {run.resolve(): run for run in _runs(build, start, sink)}
    names = names_of([(group.build.spec.name, _place(group.build.folder)) for group in groups])
    return tuple(
        System(name, group.build, tuple(group.runs.values())) for name, group in zip(names, groups, strict=True)
    )


def _runs(build: Build, start: Path, sink: Sink) -> tuple[Path, ...]:
    if not build.folder.is_dir():
        return runs_of(build.spec, start, sink)
    return (build.folder,) if build.is_run else ()


def runs_of(spec: Spec, start: Path, sink: Sink) -> tuple[Path, ...]:
    """The runs of a spec in the nearest `build/` upwards, those of sweeps too, whatever their seeds."""
    build = next((folder / BUILD for folder in (start, *start.parents) if (folder / BUILD).is_dir()), None)
    if build is None:
        return ()
    there = (build / spec.name / RUN, *sorted(build.glob(f"sweeps/*/*/{RUN}")))
    return tuple(run for run in there if _is_of(run / "spec.json", spec, sink))


def _is_of(path: Path, spec: Spec, sink: Sink) -> bool:
    """Whether a file holds this spec; one of another name may be of any version, and is not looked at."""
    if not is_there(path):
        return False
    text = text_of(path)
    if field_line("name", spec.name) not in text:
        return False
    try:
        found: Spec = content_of(FILE_KINDS["spec"], text, str(path))
    except DiagnosticError as error:
        if not all(isinstance(told, UnknownSchema | NewerFile) for told in error.diagnostics):
            raise
        sink.report(OtherVersion(place=str(path.parent)))
        return False
    return are_alike(found, spec)


def are_alike(first: Spec, second: Spec) -> bool:
    """Whether two specs are one, seeds aside, or one is the other with its epochs scaled.

    A seed draws the rows that tell how many inputs a table has: a rare category may be among them or not.
    """
    first, second = first.seeded(0), second.seeded(0)
    if first.data.parts is not None and first.data.name in DATA and DATA[first.data.name].settle:
        second = evolve(second, data=evolve(second.data, inputs=first.data.inputs))
    return is_same(first, second) or trains(first, second) or trains(second, first)


def _place(folder: Path) -> Path:
    """What tells a build from others: of a run in a sweep the values of its params, without the seed."""
    cell = folder.parent if folder.name == RUN else folder
    found = re.fullmatch(rf"(.+),{SEED}=\d+", cell.name)
    return cell.with_name(unquote(found[1]).replace("/", "_")) if found else folder
