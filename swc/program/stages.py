"""Phases cut at their recompiles: a stage trains one compiled program without a change.

Takes `Training`, gives a tuple of `Stage`; stage n trains revision n of the program.
"""

from __future__ import annotations

from attrs import evolve, frozen

from swc.program.training import Action, Phase, Training, row_of


@frozen
class Stage:
    """Epochs `start` up to but without `stop` of a phase, then `action` (None at the end of a phase without one).

    With `patience` it may end before `stop`: after so many epochs without a better score.
    """

    revision: int
    phase: Phase
    start: int
    stop: int
    action: Action | None

    @property
    def patience(self) -> int | None:
        """The phase's patience where this is its last stage: all that is to happen within it has happened."""
        return self.phase.patience if self.stop == self.phase.epochs else None

    @property
    def length(self) -> str:
        """How many epochs it has, in words: `10`, `up to 190`."""
        return f"{'' if self.patience is None else 'up to '}{self.stop - self.start:,}"

    @property
    def end(self) -> str:
        """What it leaves, in words: `epoch 20 of main`, `the best of up to 200 epochs of main`."""
        if self.patience is None:
            return f"epoch {self.stop} of {self.phase.name}"
        return f"the best of up to {self.stop} epochs of {self.phase.name}"

    @property
    def label(self) -> str:
        """How people call it: the phase, and from where in it on."""
        return self.phase.name if self.start == 0 else f"{self.phase.name} from epoch {self.start}"


def stages(training: Training) -> tuple[Stage, ...]:
    """Cut phases into stages, in order; revisions are counted over all phases from 0.

    A phase that ends without a split is followed by the next phase on the same sharing graph, but still begins a
    revision of its own, because it may use other coefficients.
    """
    cuts = [cut for phase in training.phases for cut in _cuts(phase)]
    return tuple(Stage(number, *cut) for number, cut in enumerate(cuts))


def _cuts(phase: Phase) -> list[tuple[Phase, int, int, Action | None]]:
    edges = [0, *(action.after for action in phase.within), phase.epochs]
    actions: list[Action | None] = [*phase.within, phase.split]
    return [(phase, start, stop, act) for start, stop, act in zip(edges, edges[1:], actions, strict=False)]


def scale_epochs(training: Training, factor: float) -> Training:
    """Shorten (or lengthen) every phase: epochs, patience, milestones, warm-up, `after`; at least an epoch a stage."""
    recipe = training.recipe
    phases = tuple(_scale_phase(phase, factor) for phase in training.phases)
    return Training(evolve(recipe, schedule=recipe.schedule.scaled(factor)), phases, training.epochs_scale * factor)


def _scale_phase(phase: Phase, factor: float) -> Phase:
    afters: list[int] = []
    for action in phase.within:
        earliest = afters[-1] + 1 if afters else 1
        afters.append(max(earliest, round(action.after * factor)))
    epochs = max(1 + (afters[-1] if afters else 0), round(phase.epochs * factor))
    patience = None if phase.patience is None else max(1, round(phase.patience * factor))
    return evolve(phase.with_afters(afters), epochs=epochs, patience=patience)


def frozen_at(training: Training | None, revision: int) -> tuple[str, ...]:
    """The roles of parameters that get no updates in a revision, sorted: what earlier actions froze.

    A phase that ends with a restart, or with layers in groups, leaves nothing of it: all is fresh after it. Phases of
    3 epochs, frozen after 1, then 2 without an action: revisions 0 (nothing), 1 and 2 (frozen).
    """
    roles: set[str] = set()
    for stage in stages(training)[:revision] if training is not None else ():
        if stage.action is None:
            continue
        is_fresh = stage.action is stage.phase.split and not keeps_weights(stage.phase)
        roles = set() if is_fresh else roles | set(row_of(stage.action).freezes)
    return tuple(sorted(roles))


def keeps_weights(phase: Phase) -> bool:
    """Whether what a phase has trained is there in the next one."""
    return phase.split is None or (phase.is_search and phase.carry == "continue")
