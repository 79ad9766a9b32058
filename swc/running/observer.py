"""Who is told of a run while it goes on: its files, the progress line, or an observer of your own.

Takes the states that a run comes to, and what it saw; gives nothing back. Guarantees: an observer changes nothing of a
run; several are told in their order, on the first of several ranks alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

from attrs import frozen

if TYPE_CHECKING:
    from swc.compiler.driver import Compiled
    from swc.diagnostics import Diagnostic
    from swc.program.feedback import Feedback
    from swc.running.state import State
    from swc.running.surroundings import Trained
    from swc_runtime.evaluate.metrics import EnsembleScores, FinalScores
    from swc_runtime.training.trainer import EpochResult

P = ParamSpec("P")


class Observer:
    """Hears of everything, and does nothing; a subclass overrides what it wants to hear of.

    Epochs are counted from 0: while epoch n is trained, and when it begins, `state.position.epoch` is n; when it is
    done, n + 1. A state's tensors go on changing: what is to be kept of them must be copied.
    """

    def revision_begins(self, compiled: Compiled) -> None:
        """A revision was compiled and will be trained now; at the beginning of a run too."""

    def begins(self, state: State, is_new: bool) -> None:
        """Training begins in this process, at a checkpoint or (`is_new`) where nothing was trained before."""

    def nothing_left(self, state: State) -> None:
        """The run was finished before this process, which trains nothing; `begins` is not told, `finished` is."""

    def folded(self, state: State, evaluation: EnsembleScores) -> None:
        """Scores of a run that begins with given weights, before it trains: what folding has left of them."""

    def epoch_begins(self, state: State) -> None:
        """An epoch begins, or goes on after `state.position.step` steps."""

    def step_done(self, state: State) -> None:
        """The optimiser took a step: the epoch has `state.position.step` now, and `state.tally` the sums over them."""

    def epoch_done(self, state: State, result: EpochResult) -> None:
        """An epoch is done; what it saw on its training batches."""

    def scored(self, state: State, evaluation: EnsembleScores) -> None:
        """Scores after the epoch that was trained last: on the validation part, else on the test images."""

    def average_scored(self, state: State, evaluation: EnsembleScores) -> None:
        """Scores of the same images with the average of the weights, where the recipe asks for one."""

    def measuring(self, state: Trained) -> None:
        """A pass over training images for gradient statistics begins."""

    def images_measured(self, state: Trained, num_images: int) -> None:
        """That pass took another batch, of so many images."""

    def measured(self, feedback: Feedback) -> None:
        """What was measured, before the next revision is compiled from it."""

    def reached(self, state: State) -> None:
        """A transition is over: the run can go on from this state. Called after all that is told of the transition."""

    def finished(self, final: FinalScores) -> None:
        """All stages are trained; the scores of the run."""

    def say(self, line: str) -> None:
        """A line of text for people."""

    def warn(self, warning: Diagnostic) -> None:
        """What a recompile warns of, or a score that could not be taken."""


def _each(method: Callable[Concatenate[Observer, P], None]) -> Callable[Concatenate[Any, P], None]:
    """The method that tells each of several observers what `method` would tell one."""

    def tell(self: Observers, /, *given: P.args, **named: P.kwargs) -> None:
        for observer in self.observers:
            getattr(observer, method.__name__)(*given, **named)

    return tell


@frozen
class Observers(Observer):
    """Several observers as one; none at all is an observer too."""

    observers: tuple[Observer, ...] = ()

    revision_begins = _each(Observer.revision_begins)
    begins = _each(Observer.begins)
    nothing_left = _each(Observer.nothing_left)
    folded = _each(Observer.folded)
    epoch_begins = _each(Observer.epoch_begins)
    step_done = _each(Observer.step_done)
    epoch_done = _each(Observer.epoch_done)
    scored = _each(Observer.scored)
    average_scored = _each(Observer.average_scored)
    measuring = _each(Observer.measuring)
    images_measured = _each(Observer.images_measured)
    measured = _each(Observer.measured)
    reached = _each(Observer.reached)
    finished = _each(Observer.finished)
    say = _each(Observer.say)
    warn = _each(Observer.warn)
