"""What happens between two stages of training, an object for each action: measure, recompile, carry.

Takes the state that a stage has trained; gives feedback, the next revision, and what it keeps of the state. Guarantees:
untying changes no member's output; nothing is compiled by anything but its spec and the feedback that is written down.
"""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from swc.compiler.driver import Compiled, recompile
from swc.compiler.passes.split_number import cuts_of
from swc.program.feedback import ClusterFeedback, Feedback
from swc.program.training import GroupLayers, SplitClusters, UntieCoefficients, row_of
from swc.registry.actions import ACTIONS
from swc.running.checkpoints import untrained
from swc.running.given_weights import GivenFold, fold_given
from swc.running.state import own_members
from swc.show.wording import several
from swc_runtime.carry.transfer import carry_weights, untie
from swc_runtime.ensemble import Ensemble
from swc_runtime.measure.mixtures import measure_mixtures
from swc_runtime.measure.probe import measure_clusters, measure_coefficients, sketch_clusters
from swc_runtime.measure.sketch import Sketch
from swc_runtime.measure.spectra import measure_spectra
from swc_runtime.precision import laid_out
from swc_runtime.ranks.synced_norms import synchronise
from swc_runtime.training.input_statistics import fit_inputs
from swc_runtime.training.norm_statistics import reestimate
from swc_runtime.training.optimiser_state import NO_STATE, OptimiserState

if TYPE_CHECKING:
    from swc.running.observer import Observer
    from swc.running.run import Batches
    from swc.running.surroundings import Surroundings, Trained

SHARING = ("members", "banks", "tensors", "weights", "private", "slots", "coefficients")  # of a Program
FEW = 4  # remarks on given weights that are said at once: the whole, and the layers that keep least
ROUNDING = 1e-5  # a relative residual below this is float32's, not the fit's

NextParts = tuple[Ensemble, OptimiserState]
"""What the next stage begins with: its ensemble, and what its optimiser keeps."""


@frozen
class StageAction:
    """What ends a stage; this one measures nothing, and the next phase goes on with all there is.

    A subclass says what it does otherwise. `action` is what the spec says of it (None: nothing).
    """

    action: Any = None

    def measure(self, run: Surroundings, state: Trained, observer: Observer) -> Feedback | None:
        """What the next revision is compiled from; None where nothing is measured. Changes nothing of the state."""
        return None

    def recompile(self, compiled: Compiled, feedback: Feedback | None) -> Compiled:
        """The next revision."""
        return recompile(compiled, feedback)

    def carry(self, run: Surroundings, state: Trained, compiled: Compiled, observer: Observer) -> NextParts:
        """What the next revision keeps of the state: to the bit where it shares in the same way, else as it fits."""
        old, new = state.compiled.program, compiled.program
        if any(getattr(old, name) != getattr(new, name) for name in SHARING):
            return carry_fitted(run, state, compiled, observer)
        return untie(state.ensemble, state.optimiser_state, new)


@frozen
class ClusterSplit(StageAction):
    """`then split clusters`: where gradients of the layers of a cluster conflict, it is split."""

    action: SplitClusters

    def measure(self, run: Surroundings, state: Trained, observer: Observer) -> Feedback:
        """Similarities of layers, exact or by sketches; spectra of the new banks where templates are `profiled`.

        Beside them where a split by number cuts the similarities.
        """
        feedback = self._measured(run, state, observer)
        return evolve(feedback, cuts=cuts_of(state.compiled.graph, feedback, self.action))

    def _measured(self, run: Surroundings, state: Trained, observer: Observer) -> ClusterFeedback:
        if self.action.sketch is not None:
            return self._sketched(run, state, observer, self.action.sketch)
        batches = measured_batches(run, state, observer, self.action.batches)
        feedback, sums = measure_clusters(state.ensemble, batches, **measuring_options(run, state, observer))
        if not any(share.templates.is_profiled for share in run.spec.shares):
            return feedback
        split = recompile(state.compiled, feedback)  # by it one knows the banks, and by their spectra their sizes
        return evolve(feedback, spectra=measure_spectra(sums, split.program))

    def _sketched(self, run: Surroundings, state: Trained, observer: Observer, buckets: int) -> ClusterFeedback:
        epoch = run.steps_per_epoch
        sketch = Sketch(min(epoch, self.action.batches or epoch), buckets, run.recipe.seed)
        batches = measured_batches(run, state, observer, self.action.batches)
        return sketch_clusters(state.ensemble, batches, sketch, **measuring_options(run, state, observer))

    def carry(self, run: Surroundings, state: Trained, compiled: Compiled, observer: Observer) -> NextParts:
        """Weights fitted to the new banks after `then continue`, fresh ones after `then restart`."""
        if state.stage.phase.carry == "continue":
            return carry_fitted(run, state, compiled, observer)
        return carry_nothing(run, compiled, observer)


