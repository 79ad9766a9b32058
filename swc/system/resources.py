"""Where the files that ship with swc lie: the grammar and the specs.

Takes a relative path, gives an absolute one. Guarantees: an installed wheel and a checkout answer alike.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def root() -> Path:
    """The folder that holds `grammars/` and `specs/`: inside the wheel, or the checkout's root."""
    package = Path(__file__).resolve().parents[1]
    shipped = package / "shipped"
    return shipped if shipped.is_dir() else package.parent


def grammar() -> Path:
    """The grammar of the language."""
    return root() / "grammars" / "sw.lark"


def specs() -> Path:
    """The folder of the shipped specs."""
    return root() / "specs"


def recipes() -> Path:
    """The folder of the shipped recipes, where an import is looked for after the importing file's own folder."""
    return specs() / "recipes"
