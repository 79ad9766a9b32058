"""Layer tables kept on disk, so that a spec seen before is compiled without importing torch.

Takes a source and the facts of the data, gives its `LayerTable` or None. Guarantees: an entry is used only where the
source, the data's shapes, the versions of torch, torchvision, Python and swc, and the code of our model families are
those it was made with; that of a `python(...)` source is kept by the digest of its code too, for those who look at the
spec; a damaged entry is as good as none.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from swc.diagnostics import DiagnosticError
from swc.files.codec import decode, encode
from swc.program.datasets import DataFacts
from swc.program.layer_table import LayerTable
from swc.program.model_source import ModelSource
from swc.registry.families import FAMILIES
from swc.registry.model_libraries import extra_versions
from swc.system.cache import keep, kept
from swc.system.version import VERSION

LIBRARIES = ("torch", "torchvision")


def load(source: ModelSource, data: DataFacts, code: str = "") -> LayerTable | None:
    """The table kept for a source, or None where there is none that can be used.

    `code` is the digest of the code that a `python(...)` source names; without it none is kept.
    """
    if not _is_cacheable(source, code):
        return None
    text = kept("tables", _key(source, data, code))
    if text is None:
        return None
    try:
        table: LayerTable = decode(text, LayerTable)
    except DiagnosticError:  # kept by a version that wrote another form: it is made again
        return None
    return table


def store(source: ModelSource, data: DataFacts, table: LayerTable, code: str = "") -> None:
    """Keep a table."""
    if _is_cacheable(source, code):
        keep("tables", _key(source, data, code), encode(table))


def _is_cacheable(source: ModelSource, code: str) -> bool:
    """Of a plug-in's family none is kept: its code may change under one version."""
    if source.kind == "family" and FAMILIES.origin(source.name) is not None:
        return False
    return source.kind != "python" or bool(code)


def _key(source: ModelSource, data: DataFacts, code: str) -> str:
    made_with = [str(source.kind), source.name, list(source.arguments), data.num_classes, *_inputs(data)]
    return json.dumps(
        [made_with, *([code] if code else []), _surroundings(), *extra_versions((source.kind,))], sort_keys=True
    )


def _inputs(data: DataFacts) -> list[object]:
    return [list(data.image_shape)] if data.are_images else [data.inputs_text]


@cache
def _surroundings() -> tuple[str, ...]:
    versions = tuple(f"{name} {version(name)}" for name in LIBRARIES)
    return (
        *versions,
        f"swc {VERSION}",
        f"python {sys.version_info[0]}.{sys.version_info[1]}",
        *map(_hash_of_folder, _code_folders()),
    )


def _code_folders() -> tuple[Path, ...]:
    found = find_spec("swc_runtime")  # finds the package without importing it
    assert found is not None
    assert found.submodule_search_locations is not None
    return (Path(found.submodule_search_locations[0]) / "models", Path(__file__).parent)


def _hash_of_folder(folder: Path) -> str:
    digest = sha256()
    for path in sorted(folder.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
