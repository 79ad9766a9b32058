"""The code of the user's own that a run is trained with: a hash of each module, kept and held against that of later.

Takes a spec, or the facts of a machine; gives facts, or what is other than it was. Guarantees: modules are read, and
none is run; of a run that kept no hashes nothing is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from swc.files.run import MODULE
from swc.program.spec import Spec
from swc.trust.code import code_of


def code_facts(spec: Spec) -> dict[str, str]:
    """The SHA-256 of each module that the members and the data of a spec consist of, by `module NAME`."""
    return {f"{MODULE}{name}": digest for name, digest in code_of(spec).hashes.items()}


def changed_code(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """What is other than it was, a line for each module in the order of their names."""
    was, found = _modules(before), _modules(now)
    return tuple(_changes(was, found)) if was else ()


def _modules(facts: Mapping[str, str]) -> dict[str, str]:
    return {name.removeprefix(MODULE): digest for name, digest in facts.items() if name.startswith(MODULE)}


def _changes(was: Mapping[str, str], found: Mapping[str, str]) -> Iterator[str]:
    for name in sorted(was.keys() | found.keys()):
        if name not in was or name not in found:
            yield f"module `{name}` is {'gone' if name in was else 'new'}"
        elif was[name] != found[name]:
            yield f"module `{name}` has changed"
