"""Predictions of an ensemble over a split, and their scores.

Takes an ensemble and batches; gives probabilities, or `EnsembleScores`. Guarantees: weights are composed once; members
are in eval mode and afterwards in the mode they were in; nothing of the ensemble changes, nor do random numbers drawn
afterwards; a member that draws some itself draws the same for the same batch, whichever process asks it.
Suffixes: M members, N images, B images of a batch, C classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor

from swc_runtime.ensemble import Ensemble, Network
from swc_runtime.evaluate.chance import Dependence, buffers_kept, dependence
from swc_runtime.evaluate.metrics import EnsembleScores, score_ensemble
from swc_runtime.finite import check_predictions
from swc_runtime.inputs import Inputs, device_of, moved, size_of, tensors_of
from swc_runtime.members.seeds import derived_seed, seed_of
from swc_runtime.precision import Arithmetic, laid_out
from swc_runtime.ranks.ranks import ALONE, Ranks
from swc_runtime.tasks import TaskRules, rules_of
from swc_runtime.tasks.rules import Calibration
from swc_runtime.training.steps.losses import widened

ROUNDING, ROUNDING_TO_BFLOAT16 = 1e-3, 5e-2  # how far batches of other sizes may be off, of the largest output


def evaluate(
    ensemble: Ensemble,
    batches: Iterable[tuple[Inputs, Tensor]],
    arithmetic: Arithmetic,
    ranks: Ranks = ALONE,
    rules: TaskRules | None = None,
    calibration: Calibration | None = None,
) -> EnsembleScores:
    """Scores of every member and of the ensemble on batches (inputs, labels [B]).

    `rules` are those of the task (None: without a scale of targets), `calibration` what noise is fitted on. With
    several ranks each is given all batches, predicts some of them, or with its members, and has the scores of all.
    """
    predictions, targets = predict(ensemble, batches, arithmetic, ranks)
    return score_ensemble(predictions, targets, rules or rules_of(ensemble.program.data), calibration)


def predict(
    ensemble: Ensemble, batches: Iterable[tuple[Inputs, Tensor]], arithmetic: Arithmetic, ranks: Ranks = ALONE
) -> tuple[Tensor, Tensor]:
    """Predictions [M, N, C] of the members, in float64, and labels [N], in the order of the batches.

    They are what the task makes of outputs: probabilities, or numbers in deviations of their target; in float32 the
    probability of a sure class would be 1, and all sure predictions alike. ValueError without a batch, DiagnosticError
    where a member's are not finite.
    """
    device = next(ensemble.parameters()).device
    with torch.no_grad(), evaluating(ensemble), ensemble.composed():  # composed outside of autocast, in full
        seen = [
            (_predicted(ensemble, number, moved(inputs, device), arithmetic, ranks), labels.to(device))
            for number, (inputs, labels) in enumerate(batches)
        ]
    if not seen:
        raise ValueError("there are no images to predict")
    probabilities = torch.cat([p for p, _ in seen], dim=1)
    ranks.add_up(probabilities)  # each is zero but on one rank
    check_predictions(probabilities, names_of(ensemble), ensemble.program.data.example)
    return probabilities, torch.cat([labels for _, labels in seen])


def predict_logits(
    ensemble: Ensemble, batches: Iterable[tuple[Inputs, Tensor]], arithmetic: Arithmetic
) -> tuple[Tensor, Tensor]:
    """Logits [M, N, C] of the members, in float32 at least, and labels [N], in the order of the batches.

    What the task makes of them is what `predict` gives. ValueError without a batch, DiagnosticError where a member's
    predictions are not finite.
    """
    device = next(ensemble.parameters()).device
    with torch.no_grad(), evaluating(ensemble), ensemble.composed():
        seen = [
            (_logits(ensemble, number, moved(inputs, device), arithmetic), labels.to(device))
            for number, (inputs, labels) in enumerate(batches)
        ]
    if not seen:
        raise ValueError("there are no images to predict")
    logits = torch.cat([logits for logits, _ in seen], dim=1)
    data = ensemble.program.data
    check_predictions(rules_of(data).predictions(logits), names_of(ensemble), data.example)
    return logits, torch.cat([labels for _, labels in seen])


def names_of(ensemble: Ensemble) -> tuple[str, ...]:
    """The names of all members, in order."""
    return tuple(member.name for member in ensemble.program.members)


def dependences(ensemble: Ensemble, inputs: Inputs, arithmetic: Arithmetic) -> dict[int, Dependence]:
    """By the number of the member that holds a network what its outputs depend on beside each of a few images."""
    tolerance = ROUNDING if arithmetic.rounds_to is None else ROUNDING_TO_BFLOAT16

    def run(network: Network, batch: Inputs) -> Tensor:
        with arithmetic.autocast(), buffers_kept(ensemble.members[network.host]):
            return widened(ensemble.run(network, laid_out(batch)))

    with torch.no_grad(), evaluating(ensemble), ensemble.composed():
        return {
            network.host: dependence(
                partial(run, network), moved(inputs, next(ensemble.parameters()).device), tolerance
            )
            for network in ensemble.networks
        }


def ask(ensemble: Ensemble, inputs: Inputs, arithmetic: Arithmetic) -> Tensor:
    """Logits [M, B, C] in eval mode for inputs on the ensemble's device, finite or not."""
    with torch.no_grad(), evaluating(ensemble), ensemble.composed():
        return _logits(ensemble, 0, inputs, arithmetic)


def _is_own(batch: int, ranks: Ranks) -> bool:
    """Whether this rank runs its members on a batch."""
    return ranks.deals_members or batch % ranks.size == ranks.rank


def _predicted(ensemble: Ensemble, number: int, inputs: Inputs, arithmetic: Arithmetic, ranks: Ranks) -> Tensor:
    """Predictions [M, B, C] for batch `number`, zero where other ranks are asked."""
    runs, rules = _is_own(number, ranks), rules_of(ensemble.program.data)
    own = rules.predictions(_logits(ensemble, number, inputs, arithmetic).double()) if runs else None
    if own is not None and len(own) == len(ensemble.members):
        return own
    shape = (len(ensemble.members), size_of(inputs), ensemble.program.data.num_classes)
    made = torch.zeros(shape, dtype=torch.float64, device=device_of(inputs))
    if own is not None:
        made[list(ensemble.own)] = own
    return made


def _logits(ensemble: Ensemble, number: int, inputs: Inputs, arithmetic: Arithmetic) -> Tensor:
    """Logits [M, B, C] for batch `number`; what members draw depends on it and on the program's seed."""
    seed = derived_seed(seed_of(ensemble.program), f"prediction/{number}")
    with ensemble.noise.seeded(seed, device_of(inputs)), arithmetic.autocast():
        logits_MBC = ensemble(*tensors_of(laid_out(inputs)))
    return widened(logits_MBC)


@contextmanager
def evaluating(ensemble: Ensemble) -> Iterator[None]:
    """Inside, every module is in eval mode; afterwards each is as it was, and so are its buffers."""
    were_training = [module for module in ensemble.modules() if module.training]
    ensemble.eval()
    try:
        with buffers_kept(ensemble):
            yield
    finally:
        for module in were_training:
            module.training = True
