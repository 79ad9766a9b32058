"""What an earlier evaluation of the same weights found beside the scores, so that it need not be measured again.

Takes a new evaluation and the file of the one before; gives the new one with the parts it was not asked for.
Guarantees: parts are kept only where every predictor's scores are the same to the bit, so that weights, images and
temperatures are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from math import nan
from pathlib import Path
from typing import Any

from attrs import asdict, evolve

from swc.diagnostics import DiagnosticError
from swc.evaluate.record import Corrupted, Corruptions, Evaluation, Interpolation, Outliers
from swc.files.checksums import is_there, text_of
from swc.files.plain_json import read_json

KEPT = ("outliers", "interpolations", "corruptions")


def with_earlier(found: Evaluation, path: Path, announce: Callable[[str], None]) -> Evaluation:
    """The evaluation with what the file at `path` has and it lacks; `announce` tells what was kept or is dropped."""
    if not is_there(path):
        return found
    try:
        (old,) = read_json(text_of(path), finite=False)["evaluations"]
        wanted = [name for name in KEPT if old[name] and not getattr(found, name)]
        same = _scores(old["predictors"]) == _scores(json.loads(json.dumps([asdict(one) for one in found.predictors])))
        parts = {name: READ[name](old[name]) for name in wanted} if same else {}
    except (DiagnosticError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        announce(f"{path} is damaged: it is rewritten, and holds the scores of this call alone")
        return found
    if wanted:
        what = ", ".join(wanted)
        announce(f"kept from the evaluation before: {what}" if same else f"of other weights or images, dropped: {what}")
    return evolve(found, **parts)


def _scores(predictors: list[Any]) -> list[tuple[Any, ...]]:
    return [(one["members"], one["scores"], one["temperature"]) for one in predictors]


def _outliers(found: list[Mapping[str, Any]]) -> tuple[Outliers, ...]:
    from swc_runtime.evaluate.outliers import Detection

    return tuple(
        Outliers(one["data"], one["num_images"], tuple((name, Detection(**kept)) for name, kept in one["by_measure"]))
        for one in found
    )


def _interpolations(found: list[Mapping[str, Any]]) -> tuple[Interpolation, ...]:
    return tuple(Interpolation(**_tuples(one)) for one in found)


def _corruptions(found: Mapping[str, Any]) -> Corruptions:
    predictors = tuple(Corrupted(**_tuples(one)) for one in found["predictors"])
    return Corruptions(**_tuples(found) | {"predictors": predictors})


def _tuples(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _tuple(value) for name, value in found.items()}


def _tuple(value: Any) -> Any:
    """Lists as tuples; an undefined number in one, which JSON writes as null, is nan again."""
    if not isinstance(value, list):
        return value
    return tuple(nan if part is None else _tuple(part) for part in value)


READ: dict[str, Callable[[Any], Any]] = {
    "outliers": _outliers,
    "interpolations": _interpolations,
    "corruptions": _corruptions,
}