@frozen
class LayerGrouping(StageAction):
    """`then group layers`: layers in the groups that pretraining found."""

    action: GroupLayers

    def measure(self, run: Surroundings, state: Trained, observer: Observer) -> Feedback:
        """What each layer took of the templates of its one bank."""
        return measure_mixtures(state.ensemble)

    def carry(self, run: Surroundings, state: Trained, compiled: Compiled, observer: Observer) -> NextParts:
        """Nothing, for the bank is another."""
        return carry_nothing(run, compiled, observer)


@frozen
class CoefficientUntie(StageAction):
    """`after N epochs untie coefficients`: slots whose gradients disagree get coefficients of their own."""

    action: UntieCoefficients

    def measure(self, run: Surroundings, state: Trained, observer: Observer) -> Feedback:
        """Similarities of the slots that are tied."""
        batches = measured_batches(run, state, observer, self.action.batches)
        return measure_coefficients(state.ensemble, batches, **measuring_options(run, state, observer))

    def carry(self, run: Surroundings, state: Trained, compiled: Compiled, observer: Observer) -> NextParts:
        """Everything, to the bit."""
        return untie(state.ensemble, state.optimiser_state, compiled.program)


def action_after(state: Trained) -> StageAction:
    """What ends the stage of a state, as its row says."""
    action = state.stage.action
    if action is None:
        return StageAction()
    made: StageAction = ACTIONS.load(row_of(action).name)(action)
    return made


def measured_batches(run: Surroundings, state: Trained, observer: Observer, most: int | None) -> Batches:
    """The batches of the epoch that would come next, all of them or `most`."""
    observer.measuring(state)
    batches = run.batches(state.stage.phase, state.stage.stop)
    return ((laid_out(inputs), labels) for inputs, labels in islice(batches, most))


def measuring_options(run: Surroundings, state: Trained, observer: Observer) -> dict[str, Any]:
    """What all measures of gradients are told: the arithmetic, the ranks, and who hears of each batch."""
    progress = partial(observer.images_measured, state)
    return {"progress": progress, "context": run.machine.arithmetic.autocast, "ranks": run.machine.ranks}


def carry_nothing(run: Surroundings, compiled: Compiled, observer: Observer) -> NextParts:
    """A fresh ensemble, and an optimiser that begins; what is to be said of given weights is said in short."""
    ensemble, folded = fresh(run, compiled)
    for remark in folded.remarks[:FEW]:
        observer.say(remark)
    settle_given(run, compiled, ensemble, folded)
    return ensemble, NO_STATE


def fresh(run: Surroundings, compiled: Compiled) -> tuple[Ensemble, GivenFold]:
    """The ensemble that a revision begins with where nothing is carried, and what became of given weights.

    Its members have seen the training part where they want that. Asks nothing of other processes; what they do
    together afterwards is `settle_given`.
    """
    ensemble = untrained(compiled, run.machine.device, own_members(run.machine, compiled))
    fit_inputs(ensemble, run.plain_batches)
    return ensemble, fold_given(compiled, ensemble, run.given_digest)


def settle_given(run: Surroundings, compiled: Compiled, ensemble: Ensemble, folded: GivenFold) -> None:
    """Estimate norms again where given weights could not be kept whole; all processes come here at once.

    `folded` is every process's own: where one has lost something, all estimate.
    """
    if not folded.remarks or not run.machine.ranks.on_any(folded.has_lost):
        return
    assert compiled.stage is not None, "what is trained has a stage"
    _estimate_norms(run, ensemble, run.batches(compiled.stage.phase, compiled.stage.start))


def _estimate_norms(run: Surroundings, ensemble: Ensemble, batches: Batches) -> None:
    """Running statistics over batches, of the images that norms see in training."""
    if run.machine.sync_norms:
        synchronise(ensemble, run.machine.ranks)
    reestimate(ensemble, batches, run.machine.arithmetic, run.machine.ranks)


def carry_fitted(run: Surroundings, state: Trained, compiled: Compiled, observer: Observer) -> NextParts:
    """Weights and the optimiser's state fitted to the new banks; norms estimated again where these do not fit."""
    carried = carry_weights(state.ensemble, state.optimiser_state, compiled.program)
    worst = max((residual.relative for residual in carried.residuals), default=0.0)
    if worst <= ROUNDING:
        observer.say("weights carried exactly, to rounding")
        return carried.ensemble, carried.state
    banks = several(sum(residual.relative > ROUNDING for residual in carried.residuals), "bank")
    observer.say(f"weights carried with a residual of at most {worst:.2g} in {banks}; norms estimated again")
    _estimate_norms(run, carried.ensemble, run.batches(state.stage.phase, state.stage.stop))
    return carried.ensemble, carried.state
