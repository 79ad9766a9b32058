"""What a run is worth with its weights stored in few bits: the scores of `swc eval --stored`.

Takes the folder of a run that has ended and its row in float32; gives the row of another storage. Guarantees: nothing
is trained; an evaluation of the finished run that is there already is not repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from attrs import evolve, frozen

from swc.diagnostics import DiagnosticError
from swc.evaluate.merge import read_evaluation
from swc.evaluate.record import evaluation_folder
from swc.files.evaluation import Evaluation, Storage
from swc.folders.store import RUN
from swc.registry.tasks import TASKS
from swc.running.results import RESULTS
from swc.sweep.children import Ended
from swc.sweep.columns import COSTS, choice_in
from swc.sweep.plan import Cell
from swc.sweep.rows import CellRow, PartScores, scores_of

FILES = {"test": "evaluation.json", "validation": "validation.json"}  # by what `--on` says
Evaluate = Callable[[Sequence[str], Path], Ended]  # `swc eval` with these arguments and its output in a file


class NotScoredError(Exception):
    """`swc eval` has failed; the text says why."""


@frozen
class RoundedRun:
    """A run that has ended, in the folder of its cell, whose weights are stored as `storage` says."""

    folder: Path
    storage: Storage

    def row(self, plain: CellRow, cell: Cell, evaluate: Evaluate) -> CellRow:
        """The row of a cell, from that of the run in float32; `evaluate` is called where there is no evaluation yet.

        NotScoredError where it fails; DiagnosticError where a file of the run is damaged.
        """
        test = self._evaluated("test", evaluate)
        validation = self._evaluated("validation", evaluate) if choice_in(plain.numbers) in plain.numbers else None
        costs = {name: number for name, number in plain.numbers.items() if name in COSTS}
        costs["stored_bytes"] = test.predictors[-1].stored_bytes or 0
        scores = scores_of(_scores(test), _scores(validation) if validation is not None else None, test.task)
        return evolve(plain, cell=cell, numbers=scores | costs)

    def _evaluated(self, part: str, evaluate: Evaluate) -> Evaluation:
        if (found := self._evaluation(part)) is not None:
            return found
        log = self.folder / f"eval-{self.storage}.log"
        asked = ("--stored", self.storage, "--on", part, "--time-batch", "0")
        ended = evaluate([str(self.folder / RUN), *asked], log)
        found = None if ended.status else self._evaluation(part)
        if found is None:
            raise NotScoredError(ended.why("`swc eval`"))
        return found

    def _evaluation(self, part: str) -> Evaluation | None:
        """The evaluation of the finished run that is there; None where it is of an epoch before, or calibrated."""
        run = self.folder / RUN
        path = evaluation_folder(run, self.storage) / FILES[part]
        if not path.is_file() or path.stat().st_mtime_ns < (run / RESULTS).stat().st_mtime_ns:
            return None
        try:
            found = read_evaluation(path)
        except DiagnosticError:  # it is scored again, and then read
            return None
        if found is None or found.stored != self.storage:
            return None
        return None if found.num_calibration and not TASKS[found.task].is_fitted else found


def _scores(found: Evaluation) -> PartScores:
    return PartScores([one.scores for one in found.predictors[: len(found.diversity)]], found.predictors[-1].scores)
