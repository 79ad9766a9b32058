"""Anytime inference: the best answer within a budget of time or of multiply-adds, and better ones while there is time.

Takes a trained ensemble and a calibration split; gives `AnytimePredictor`. Guarantees: weights are composed once, when
it is entered; a subset is chosen by its scores on the calibration split alone, of classes by its accuracy; an answer is
the mean of the members that ran. Source: paper, section 4 (anytime inference).
Suffixes: M members, B images, C classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from math import inf, isnan
from time import perf_counter
from types import TracebackType
from typing import Self

import torch
from attrs import frozen
from torch import Tensor

from swc_runtime.ensemble import Ensemble
from swc_runtime.evaluate.cost import member_costs, subset_cost
from swc_runtime.evaluate.predict import evaluating, predict
from swc_runtime.evaluate.subsets import Subset, subsets
from swc_runtime.finite import check_predictions
from swc_runtime.inputs import Inputs, moved, size_of, tensors_of
from swc_runtime.precision import Arithmetic, laid_out
from swc_runtime.tasks import rules_of
from swc_runtime.training.steps.losses import widened

MOST_MEMBERS = 12  # of which all subsets are looked at


@frozen
class SubsetChoice:
    """A subset of the members by number, what an image costs, and how good it was on the calibration split.

    `score` is the one that the task's row ranks subsets by: accuracy, mean average precision, NRMSE. An `nll` of nan,
    as numbers have it, is not known.
    """

    members: Subset
    milliseconds: float
    multiply_adds: int
    score: float
    nll: float


@frozen(eq=False)
class Answer:
    """Predictions [B, C], the members whose mean they are, and the seconds since the question.

    Predictions are probabilities of classes or labels, or numbers in deviations of their target.
    """

    predictions: Tensor
    members: Subset
    seconds: float

    @property
    def probabilities(self) -> Tensor:
        """The predictions, by what those of classes and labels are."""
        return self.predictions


class AnytimePredictor:
    """Answers within a budget; use it as a context manager, inside of which the weights stay composed.

    ```python
    with AnytimePredictor.calibrated(ensemble, batches, arithmetic) as predictor:
        answer = predictor.predict(images, milliseconds=5)
    ```
    """

    def __init__(self, ensemble: Ensemble, choices: Iterable[SubsetChoice], arithmetic: Arithmetic) -> None:
        """`choices` must hold every single member; ValueError where one is missing."""
        self.ensemble, self.arithmetic = ensemble, arithmetic
        self.rules = rules_of(ensemble.program.data)
        self.choices = tuple(choices)
        self._single = {choice.members[0]: choice for choice in self.choices if len(choice.members) == 1}
        if set(self._single) != set(range(len(ensemble.members))):
            raise ValueError("every single member must be among the choices")
        self._inside = ExitStack()

    @classmethod
    def calibrated(
        cls, ensemble: Ensemble, batches: Iterable[tuple[Inputs, Tensor]], arithmetic: Arithmetic
    ) -> AnytimePredictor:
        """Look at every subset on a calibration split, which must not be the one that is reported on.

        Times are those of batches as large as the split's first; ValueError for more than 12 members or no images.
        """
        if len(ensemble.members) > MOST_MEMBERS:
            raise ValueError(f"of more than {MOST_MEMBERS} members not all subsets are looked at")
        held = list(batches)
        predictions, targets = predict(ensemble, held, arithmetic)
        rules = rules_of(ensemble.program.data)
        device = next(ensemble.parameters()).device
        costs = member_costs(ensemble, moved(held[0][0], device), arithmetic)
        choices = []
        for subset in subsets(len(ensemble.members)):
            found = rules.score(predictions[list(subset)], targets)
            cost = subset_cost(ensemble.program, subset, costs)
            score = found.value(rules.task.row.ranking.name)
            choices.append(SubsetChoice(subset, cost.milliseconds or 0.0, cost.multiply_adds, score, found.nll))
        return cls(ensemble, choices, arithmetic)

    def __enter__(self) -> Self:
        """Compose the weights and put the members into eval mode; ValueError where they are composed already."""
        if self.ensemble.is_composed:
            raise ValueError("the ensemble holds composed weights already: leave what composed them first")
        with ExitStack() as stack:
            stack.enter_context(evaluating(self.ensemble))
            with torch.no_grad():
                self.ensemble.install(self.ensemble.compose())
            stack.callback(self.ensemble.uninstall)
            self._inside = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the ensemble as it was."""
        self._inside.close()

    def best(self, *, milliseconds: float | None = None, multiply_adds: int | None = None) -> SubsetChoice:
        """The subset with the best score whose image costs no more (None: no limit), of equals the cheapest.

        ValueError where even the cheapest member costs more.
        """
        fitting = [
            choice
            for choice in self.choices
            if (milliseconds is None or choice.milliseconds <= milliseconds)
            and (multiply_adds is None or choice.multiply_adds <= multiply_adds)
        ]
        if not fitting:
            least = min(self._single.values(), key=lambda choice: choice.multiply_adds)
            raise ValueError(
                f"no member fits the budget: the cheapest takes {least.milliseconds:.3g} ms and "
                f"{least.multiply_adds:,} multiply-adds an image"
            )
        return max(fitting, key=lambda choice: (*self._worth(choice), -choice.multiply_adds))

    def _worth(self, choice: SubsetChoice) -> tuple[float, float]:
        """How good a choice is, more is better: by its score, of equals by its likelihood where that is known."""
        score = choice.score if self.rules.task.row.ranking.rises else -choice.score
        return (-inf if isnan(score) else score, 0.0 if isnan(choice.nll) else -choice.nll)

    def predict(self, inputs: Inputs, *, milliseconds: float | None = None, multiply_adds: int | None = None) -> Answer:
        """Ask the best subset within a budget for each image, and stop early where it would take too long after all.

        The budget of time is for each image of the batch. At least one member answers.
        """
        choice = self.best(milliseconds=milliseconds, multiply_adds=multiply_adds)
        seconds = None if milliseconds is None else milliseconds * size_of(inputs) / 1e3
        *_, last = self._run(inputs, self._order(choice.members), seconds)
        return last

    def improve(self, inputs: Inputs, *, seconds: float | None = None) -> Iterator[Answer]:
        """An answer after each member, each better on the calibration split than the one before, while there is time.

        `seconds` are for the whole batch (None: until all members that help have run).
        """
        return self._run(inputs, self._growing(), seconds)

    def _order(self, members: Subset) -> Subset:
        """The best single member first: it answers if the others are not asked any more.

        Of one network the last comes first, as its run gives the others too.
        """
        best = sorted(members, key=lambda number: (-self._worth(self._single[number])[0], number))
        place = {
            number: min(best.index(other) for other in network.members if other in members)
            for network in self.ensemble.networks
            for number in network.members
            if number in members
        }
        return tuple(sorted(members, key=lambda number: (place[number], -number)))

    def _growing(self) -> Subset:
        """Members one after another, each the one that helps most, as long as one does."""
        known = {frozenset(choice.members): choice for choice in self.choices}
        order: list[int] = []
        best = (-inf, -inf)
        while True:
            rest = [number for number in self._single if number not in order]
            grown = {number: known.get(frozenset((*order, number))) for number in rest}
            scored = {number: self._worth(choice) for number, choice in grown.items() if choice is not None}
            if not scored or max(scored.values()) <= best:
                return tuple(order)
            best = max(scored.values())
            order.append(min(number for number, value in scored.items() if value == best))

    def _run(self, inputs: Inputs, order: Subset, seconds: float | None) -> Iterator[Answer]:
        if not self.ensemble.is_composed:
            raise ValueError("the predictor must be entered first: `with predictor: ...`")
        self._check_batch(inputs)
        started = perf_counter()
        total: Tensor | None = None
        known: dict[int, Tensor] = {}
        for count, number in enumerate(order, 1):
            expected = 0.0 if number in known else self._single[number].milliseconds * size_of(inputs) / 1e3
            if count > 1 and seconds is not None and perf_counter() - started + expected > seconds:
                return
            if number not in known:
                known |= self._asked(number, inputs)
            predictions = known[number]
            total = predictions if total is None else total + predictions
            yield Answer(total / count, order[:count], perf_counter() - started)

    def _check_batch(self, inputs: Inputs) -> None:
        """ValueError for one example without the axis of the batch."""
        facts = self.ensemble.program.data
        axes = "C, H, W" if facts.are_images else "..."
        for tensor, shape in zip(tensors_of(inputs), facts.shapes, strict=True):
            if tensor.dim() != len(shape) + 1:
                what, found = "images" if facts.are_images else "inputs", list(tensor.shape)
                example = "image" if facts.are_images else "example"
                raise ValueError(
                    f"{what} must be [B, {axes}], found {found}: one {example} alone is a batch of one, `x[None]`"
                )

    def _asked(self, number: int, inputs: Inputs) -> dict[int, Tensor]:
        """The predictions of a member, and of all others that its network gives with it."""
        network = next(one for one in self.ensemble.networks if number in one.members)
        with torch.no_grad(), self.arithmetic.autocast():
            logits = self.ensemble.run(network, laid_out(inputs), until=network.members.index(number))
        made = self.rules.predictions(widened(logits))
        if made.is_cuda:
            torch.cuda.synchronize(made.device)
        program = self.ensemble.program
        check_predictions(made, [program.members[served].name for served in network.members], program.data.example)
        return dict(zip(network.members, made, strict=False))
