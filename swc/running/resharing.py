"""Between two stages of training: measure, recompile, and take over what the next stage keeps.

Takes what a stage has trained; gives the `Trained` of the next revision, and writes its program, its graph and the
feedback that made them. Guarantees: untying changes no member's output; nothing is recompiled by anything but its spec
and the feedback that is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

import torch
from attrs import evolve

from swc.compiler.driver import Compiled, recompile
from swc.folders.store import revision_folder, write_feedback, write_revision
from swc.program.feedback import Feedback
from swc.program.stages import Stage, stages
from swc.program.training import GroupLayers, SplitClusters, UntieCoefficients
from swc.running.trained import Trained, assembled, batches_of, built
from swc.show.wording import several
from swc_runtime.carry.transfer import carry_weights, untie
from swc_runtime.data import num_batches
from swc_runtime.measure.mixtures import measure_mixtures
from swc_runtime.measure.probe import measure_clusters, measure_coefficients, sketch_clusters
from swc_runtime.measure.sketch import Sketch
from swc_runtime.measure.spectra import measure_spectra
from swc_runtime.precision import laid_out
from swc_runtime.ranks.synced_norms import synchronise
from swc_runtime.training.norm_statistics import reestimate
from swc_runtime.training.optimiser_state import NO_STATE, optimiser_state

if TYPE_CHECKING:
    from swc.running.run import Run

SHARING = ("members", "banks", "tensors", "weights", "private", "slots", "coefficients")  # of a Program
ROUNDING = 1e-5  # a relative residual below this is float32's, not the fit's


def next_revision(run: Run, trained: Trained, stage: Stage) -> Trained:
    """Measure what the stage asks for, recompile, and carry over what the next stage keeps."""
    match stage.action:
        case SplitClusters():
            following = _split(run, trained, stage)
        case GroupLayers():
            following = _grouped(run, trained)
        case UntieCoefficients():
            following = _untied(run, trained, stage)
        case None:
            following = _followed(run, trained, recompile(trained.compiled, None), stage)
    following.epoch = stages(run.training)[following.compiled.revision].start
    if run.machine.ranks.is_first:
        write_revision(revision_folder(run.folder, following.compiled.revision), following.compiled)
    _tell_news(run, trained.compiled, following.compiled)
    return following


def _tell_news(run: Run, before: Compiled, after: Compiled) -> None:
    """What a recompile decided and warns of; it is compiled from scratch, and says what was said before again."""
    for note in after.notes:
        if note not in before.remarks:
            run.progress.say(note)
    for warning in after.warnings:
        if warning.summary() not in before.remarks:
            run.progress.warn(warning)


def _split(run: Run, trained: Trained, stage: Stage) -> Trained:
    compiled = _recompiled_by_clusters(run, trained, stage)
    if stage.phase.carry == "continue":
        return _carried(run, trained, compiled, stage)
    return assembled(run, compiled, built(run, compiled), NO_STATE, 0)


def _grouped(run: Run, trained: Trained) -> Trained:
    """Layers in the groups that pretraining found; everything begins anew, for the bank is another."""
    feedback = measure_mixtures(trained.ensemble)
    _keep_feedback(run, feedback)
    compiled = recompile(trained.compiled, feedback)
    return assembled(run, compiled, built(run, compiled), NO_STATE, 0)


def _recompiled_by_clusters(run: Run, trained: Trained, stage: Stage) -> Compiled:
    assert isinstance(stage.action, SplitClusters)
    if stage.action.sketch is not None:
        return _recompiled_by_sketches(run, trained, stage, stage.action.sketch)
    with run.progress.measuring(stage) as tell:
        feedback, sums = measure_clusters(
            trained.ensemble,
            _measured_batches(run, stage),
            progress=tell,
            context=run.machine.arithmetic.autocast,
            ranks=run.machine.ranks,
        )
    compiled = recompile(trained.compiled, feedback)
    if any(share.templates.is_profiled for share in run.spec.shares):
        feedback = evolve(feedback, spectra=measure_spectra(sums, compiled.program))
        compiled = recompile(trained.compiled, feedback)
    _keep_feedback(run, feedback)
    return compiled


def _recompiled_by_sketches(run: Run, trained: Trained, stage: Stage, buckets: int) -> Compiled:
    assert isinstance(stage.action, SplitClusters)
    epoch = num_batches(len(run.dataset.train), run.recipe.batch)
    sketch = Sketch(min(epoch, stage.action.batches or epoch), buckets, run.recipe.seed)
    with run.progress.measuring(stage) as tell:
        feedback = sketch_clusters(
            trained.ensemble,
            _measured_batches(run, stage),
            sketch,
            progress=tell,
            context=run.machine.arithmetic.autocast,
            ranks=run.machine.ranks,
        )
    _keep_feedback(run, feedback)
    return recompile(trained.compiled, feedback)


def _keep_feedback(run: Run, feedback: Feedback) -> None:
    if run.machine.ranks.is_first:
        write_feedback(run.folder, feedback)


def _untied(run: Run, trained: Trained, stage: Stage) -> Trained:
    with run.progress.measuring(stage) as tell:
        feedback = measure_coefficients(
            trained.ensemble,
            _measured_batches(run, stage),
            progress=tell,
            context=run.machine.arithmetic.autocast,
            ranks=run.machine.ranks,
        )
    _keep_feedback(run, feedback)
    compiled = recompile(trained.compiled, feedback)
    state = optimiser_state(trained.ensemble, trained.optimiser, run.recipe)
    return assembled(run, compiled, *untie(trained.ensemble, state, compiled.program), 0)


def _measured_batches(run: Run, stage: Stage) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The batches of the epoch that would come next, all of them or as many as the action asks for."""
    assert isinstance(stage.action, SplitClusters | UntieCoefficients)
    batches = batches_of(run, stage, stage.stop)
    return ((laid_out(images), labels) for images, labels in islice(batches, stage.action.batches))


def _followed(run: Run, trained: Trained, compiled: Compiled, stage: Stage) -> Trained:
    """The next phase after one that measured nothing: to the bit where it shares in the same way."""
    old, new = trained.compiled.program, compiled.program
    if any(getattr(old, name) != getattr(new, name) for name in SHARING):
        return _carried(run, trained, compiled, stage)
    state = optimiser_state(trained.ensemble, trained.optimiser, run.recipe)
    return assembled(run, compiled, *untie(trained.ensemble, state, new), 0)


def _carried(run: Run, trained: Trained, compiled: Compiled, stage: Stage) -> Trained:
    state = optimiser_state(trained.ensemble, trained.optimiser, run.recipe)
    carried = carry_weights(trained.ensemble, state, compiled.program)
    worst = max((residual.relative for residual in carried.residuals), default=0.0)
    if worst <= ROUNDING:
        run.progress.say("weights carried exactly, to rounding")
    else:
        banks = sum(residual.relative > ROUNDING for residual in carried.residuals)
        run.progress.say(
            f"weights carried with a residual of at most {worst:.2g} in {several(banks, 'bank')}; norms estimated again"
        )
        if run.machine.sync_norms:
            synchronise(carried.ensemble, run.machine.ranks)
        reestimate(carried.ensemble, batches_of(run, stage, stage.stop), run.machine.arithmetic, run.machine.ranks)
    return assembled(run, compiled, carried.ensemble, carried.state, 0)
