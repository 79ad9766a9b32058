"""Phases cut at their recompiles: a stage trains one compiled program without a change.

Takes `Training`, gives a tuple of `Stage`; stage n trains revision n of the program.
"""

from __future__ import annotations

from attrs import evolve, frozen

from swc.program.training import Action, Phase, Training


@frozen
class Stage:
    """Epochs `start` up to but without `stop` of a phase, then `action` (None at the end of a phase without one)."""

    revision: int
    phase: Phase
    start: int
    stop: int
    action: Action | None

    @property
    def label(self) -> str:
        """How people call it: the phase, and how often its coefficients were untied."""
        return self.phase.name if self.start == 0 else f"{self.phase.name} from epoch {self.start}"


def stages(training: Training) -> tuple[Stage, ...]:
    """Cut phases into stages, in order; revisions are counted over all phases from 0.

    A phase that ends without a split is followed by the next phase on the same sharing graph, but still begins a
    revision of its own, because it may use other coefficients.
    """
    cuts = [cut for phase in training.phases for cut in _cuts(phase)]
    return tuple(Stage(number, *cut) for number, cut in enumerate(cuts))


def _cuts(phase: Phase) -> list[tuple[Phase, int, int, Action | None]]:
    unties = sorted(phase.untie, key=lambda untie: untie.after)
    edges = [0, *(untie.after for untie in unties), phase.epochs]
    actions: list[Action | None] = [*unties, phase.split]
    return [(phase, start, stop, act) for start, stop, act in zip(edges, edges[1:], actions, strict=False)]


def scale_epochs(training: Training, factor: float) -> Training:
    """Shorten (or lengthen) every phase: epochs, milestones, warm-up and `after` alike, at least one epoch a stage."""
    recipe = training.recipe
    phases = tuple(_scale_phase(phase, factor) for phase in training.phases)
    return Training(evolve(recipe, schedule=recipe.schedule.scaled(factor)), phases, training.epochs_scale * factor)


def _scale_phase(phase: Phase, factor: float) -> Phase:
    afters: list[int] = []
    for untie in sorted(phase.untie, key=lambda untie: untie.after):
        earliest = afters[-1] + 1 if afters else 1
        afters.append(max(earliest, round(untie.after * factor)))
    unties = tuple(
        evolve(untie, after=after)
        for untie, after in zip(sorted(phase.untie, key=lambda u: u.after), afters, strict=True)
    )
    epochs = max(1 + (afters[-1] if afters else 0), round(phase.epochs * factor))
    return evolve(phase, epochs=epochs, untie=unties)
