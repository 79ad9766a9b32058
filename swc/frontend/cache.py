"""Layer tables kept on disk, so that a spec seen before is compiled without importing torch.

Takes a source and the facts of the data, gives its `LayerTable` or None. Guarantees: an entry is used only where the
source, the data's shapes, the versions of torch, torchvision, Python and swc, and the code of our model families are
those it was made with; factories of the user's are never kept, since what they import can change unseen; an entry is
written whole or not at all, and a damaged one is as good as none.
"""

from __future__ import annotations

import json
import os
import sys
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from tempfile import NamedTemporaryFile

from swc.diagnostics import DiagnosticError
from swc.frontend.table import LayerTable
from swc.program.codec import decode, encode
from swc.program.datasets import DataFacts
from swc.program.model_source import ModelSource

DISTRIBUTIONS = ("torch", "torchvision", "swc")


def cache_folder() -> Path:
    """Where entries lie: `$SWC_CACHE`, or `swc` in `$XDG_CACHE_HOME`, or `~/.cache/swc`."""
    own = os.environ.get("SWC_CACHE")
    if own:
        return Path(own)
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "swc"


def load(source: ModelSource, data: DataFacts) -> LayerTable | None:
    """The table kept for a source, or None where there is none that can be used."""
    if not _is_cacheable(source):
        return None
    try:
        table: LayerTable = decode(_entry(source, data).read_text(encoding="utf-8"), LayerTable)
    except (OSError, UnicodeDecodeError, DiagnosticError):  # absent or damaged: it is made again
        return None
    return table


def store(source: ModelSource, data: DataFacts, table: LayerTable) -> None:
    """Keep a table; a folder that cannot be written to costs time later, and nothing else."""
    if not _is_cacheable(source):
        return
    entry = _entry(source, data)
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        _write_whole(entry, encode(table))
    except OSError:
        return


def _is_cacheable(source: ModelSource) -> bool:
    return source.kind != "python"


def _write_whole(path: Path, text: str) -> None:
    with NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=".partial-", delete=False) as partial:
        partial.write(text)
    os.replace(partial.name, path)  # noqa: PTH105 - the name is text, and the step is atomic


def _entry(source: ModelSource, data: DataFacts) -> Path:
    made_with = [str(source.kind), source.name, list(source.arguments), data.num_classes, list(data.image_shape)]
    facts = json.dumps([made_with, _surroundings()], sort_keys=True)
    return cache_folder() / "tables" / f"{sha256(facts.encode()).hexdigest()}.json"


@cache
def _surroundings() -> tuple[str, ...]:
    versions = tuple(f"{name} {version(name)}" for name in DISTRIBUTIONS)
    return (*versions, f"python {sys.version_info[0]}.{sys.version_info[1]}", *map(_hash_of_folder, _code_folders()))


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
