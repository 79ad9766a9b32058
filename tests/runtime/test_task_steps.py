"""Every step strategy trains every task: its loss, and what is counted of each member, free of any graph."""

from __future__ import annotations

import pytest
import torch
from attrs import evolve
from swc.files.run import TargetScale
from swc.program.program import Program
from swc.program.steps import StepPlan
from swc.program.task import Task
from swc.program.training import Loss

from support.lockstep import Lockstep, together
from support.programs import ensemble_of, images, tiny_program
from swc_runtime.precision import choose_arithmetic
from swc_runtime.tasks import rules_of
from swc_runtime.training.losses import loss_of
from swc_runtime.training.reduction import StepCounts, combine
from swc_runtime.training.steps import STEPS, Batch, StepOptions
from swc_runtime.training.trainer import Tally

MEMBERS = ((1, 4, 4), (1, 3, 4), (1, 3, 3))
NUMBERS = torch.tensor([[0.5, -1.0], [1.5, 0.0], [-0.5, 0.25], [0.0, 2.0], [1.0, 1.0], [-1.0, 0.0]])
UNIT = TargetScale((0.0, 0.0), (3.0, 3.0))
TASKS = {
    "regression": (Task.of("regression", targets=2), NUMBERS, ("mse", "mae", "huber")),
    "multilabel": (Task.of("multilabel"), (NUMBERS > 0).float(), ("binary_cross_entropy",)),
}
ARGUMENTS: dict[str, dict[str, int | float | bool]] = {
    "independent": {"average": False},
    "split": {},
    "sandwich": {"random": 1, "distil": True},
    "joint": {"input_repetition": 0.0, "batch_repetition": 1},
}


def program_of(task: Task, step: str) -> Program:
    program = tiny_program(MEMBERS, (("0",), ("1",)))
    facts = evolve(program.data, task=task, num_classes=2)
    return evolve(program, data=facts, step=StepPlan(step, tuple(sorted(ARGUMENTS[step].items()))))


@pytest.mark.parametrize("step", ARGUMENTS)
@pytest.mark.parametrize("task", TASKS)
def test_a_step_counts_what_its_task_does(task: str, step: str) -> None:
    chosen, targets, losses = TASKS[task]
    program = program_of(chosen, step)
    ensemble, rules = ensemble_of(program, torch.float32), rules_of(program.data, UNIT)
    options = StepOptions(choose_arithmetic("float32", "cpu"), loss_of(Loss.of(losses[0])), rules=rules)
    outcome = STEPS[step](ensemble, Batch(images(6, dtype=torch.float32), targets), options)
    counts = StepCounts.of(outcome, targets, ensemble, rules)
    assert not counts.hits.requires_grad and not counts.together.requires_grad
    assert float(counts.seen.sum()) == {"split": 6, "sandwich": 18}.get(step, 18)
    assert all(parameter.grad is not None for parameter in ensemble.banks)
    tally = Tally.empty(3, rules=rules)
    tally.add(counts)
    result = tally.result()
    assert result.score == chosen.row.tally.name and len(result.counted) == 3 and result.accuracies == ()
    assert (result.ensemble is not None) == (step == "independent")


def test_the_mse_of_members_is_what_their_tally_is_the_root_of() -> None:
    program = program_of(TASKS["regression"][0], "independent")
    ensemble, rules = ensemble_of(program, torch.float32), rules_of(program.data, UNIT)
    options = StepOptions(choose_arithmetic("float32", "cpu"), loss_of(Loss.of("mse")), rules=rules)
    outcome = STEPS["independent"](ensemble, Batch(images(6, dtype=torch.float32), NUMBERS), options)
    tally = Tally.empty(3, rules=rules)
    tally.add(StepCounts.of(outcome, NUMBERS, ensemble, rules))
    result = tally.result()
    assert [value**2 / 9 for value in result.values] == pytest.approx(outcome.losses.tolist(), rel=1e-5)


@pytest.mark.parametrize("name", TASKS["regression"][2])
def test_losses_add_up_over_parts_of_a_batch(name: str) -> None:
    loss, outputs = loss_of(Loss.of(name)), NUMBERS.flip(0)
    parts = loss(outputs[:2], NUMBERS[:2]) + loss(outputs[2:], NUMBERS[2:])
    assert float(loss(outputs, NUMBERS)) == pytest.approx(float(parts))


def test_losses_are_those_of_their_formulas() -> None:
    outputs, error = NUMBERS + 2.0, 2.0
    values = {"mse": error**2, "mae": error, "huber": 1 * (error - 0.5)}
    for name, value in values.items():
        assert float(loss_of(Loss.of(name))(outputs, NUMBERS)) == pytest.approx(6 * value)
    labels, logits = (NUMBERS > 0).float(), NUMBERS
    expected = torch.where(labels > 0, -logits.sigmoid().log(), -(1 - logits.sigmoid()).log()).mean(-1).sum()
    assert float(loss_of(Loss.of("binary_cross_entropy"))(logits, labels)) == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize("placement", ["images", "members"])
def test_several_processes_count_as_one(placement: str) -> None:
    program = program_of(TASKS["regression"][0], "independent")
    rules = rules_of(program.data, UNIT)

    def counted(ensemble, share, rank=None):  # type: ignore[no-untyped-def]
        options = StepOptions(choose_arithmetic("float32", "cpu"), loss_of(Loss.of("mse")), rules=rules)
        batch = Batch(images(6, dtype=torch.float32)[share], NUMBERS[share], 6)
        outcome = STEPS["independent"](ensemble, batch, options)
        seen = StepCounts.of(outcome, batch.labels, ensemble, rules)
        found = seen if rank is None else combine(ensemble, seen, batch, rank, rules)
        tally = Tally.empty(3, rules=rules)
        tally.add(found)
        return tally.result()

    alone = ensemble_of(program, torch.float32).eval()
    wanted = counted(alone, slice(None))
    ensembles, results = [ensemble_of(program, torch.float32).eval() for _ in range(2)], {}

    def act(rank: Lockstep) -> None:
        ensemble = ensembles[rank.rank]
        ensemble.own = rank.own(3) or ensemble.own
        share = slice(None) if placement == "members" else slice(3 * rank.rank, 3 * rank.rank + 3)
        results[rank.rank] = counted(ensemble, share, rank)

    together(2, placement, act)
    for found in results.values():
        assert found.values == pytest.approx(wanted.values, rel=1e-5)
        assert found.ensemble == pytest.approx(wanted.ensemble, rel=1e-5)
