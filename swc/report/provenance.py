"""Everything that it takes to repeat a run: sources, settings, versions, hashes, commands.

Takes a build, gives `Provenance`. Guarantees: no folder and no name of a machine is in it; what is not known is left
out.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from attrs import asdict, frozen

import swc
from swc.diagnostics.numbers import in_full
from swc.files.codec import hash_of
from swc.files.origin import Origin, SourceFile
from swc.files.run import MODULE
from swc.folders.store import Build, read_machine, read_origin, spec_hash_of
from swc.language.semantics.origin import origin_of
from swc.report.scores import ScoredRun

_Pairs = tuple[tuple[str, str], ...]


@frozen
class Provenance:
    """The files of the spec, and facts in pairs of name and text; `commands` are to be run in this order."""

    commands: tuple[str, ...]
    files: tuple[SourceFile, ...]
    params: _Pairs
    recipe: _Pairs
    machine: _Pairs
    hashes: _Pairs
    defaults: tuple[str, ...]


def repeat_of(build: Build, scored: ScoredRun | None) -> Provenance:
    """What it takes to repeat what a build or run folder holds."""
    origin = origin_of(build.folder, {}) if build.folder.is_file() else read_origin(build.folder)
    machine = read_machine(build.folder) or {}
    training = build.spec.training
    return Provenance(
        commands=tuple(_commands(build, origin, machine, scored)),
        files=origin.files if origin else (),
        params=_pairs(dict(build.spec.params)),
        recipe=_pairs(asdict(training.recipe)) if training else (),
        machine=(*_pairs({k: v for k, v in sorted(machine.items()) if not _is_hash(k)}), ("swc", swc.__version__)),
        hashes=tuple(_hashes(build, machine)),
        defaults=build.spec.defaults,
    )


def _pairs(facts: dict[str, Any]) -> _Pairs:
    return tuple((name, _text(value)) for name, value in facts.items())


def _text(value: Any) -> str:
    match value:
        case dict():
            return ", ".join(f"{name} {_text(part)}" for name, part in value.items())
        case list() | tuple():
            return " ".join(_text(part) for part in value) or "none"
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case float():
            return in_full(value)
        case _:
            return str(value)


def _is_hash(name: str) -> bool:
    """Whether a fact of a run's machine is a hash of what it was trained on or with."""
    return name == "data" or name.startswith(MODULE)


def _hashes(build: Build, machine: dict[str, str]) -> Iterator[tuple[str, str]]:
    is_compiled = build.folder.is_dir()  # and not a `.sw` file
    yield "spec", spec_hash_of(build.folder) if is_compiled else hash_of(build.spec)
    for revision in build.revisions:
        if revision.program is not None:
            yield f"graph of revision {revision.number}", revision.program.graph_hash
    yield from ((name, digest) for name, digest in sorted(machine.items()) if _is_hash(name))


def _commands(build: Build, origin: Origin | None, machine: dict[str, str], scored: ScoredRun | None) -> Iterator[str]:
    training = build.spec.training
    scale = ["--epochs-scale", in_full(training.epochs_scale)] if training and training.epochs_scale != 1 else []
    name = origin.file if origin else f"{build.spec.name}.sw"
    if origin is not None and origin.swept and training is not None:
        seed = training.recipe.seed
        varied = [part for name, value in origin.settings for part in ("--vary", f"{name}={value}")]
        yield shlex.join(["swc", "sweep", name, *_named(origin), *varied, "--seeds", f"{seed}-{seed}", *scale])
    else:
        yield shlex.join(["swc", "compile", name, *_compiled(origin)])
        if machine:
            yield shlex.join(["swc", "train", *scale, *_trained(machine)])
    if scored is not None:
        yield shlex.join(["swc", "eval", *_evaluated(scored)])


def _compiled(origin: Origin | None) -> list[str]:
    if origin is None:
        return []
    return [*_named(origin), *(part for name, value in origin.settings for part in ("--set", f"{name}={value}"))]


def _named(origin: Origin) -> list[str]:
    return ["--ensemble", origin.ensemble] if origin.ensemble else []


def _trained(machine: dict[str, str]) -> list[str]:
    size, _, shared = machine.get("processes", "1").partition(", sharing ")
    several = ["--nproc", size] if size != "1" else []
    placement = ["--placement", shared] if size != "1" and shared == "members" else []
    norms = ["--sync-norms"] if machine.get("BatchNorm") == "all processes" else []
    named = [part for key in ("device", "kernels", "threads") if key in machine for part in (f"--{key}", machine[key])]
    return [*several, *placement, *norms, *named]


def _evaluated(scored: ScoredRun) -> list[str]:
    others = [part for found in scored.outliers for part in ("--ood", found.data)]
    batch = [] if scored.time_batch == 128 else ["--time-batch", str(scored.time_batch)]
    return [
        *(["--temperature"] if scored.has_temperatures else []),
        *others,
        *batch,
        *(["--corruptions", "FOLDER"] if scored.corruptions else []),
        *(["--interpolate"] if scored.interpolations else []),
    ]
