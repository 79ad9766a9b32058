"""An observer that writes a run into a tracker of experiments: what was asked, every score, what it came to.

Takes what a run comes to; tells a `Tracker`, of which `swc.loops.mlflow` is one. Guarantees: a run that goes on is told
as the same run; nothing of a run depends on its tracker; one that fails ends the run, so that nothing goes missing in
its record without a word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from math import isfinite
from typing import TYPE_CHECKING, Literal, Protocol

from attrs import frozen

from swc.diagnostics import DiagnosticError
from swc.diagnostics.numbers import in_full
from swc.program.choice import Choice
from swc.registry.row import shown_value
from swc.running.observer import Observer
from swc.show.wording import budget_text

if TYPE_CHECKING:
    from swc.compiler.driver import Compiled
    from swc.running.run import Run
    from swc.running.state import State
    from swc_runtime.evaluate.metrics import EnsembleScores, FinalScores
    from swc_runtime.training.trainer import EpochResult

End = Literal["done", "stopped", "failed"]


class Tracker(Protocol):
    """Where runs are written down; a method raises DiagnosticError where that cannot be done."""

    def begin(self, name: str, place: str, is_new: bool) -> bool:
        """A run begins, or goes on; `place` tells it from others. Gives whether the tracker hears of it first."""
        ...

    def settings(self, values: Mapping[str, str]) -> None:
        """What was asked for, by name; told once."""
        ...

    def numbers(self, values: Mapping[str, float], epoch: int) -> None:
        """What was measured after so many epochs of the whole run, by name."""
        ...

    def text(self, name: str, content: str) -> None:
        """A file of text."""
        ...

    def end(self, how: End) -> None:
        """The run is over in this process."""
        ...


@frozen(eq=False)
class TrackedRun(Observer):
    """Tells a tracker of a run.

    Names of numbers are `main/loss/MEMBER`, after the phase, and `test/top1/ensemble` at the end; texts are the graph
    and the notes of each revision.
    """

    run: Run
    tracker: Tracker

    def begins(self, state: State, is_new: bool) -> None:
        """The name, and what was asked."""
        if self.tracker.begin(self.run.spec.name, str(self.run.folder.resolve()), is_new):
            self.tracker.settings(settings_of(self.run))
            self._tell_revision(state.compiled)

    def revision_begins(self, compiled: Compiled) -> None:
        """The sharing graph; that of the first revision is told with what was asked."""
        if compiled.revision:
            self._tell_revision(compiled)

    def epoch_done(self, state: State, result: EpochResult) -> None:
        """Losses and seconds."""
        named = zip(self.run.members, result.losses, strict=True)
        numbers = {f"{state.stage.phase.name}/loss/{name}": loss for name, loss in named}
        self._tell({**numbers, "seconds": result.seconds}, state)

    def scored(self, state: State, evaluation: EnsembleScores) -> None:
        """Scores of the members and the ensemble."""
        of = f"{state.stage.phase.name}/{evaluation.part or 'test'}"
        self._tell(self._scores(of, evaluation), state)

    def average_scored(self, state: State, evaluation: EnsembleScores) -> None:
        """The same with the average of the weights, under `main/average`."""
        of = f"{state.stage.phase.name}/average/{evaluation.part or 'test'}"
        self._tell(self._scores(of, evaluation), state)

    def finished(self, final: FinalScores) -> None:
        """The scores of the run; those with the average of the weights under `final/average`."""
        numbers = self._final("final", final)
        if final.average is not None:
            numbers |= self._final("final/average", final.average)
        self.tracker.numbers(_finite(numbers), sum(stage.stop - stage.start for stage in self.run.stages))

    def _final(self, of: str, final: FinalScores) -> dict[str, float]:
        numbers = self._scores(f"{of}/test", final.test)
        if final.validation is not None:
            numbers |= self._scores(f"{of}/validation", final.validation)
        return numbers

    def _tell_revision(self, compiled: Compiled) -> None:
        from swc.compiler.ir.text import print_graph

        self.tracker.text(f"revisions/{compiled.revision}/graph.txt", print_graph(compiled.graph))
        self.tracker.text(f"revisions/{compiled.revision}/notes.txt", "\n".join(compiled.remarks) + "\n")

    def _scores(self, of: str, evaluation: EnsembleScores) -> dict[str, float]:
        named = (*zip(self.run.members, evaluation.members, strict=True), ("ensemble", evaluation.ensemble))
        return {f"{of}/{metric}/{name}": value for name, scores in named for metric, value in scores.by_name().items()}

    def _tell(self, numbers: Mapping[str, float], state: State) -> None:
        self.tracker.numbers(_finite(numbers), epochs_done(self.run, state))


def epochs_done(run: Run, state: State) -> int:
    """The epochs of the whole run that are trained: those of all stages before, and those of this one."""
    before = sum(stage.stop - stage.start for stage in run.stages[: state.stage.revision])
    return before + state.position.epoch - state.stage.start


def settings_of(run: Run) -> dict[str, str]:
    """What was asked of a run, by name: the ensemble, its params, the recipe, and what it computes on."""
    recipe = run.recipe
    asked = {
        "ensemble": run.spec.name,
        "data": run.spec.data.title,
        "budget": budget_text(run.spec.budget),
        "epochs": str(sum(phase.epochs for phase in run.training.phases)),
        "epochs_scale": in_full(run.training.epochs_scale),
        "batch": str(recipe.batch),
        "optimiser": _written(recipe.optimiser),
        "schedule": _written(recipe.schedule),
        "seed": str(recipe.seed),
        "spec_hash": run.spec_hash,
        "device": run.machine.device,
    }
    return asked | {f"param/{name}": str(value) for name, value in run.spec.params}


def _written(choice: Choice) -> str:
    """A choice with its values, as a spec has them: `sgd(lr: 0.1, momentum: 0.9)`."""
    values = ", ".join(f"{name}: {shown_value(value)}" for name, value in choice.arguments)
    return f"{choice.name}({values})" if values else choice.name


def _finite(numbers: Mapping[str, float]) -> dict[str, float]:
    """Numbers that trackers take: what is not finite was told by the run itself."""
    return {name: value for name, value in numbers.items() if isfinite(value)}


@contextmanager
def tracked(run: Run, tracker: Tracker) -> Iterator[TrackedRun]:
    """Gives the observer; at the end the tracker is told how the run ended in this process."""
    try:
        yield TrackedRun(run, tracker)
    except BaseException as error:  # raised again: whatever ends a run, the tracker should hear of it
        with suppress(DiagnosticError):  # what ended it is told first, and not that the tracker is out of reach
            tracker.end("failed" if isinstance(error, Exception) else "stopped")  # a signal is none of these
        raise
    tracker.end("done")
