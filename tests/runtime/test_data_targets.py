"""Targets that are no classes: taken as the task needs them, standardised by the training part, drawn in tenths."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from attrs import evolve
from swc.diagnostics import Diagnostic, DiagnosticError
from swc.diagnostics.catalogue.tasks import ConstantTarget, UnfitTargets
from swc.program.data_parts import Portion
from swc.program.datasets import DATA, DataFacts
from swc.program.dividing import divided
from swc.program.task import Task

from swc_runtime.data import Dataset, EpochPlan, epoch_batches, open_data

IMAGES = np.zeros((40, 1, 2, 2), dtype=np.uint8)
NUMBERS = np.arange(40) * 10.0 + 1e6


def facts(task: Task, classes: int = 1) -> DataFacts:
    given = {"function": "given_targets:load", "classes": classes, "shape": ((1, 2, 2),)}
    return evolve(DATA["python"].facts_of(given), task=task)


REGRESSION, PAIRS = facts(Task.of("regression")), facts(Task.of("regression", targets=2), 2)
LABELS = facts(Task.of("multilabel"), 3)


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Dataset]]:
    """Opens data whose training and test examples have these targets."""
    (tmp_path / "given_targets.py").write_text("def load(**given):\n    return answer()\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))

    def opened(train: Any, test: Any = None, facts: DataFacts = REGRESSION) -> Dataset:
        import given_targets  # type: ignore[import-not-found]

        test = train if test is None else test
        given_targets.answer = lambda: ((IMAGES[: len(train)], train), (IMAGES[: len(test)], test))
        return open_data(facts, None, True, lambda _: None)

    yield opened
    sys.modules.pop("given_targets", None)


def refusal(act: Callable[[], object]) -> Diagnostic:
    with pytest.raises(DiagnosticError) as caught:
        act()
    return caught.value.diagnostics[0]


def test_numbers_are_standardised_by_the_training_part_alone(given: Callable[..., Dataset]) -> None:
    found = given(NUMBERS, NUMBERS[:3] + 7)
    assert found.scale is not None
    assert (found.scale.mean, found.scale.deviation) == ((NUMBERS.mean(),), (NUMBERS.std(),))
    assert found.train.labels.shape == (40, 1) and found.train.labels.dtype == torch.float32
    expected = torch.tensor((NUMBERS[:3] + 7 - NUMBERS.mean()) / NUMBERS.std(), dtype=torch.float32)
    assert torch.equal(found.test.labels[:, 0], expected)


@pytest.mark.parametrize(
    "kind", [torch.tensor, lambda found: torch.tensor(found).half(), lambda found: found.astype(int)]
)
def test_any_kind_of_number_is_a_target(given: Callable[..., Dataset], kind: Callable[[Any], Any]) -> None:
    assert given(kind(np.arange(40.0))).train.labels[0, 0] == pytest.approx(-19.5 / np.arange(40.0).std())


def test_several_targets_have_a_scale_each(given: Callable[..., Dataset]) -> None:
    found = given(np.stack([NUMBERS, NUMBERS[::-1] / 1e4], 1), facts=PAIRS)
    assert found.scale is not None and found.scale.deviation[0] == pytest.approx(1e4 * found.scale.deviation[1])
    assert torch.allclose(found.train.labels[:, 0], -found.train.labels[:, 1], atol=1e-5)


def test_batches_carry_the_targets_of_their_images(given: Callable[..., Dataset]) -> None:
    found = given(NUMBERS)
    batches = list(epoch_batches(found.train, EpochPlan((), 16, 0, 0, 0)))
    assert [tuple(targets.shape) for _, targets in batches] == [(16, 1), (16, 1), (8, 1)]
    seen = torch.cat([targets for _, targets in batches])
    assert torch.equal(seen.sort(0).values, found.train.labels)


def test_labels_are_zeros_and_ones(given: Callable[..., Dataset]) -> None:
    found = given(np.tile([True, False, True], (40, 1)), facts=LABELS)
    assert found.train.labels.tolist() == [[1.0, 0.0, 1.0]] * 40 and found.scale is None


@pytest.mark.parametrize(
    ("targets", "facts", "words"),
    [
        (np.array(["1"] * 40), REGRESSION, "are of type `<U1`"),
        (np.full(40, np.nan), REGRESSION, "are not finite in 40 examples"),
        (NUMBERS[:, None, None], REGRESSION, "are of shape [40, 1, 1]"),
        (NUMBERS, PAIRS, "should be 40 x 2 finite numbers, and are of shape [40]"),
        (NUMBERS + 0j, REGRESSION, "are complex"),
        (np.full((40, 3), 2), LABELS, "should be 40 x 3 numbers that are 0 or 1, and are from 2 to 2"),
        (np.zeros((40, 2)), LABELS, "are of shape [40, 2]"),
    ],
    ids=["texts", "nan", "axes", "too few", "complex", "no labels", "of another number"],
)
def test_other_targets_are_refused(given: Callable[..., Dataset], targets: Any, facts: DataFacts, words: str) -> None:
    told = refusal(lambda: given(targets, facts=facts))
    assert isinstance(told, UnfitTargets) and words in told.message() and "of train of" in told.message()


def test_a_constant_target_is_refused_by_its_number(given: Callable[..., Dataset]) -> None:
    told = refusal(lambda: given(np.stack([NUMBERS, np.full(40, 3.5)], 1), facts=PAIRS))
    assert told == ConstantTarget(name="given_targets:load", target=1, value=3.5)


def test_items_of_a_data_set_have_targets_of_one_shape(
    given: Callable[..., Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    import given_targets

    def opened(targets: list[Any], facts: DataFacts) -> Dataset:
        items = type("Examples", (), {"__len__": lambda self: len(targets)})
        items.__getitem__ = lambda self, number: (IMAGES[number], targets[number])  # type: ignore[attr-defined]
        given_targets.answer = lambda: (items(), items())
        return open_data(facts, None, True, lambda _: None)

    assert opened([1.0, 3.0], REGRESSION).train.labels.tolist() == [[-1.0], [1.0]]
    assert opened([np.array([1.0, 0]), torch.tensor([3, 4])], PAIRS).train.labels.tolist() == [[-1.0, -1.0], [1.0, 1.0]]
    told = refusal(lambda: opened([np.array([1.0]), np.array([1.0, 2.0])], PAIRS))
    assert isinstance(told, UnfitTargets) and "are of shapes [1], [2]" in told.message()
    assert isinstance(refusal(lambda: opened([1.0, "high"], REGRESSION)), UnfitTargets)


def test_parts_of_one_number_hold_its_tenths_in_proportion(given: Callable[..., Dataset]) -> None:
    order = np.random.default_rng(1).permutation(40)
    found = given(NUMBERS[order], facts=divided(REGRESSION, None, Portion(share=0.25)))
    assert found.validation is not None and found.scale is not None
    numbers = found.validation.labels[:, 0].double() * found.scale.deviation[0] + found.scale.mean[0]
    tenths = ((numbers - 1e6) / 10).round().div(4, rounding_mode="floor").int()
    assert sorted(tenths.tolist()) == list(range(10))
    assert found.scale.mean[0] != NUMBERS.mean()  # that of the training part
    assert float(found.train.labels.mean()) == pytest.approx(0, abs=1e-6)


def test_parts_of_labels_are_drawn_at_random(given: Callable[..., Dataset]) -> None:
    targets = np.random.default_rng(2).integers(0, 2, (40, 3))
    asked = divided(LABELS, Portion(count=20), Portion(count=10))
    first, second = (given(targets, facts=asked.drawn_by(seed)) for seed in (0, 1))
    assert (len(first.train), len(first.validation or ())) == (20, 10)
    assert first.train.labels.tolist() != second.train.labels.tolist()
    assert first.warnings == ()
