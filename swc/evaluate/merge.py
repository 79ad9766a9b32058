"""What an earlier evaluation of the same weights measured beside the scores, so that it need not be measured again.

Takes a new evaluation and the file of the one before; gives the new one with the parts it was not asked for.
Guarantees: parts are kept only where every predictor's scores are the same to the bit, so that weights, images and
temperatures are; a file of a newer version is refused, and not written over.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import asdict, evolve

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.formats import NewerFile
from swc.files.checksums import is_there
from swc.files.codec import finite_json
from swc.files.disk import load
from swc.files.evaluation import Evaluation
from swc.files.kind_codec import damaged, laid_out
from swc.files.kinds import FILE_KINDS

PARTS = ("interpolations", "corruptions")  # beside outliers, of which each data set is a part


def check_not_newer(path: Path) -> None:
    """DiagnosticError where a newer version wrote the file at `path`, before anything is measured to replace it."""
    try:
        read_evaluation(path)
    except DiagnosticError as error:
        if _is_newer(error):
            raise


def read_evaluation(path: Path) -> Evaluation | None:
    """The evaluation in a file; None where there is none. DiagnosticError where it is damaged, or holds several."""
    if not is_there(path):
        return None
    evaluations: tuple[Evaluation, ...] = load(FILE_KINDS["evaluation"], path).evaluations
    if len(evaluations) != 1:
        raise damaged(FILE_KINDS["evaluation"], str(path), f"it holds {len(evaluations)}")
    return evaluations[0]


def _is_newer(error: DiagnosticError) -> bool:
    return any(isinstance(one, NewerFile) for one in error.diagnostics)


def with_earlier(found: Evaluation, path: Path, announce: Callable[[str], None]) -> Evaluation:
    """The evaluation with what the file at `path` has and it lacks; `announce` says what was kept or is dropped."""
    try:
        old = read_evaluation(path)
    except DiagnosticError as error:
        if _is_newer(error):
            raise
        announce(f"{path} is damaged: it is rewritten, and holds the scores of this call alone")
        return found
    if old is None:
        return found
    earlier = _earlier(old, found)
    same = _scores(old) == _scores(found)
    if earlier:
        what = ", ".join(earlier)
        announce(f"kept from the evaluation before: {what}" if same else f"of other weights or images, dropped: {what}")
    return evolve(found, **earlier) if same else found


def _earlier(old: Evaluation, found: Evaluation) -> dict[str, Any]:
    """By name the parts with what the old evaluation has and the new one lacks; of `--ood` single data sets."""
    parts = {name: getattr(old, name) for name in PARTS if getattr(old, name) and not getattr(found, name)}
    measured = {one.data for one in found.outliers}
    others = tuple(one for one in old.outliers if one.data not in measured)
    return parts | ({"outliers": (*others, *found.outliers)} if others else {})


def _scores(evaluation: Evaluation) -> str:
    """What two evaluations must agree in; as text, since an undefined number does not equal itself."""
    scored: list[Any] = [(one.members, asdict(one.scores), one.temperature) for one in evaluation.predictors]
    return laid_out("line", finite_json(scored))
