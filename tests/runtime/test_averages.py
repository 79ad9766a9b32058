"""The average of an ensemble's numbers over steps, against torch's own."""

from __future__ import annotations

import pytest
import torch
from swc.program.training import Optimiser, Phase, Recipe, WeightAverage
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from support.programs import ensemble_of, images, tiny_program
from swc_runtime.ensemble import Ensemble, state_tensors
from swc_runtime.precision import Arithmetic
from swc_runtime.training.averages import AveragedWeights
from swc_runtime.training.optimiser import make_optimiser
from swc_runtime.training.trainer import Epoch, OnStep, train_epoch

FULL = Arithmetic("cpu", torch.float64, "tests")
RECIPE = Recipe("tests", batch=4, optimiser=Optimiser.of("sgd", lr=0.1))
BATCH = (images(4, 0, torch.float64), torch.tensor([0, 1, 1, 0]))
STEPS = 5


def fresh() -> Ensemble:
    return ensemble_of(tiny_program([(1, 4, 4, 6), (1, 6, 6, 7)]))


def averaged() -> AveragedWeights:
    return AveragedWeights(WeightAverage.of("ema", decay=0.7))


def trained(ensemble: Ensemble, average: AveragedWeights | None, on_step: OnStep | None = None) -> None:
    epoch = Epoch(Phase("p", 1), 0, STEPS, average=average)
    train_epoch(ensemble, make_optimiser(ensemble, RECIPE), [BATCH] * STEPS, RECIPE, epoch, FULL, on_step)


def copied(ensemble: Ensemble) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in state_tensors(ensemble).items()}


def test_the_average_is_torchs_to_the_bit() -> None:
    ensemble, average = fresh(), averaged()
    theirs = AveragedModel(ensemble.members, multi_avg_fn=get_ema_multi_avg_fn(0.7), use_buffers=True)
    trained(ensemble, average, lambda *_: theirs.update_parameters(ensemble.members))
    expected = dict(theirs.module.named_parameters()) | dict(theirs.module.named_buffers())
    names = [plan.name for plan in ensemble.program.members]
    for path, tensor in expected.items():
        number, _, rest = path.partition(".")
        if tensor.is_floating_point():
            assert torch.equal(average.tensors[f"member/{names[int(number)]}/{rest}"], tensor), path
    assert average.steps == STEPS


def test_counters_are_the_last_and_templates_are_averaged() -> None:
    ensemble, average, seen = fresh(), averaged(), []
    trained(ensemble, average, lambda *_: seen.append(ensemble.banks[0].detach().clone()))
    expected = seen[0]
    for templates in seen[1:]:
        expected = expected.lerp(templates, 1 - 0.7)
    torch.testing.assert_close(average.tensors[f"bank/{ensemble.program.banks[0].id}"], expected)
    counters = [name for name in average.tensors if name.endswith("num_batches_tracked")]
    assert counters and all(average.tensors[name] == STEPS for name in counters)


def test_infinities_stay_what_they_are() -> None:
    """As in masks of attention: between two of them there is no mean."""
    ensemble, average = fresh(), averaged()
    ensemble.members[0].register_buffer("mask", torch.tensor([0.0, float("-inf")]))
    trained(ensemble, average)
    kept = average.tensors[f"member/{ensemble.program.members[0].name}/mask"]
    assert torch.equal(kept, torch.tensor([0.0, float("-inf")]))


def test_training_is_the_same_with_and_without() -> None:
    one, other = fresh(), fresh()
    trained(one, averaged())
    trained(other, None)
    assert all(torch.equal(t, state_tensors(other)[name]) for name, t in state_tensors(one).items())


def test_an_ensemble_gets_its_own_numbers_back() -> None:
    ensemble, average = fresh(), averaged()
    trained(ensemble, average)
    own, kept = copied(ensemble), average.copy()
    with pytest.raises(RuntimeError), average.inside(ensemble):
        assert all(torch.equal(t, kept.tensors[name]) for name, t in state_tensors(ensemble).items())
        raise RuntimeError
    assert all(torch.equal(t, own[name]) for name, t in state_tensors(ensemble).items())
    with average.inside(ensemble, keeps=True):
        ensemble.banks[0].detach().zero_()
    assert not average.tensors[f"bank/{ensemble.program.banks[0].id}"].any()
    assert all(torch.equal(t, own[name]) for name, t in state_tensors(ensemble).items())


def test_nothing_is_shown_before_there_is_an_average() -> None:
    with pytest.raises(ValueError, match="nothing was averaged"), averaged().inside(fresh()):
        pass
