"""The sandwich rule: each step trains the largest member, the smallest, and some drawn from those between.

With distillation the largest learns from the labels and teaches the others, in place, what it found in the same step.
Source: Yu and Huang, Universally Slimmable Networks, 2019, sections 3.2 and 3.3; paper, supplementary section 1.1.1.

Guarantees: which members run depends on the step's seed alone, so that ranks agree and a resumed run goes on alike.
"""

from __future__ import annotations

import torch
from swc.program.program import Program
from torch import Tensor

from swc_runtime.ensemble import Ensemble, Network, networks_of
from swc_runtime.training.scalars import member_scalars
from swc_runtime.training.steps.independent import begin
from swc_runtime.training.steps.losses import recipe_losses, widened
from swc_runtime.training.steps.step import Batch, Outcome, StepOptions


def sandwich(ensemble: Ensemble, batch: Batch, options: StepOptions) -> Outcome:
    """Gradients of the summed losses of the networks that this step draws, the largest first."""
    chosen = drawn(ensemble.program, int(ensemble.program.step["random"]), batch.seed)
    distils = bool(ensemble.program.step["distil"])
    begin(ensemble, batch, options)
    found: dict[int, tuple[Tensor, Tensor]] = {}
    teacher: Tensor | None = None
    try:
        for network in chosen:
            with options.arithmetic.autocast():
                logits = ensemble.run(network, batch.inputs)
            logits_MBC = widened(logits)
            losses = _losses(logits_MBC, batch, teacher, options) / batch.total
            losses.sum().backward()  # type: ignore[no-untyped-call]
            if teacher is None and distils:
                teacher = options.rules.predictions(logits_MBC.detach().mean(0))
            hits = options.rules.count(logits_MBC.detach(), batch.labels)
            found |= {m: (losses[n].detach(), hits[n]) for n, m in enumerate(network.members)}
            ensemble.end_member(network.host)
        ensemble.end_step()
    finally:
        ensemble.abandon_step()
    return _outcome(ensemble, found, batch)


def _losses(logits_MBC: Tensor, batch: Batch, teacher_BC: Tensor | None, options: StepOptions) -> Tensor:
    if teacher_BC is None:
        return recipe_losses(logits_MBC, batch.wanted, options)
    return options.rules.imitation(logits_MBC, teacher_BC)


def drawn(program: Program, num_random: int, seed: int) -> tuple[Network, ...]:
    """The networks of a step: the largest, then the drawn ones in the members' order, then the smallest."""
    networks = sorted(networks_of(program), key=lambda network: -_size(program, network))
    if len(networks) <= 2:
        return tuple(networks)
    largest, *between, smallest = networks
    generator = torch.Generator().manual_seed(seed)
    places = torch.randperm(len(between), generator=generator)[:num_random].tolist()
    return (largest, *(between[place] for place in sorted(places)), smallest)


def _size(program: Program, network: Network) -> int:
    """The scalars that a network runs with, whoever owns them."""
    return sum(member_scalars(program, program.members[number].name) for number in network.members)


def _outcome(ensemble: Ensemble, found: dict[int, tuple[Tensor, Tensor]], batch: Batch) -> Outcome:
    """Members that did not run saw nothing."""
    some = next(iter(found.values()))
    nothing = (torch.zeros_like(some[0]), torch.zeros_like(some[1]))
    pairs = [found.get(number, nothing) for number in ensemble.own]
    images = [float(len(batch.labels)) if number in found else 0.0 for number in ensemble.own]
    losses = torch.stack([loss for loss, _ in pairs])
    return Outcome(losses, torch.stack([hit for _, hit in pairs]), losses.new_tensor(images), None)
