"""What is wrong with parts of a sweep, whoever has written them: a file or options of the command line.

Takes comparisons, storages and names of params; gives the reason in words, or nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from swc.files.evaluation import STORAGES
from swc.sweep.plan import SEED, STORAGE, SettingPair, Sweep
from swc.sweep.values import repeated, written_in_file


def wrong_pair(sweep: Sweep, pair: SettingPair) -> str:
    """What of a comparison the sweep has not got, or nothing."""
    known = dict(sweep.columns)
    for name, value in (*pair.of, *pair.against):
        if name not in known:
            return f"`compare` names `{name}`, which does not vary"
        if value not in known[name]:
            return f"`compare` names the value {value} of `{name}`, which is not run"
    return "`compare` must name two settings that differ" if pair.of == pair.against else ""


def wrong_storage(storage: Sequence[object], params: Collection[str] = ()) -> str:
    """What is wrong with the storages of a sweep in which these params vary, or nothing."""
    unknown = [name for name in storage if name not in STORAGES]
    if unknown or not storage:
        given = f"not {written_in_file(unknown[0])}" if unknown else "and not empty"
        return f"`{STORAGE}` must be a list of {', '.join(STORAGES)}, {given}"
    if STORAGE in params:
        return f"`{STORAGE}` is a param that varies too: give the param another name"
    return repeated(STORAGE, [str(name) for name in storage])


def wrong_names(params: Collection[str], columns: Collection[str] = ()) -> str:
    """What is wrong with the names of params that vary, or nothing; `columns` vary beside them and are called so."""
    if SEED in params:
        return f"`{SEED}` is what a sweep sets itself: give `seeds`, and leave the param away"
    taken = next((name for name in columns if name in params), None)
    return "" if taken is None else f"`{taken}` is a param that varies too: give the param another name"
