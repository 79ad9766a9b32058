"""Members leave each other alone: the images they read, what they draw, the tensors they hold."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from attrs import evolve
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.disturbing import ImagesChanged, MembersShareState, WeightsChanged
from swc.program.program import Program
from swc.program.steps import StepPlan
from swc.program.training import Optimiser, Phase, Recipe
from torch import Tensor, nn

from support.programs import Tiny, channels_of, images, tiny_program
from swc_runtime.ensemble import Ensemble, state_parameters, state_tensors
from swc_runtime.evaluate import predict, predict_logits
from swc_runtime.evaluate.anytime import AnytimePredictor, SubsetChoice
from swc_runtime.evaluate.cost import member_costs
from swc_runtime.evaluate.interpolate import along
from swc_runtime.measure.probe import measure_clusters
from swc_runtime.members.noise import Noise
from swc_runtime.members.shared_state import set_apart, shared_between
from swc_runtime.precision import Arithmetic
from swc_runtime.training.norm_statistics import reestimate
from swc_runtime.training.optimiser import make_optimiser
from swc_runtime.training.steps import STEPS, Batch, StepOptions
from swc_runtime.training.trainer import Epoch, train_epoch
from swc_runtime.weights.bank import initial_parts

FULL = Arithmetic("cpu", torch.float32, "tests")
CHANNELS = ((1, 4, 4, 6), (1, 6, 6, 5), (1, 4, 4, 6), (1, 3, 8, 8))
Before = Callable[[Tensor], Tensor]


class After(Tiny):
    """A member that first does something to its images."""

    def __init__(self, channels: tuple[int, ...], before: Before) -> None:
        super().__init__(channels)
        self.before = before

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.before(x))


def in_place(x: Tensor) -> Tensor:
    return x.relu_()


def out_of_place(x: Tensor) -> Tensor:
    return x.relu()


def uncounted(x: Tensor) -> Tensor:
    x.data.relu_()
    return x


def untouched(x: Tensor) -> Tensor:
    return x


def ensemble_with(*before: Before, program: Program | None = None) -> Ensemble:
    """Members of `CHANNELS`, as many as are given something to do."""
    program = program or tiny_program(CHANNELS[: len(before)])
    torch.manual_seed(0)
    modules = [After(c, own) for c, own in zip(channels_of(program), before, strict=True)]
    return Ensemble(program, initial_parts(program, modules))


def gradients(ensemble: Ensemble) -> dict[str, Tensor]:
    return {name: p.grad.clone() for name, p in state_parameters(ensemble).items() if p.grad is not None}


STRATEGIES = {
    "independent": {"average": False},
    "split": {},
    "sandwich": {"random": 2, "distil": True},
    "joint": {"batch_repetition": 1, "input_repetition": 0.0},
    "distilled": {"weight": 0.5, "temperature": 2.0},
}


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("norm_batch", [None, 4])
@pytest.mark.parametrize("changing", [in_place, uncounted])
def test_a_member_that_works_in_place_disturbs_no_other(name: str, norm_batch: int | None, changing: Before) -> None:
    step = StepPlan(name, tuple(sorted(STRATEGIES[name].items())))
    program = evolve(tiny_program(CHANNELS), step=step)
    labels = torch.arange(8) % 2
    found = []
    for first in (changing, out_of_place):
        ensemble = ensemble_with(untouched, first, untouched, untouched, program=program)
        pictures = images(8, dtype=torch.float32)
        for _ in range(2):  # the first run of a member is served another way than those after it
            STEPS[name](ensemble, Batch(pictures, labels, seed=1), StepOptions(FULL, norm_batch=norm_batch))
        assert torch.equal(pictures, images(8, dtype=torch.float32))
        found.append(gradients(ensemble))
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=0)


def batches() -> list[tuple[Tensor, Tensor]]:
    return [(images(6, seed, torch.float32), torch.arange(6) % 2) for seed in range(2)]


def everything(ensemble: Ensemble, held: list[tuple[Tensor, Tensor]]) -> Iterator[Tensor]:
    """What is made of members outside of training steps, on the same batches again and again."""
    for _ in range(2):
        yield ensemble(held[0][0])
        yield predict(ensemble, held, FULL)[0]
        yield predict_logits(ensemble, held, FULL)[0]
        yield torch.tensor([s.value for s in measure_clusters(ensemble, held)[0].similarities])
    yield torch.tensor(along(ensemble, (0, 2), held, FULL, 3))
    member_costs(ensemble, held[0][0], FULL, timed=False)
    reestimate(ensemble, held, FULL)
    yield from (tensor.double() for tensor in state_tensors(ensemble).values())
    single = [SubsetChoice((number,), 1.0, 1, 0.5, 1.0) for number in range(3)]
    with AnytimePredictor(ensemble, [*single, SubsetChoice((0, 1, 2), 3.0, 3, 0.9, 0.5)], FULL) as predictor:
        yield predictor.predict(held[0][0]).probabilities


@pytest.mark.parametrize("changing", [in_place, uncounted])
def test_nor_wherever_else_members_run(changing: Before) -> None:
    held = batches()
    rounds = [list(everything(ensemble_with(own, untouched, own), batches())) for own in (out_of_place,)]
    rounds.append(list(everything(ensemble_with(changing, untouched, changing), held)))
    torch.testing.assert_close(rounds[1], rounds[0], rtol=0, atol=0)
    assert all(torch.equal(mine, other) for (mine, _), (other, _) in zip(held, batches(), strict=True))


def test_images_that_are_changed_only_later_are_told() -> None:
    calls: list[int] = []

    def later(x: Tensor) -> Tensor:
        calls.append(1)
        return x.relu_() if len(calls) > 1 else x

    ensemble = ensemble_with(later, untouched)
    ensemble(images(4, dtype=torch.float32))
    with pytest.raises(DiagnosticError) as raised:
        ensemble(images(4, dtype=torch.float32))
    assert raised.value.diagnostics == (ImagesChanged(member="m[0]"),)


def test_images_are_copied_for_first_runs_alone() -> None:
    seen: list[int] = []

    def noted(x: Tensor) -> Tensor:
        seen.append(x.data_ptr())
        return x

    ensemble, pictures = ensemble_with(noted, untouched), images(4, dtype=torch.float32)
    for _ in range(3):
        ensemble(pictures)
    assert [address == pictures.data_ptr() for address in seen] == [False, True, True]


class Clips(Tiny):
    """A member that keeps a weight within bounds by writing into it."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            self.convs[0].weight.clamp_(-1, 1)
        return super().forward(x)


def test_a_composed_weight_that_is_written_into_is_told() -> None:
    program = tiny_program(CHANNELS[:2])
    ensemble = Ensemble(program, initial_parts(program, [Clips(CHANNELS[0]), Tiny(CHANNELS[1])]))
    with pytest.raises(DiagnosticError) as raised, ensemble.step():
        ensemble.run(ensemble.networks[0], images(4, dtype=torch.float32))
    assert raised.value.diagnostics == (WeightsChanged(member="m[0]", layers=("convs.0.weight",)),)


# --- what members draw ------------------------------------------------------------------------------------------------


class Drawn:
    """Dropout that keeps what it gave; it draws in eval mode too."""

    def __init__(self) -> None:
        self.given: list[Tensor] = []

    def __call__(self, x: Tensor) -> Tensor:
        self.given.append(F.dropout(torch.ones(20), 0.5))
        return x


def draws_in_training(*before: Before, start: int = 0) -> list[Tensor]:
    """What the last member drew in an epoch of three steps in two parts each, entered at a step."""
    ensemble = ensemble_with(*before)
    recipe = Recipe("r", batch=6, optimiser=Optimiser.of(lr=0.05), norm_batch=3)
    steps = [(images(6, seed, torch.float32), torch.arange(6) % 2) for seed in range(start, 3)]
    train_epoch(ensemble, make_optimiser(ensemble, recipe), steps, recipe, Epoch(Phase("p", 1), 0, 3, start), FULL)
    assert isinstance(before[-1], Drawn)
    return before[-1].given


def test_what_a_member_draws_does_not_depend_on_what_others_draw() -> None:
    with_others, alone = draws_in_training(Drawn(), Drawn()), draws_in_training(untouched, Drawn())
    assert all(map(torch.equal, with_others, alone))
    assert len({tuple(given.tolist()) for given in alone}) == 6  # parts and steps draw differently


def test_members_of_one_kind_draw_differently() -> None:
    first, second = Drawn(), Drawn()
    draws_in_training(first, second)
    assert not any(map(torch.equal, first.given, second.given))


def test_an_epoch_entered_later_draws_the_same() -> None:
    assert all(
        map(torch.equal, draws_in_training(untouched, Drawn())[2:], draws_in_training(untouched, Drawn(), start=1))
    )


def test_training_and_predicting_leave_torchs_generator_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    ensemble = ensemble_with(Drawn(), Drawn())  # which seeds it
    torch.set_rng_state(before)
    probabilities, _ = predict(ensemble, batches(), FULL)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(predict(ensemble, batches(), FULL)[0], probabilities)


def called(*before: Before, seed: int = 3) -> tuple[list[Tensor], Tensor]:
    """What the last member drew in two plain calls after a seed, and what torch's generator gives then."""
    ensemble = ensemble_with(*before)
    torch.manual_seed(seed)
    for _ in range(2):
        ensemble(images(4, dtype=torch.float32))
    assert isinstance(before[-1], Drawn)
    return before[-1].given, torch.rand(3)


def test_plain_calls_draw_apart_too_and_again_after_the_same_seed() -> None:
    (alone, after), (with_others, _) = called(untouched, Drawn()), called(Drawn(), Drawn())
    assert all(map(torch.equal, alone, with_others))
    assert not torch.equal(alone[0], alone[1])
    assert not torch.equal(alone[0], called(untouched, Drawn(), seed=4)[0][0])
    torch.manual_seed(3)
    ensemble = ensemble_with(untouched, untouched)
    torch.manual_seed(3)
    ensemble(images(4, dtype=torch.float32))
    state = torch.get_rng_state()
    torch.manual_seed(3)
    assert torch.equal(state, torch.get_rng_state())  # nobody drew
    assert not torch.equal(after, torch.rand(3))


def test_code_of_ones_own_draws_apart_from_pythons_and_numpys_generators_too() -> None:
    noise, cpu = Noise(), torch.device("cpu")
    before = random.getstate(), np.random.get_state()[1].tolist()

    def draws(*members: str) -> list[tuple[float, float]]:
        found = []
        for member in members:
            with noise.of(member, cpu, has_own_code=True):
                found.append((random.random(), float(np.random.rand())))
        return found

    with noise.seeded(1, cpu):
        together = draws("a", "b", "b")
    with noise.seeded(1, cpu):
        assert draws("b", "b") == together[1:]
    assert len({number for pair in together for number in pair}) == 6
    torch.manual_seed(3)
    with noise.apart(cpu):
        first = draws("a")
    with noise.apart(cpu):
        assert draws("a") != first  # the generator went on, though nobody drew from torch's
    assert before == (random.getstate(), np.random.get_state()[1].tolist())


# --- what members hold ------------------------------------------------------------------------------------------------


class Holds(nn.Module):
    def __init__(self, buffer: Tensor) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.register_buffer("held", buffer)


def test_shared_parameters_buffers_and_views_are_found_by_name() -> None:
    layer, constant = nn.Linear(2, 2), torch.arange(6.0)
    first, second = nn.Sequential(layer, nn.Linear(2, 3)), nn.Sequential(nn.Linear(2, 3), layer)
    found = shared_between([("a", first), ("b", second)])
    assert {(one.path, one.other_path) for one in found} == {("0.weight", "1.weight"), ("0.bias", "1.bias")}
    views = shared_between([("a", Holds(constant[:2])), ("b", Holds(constant[3:])), ("c", Holds(constant.clone()))])
    assert [(one.member, one.path, one.other, one.other_path) for one in views] == [("a", "held", "b", "held")]
    array = constant.numpy()
    assert len(shared_between([("a", Holds(torch.from_numpy(array))), ("b", Holds(torch.from_numpy(array)))])) == 1


def test_on_the_meta_device_storages_are_told_apart() -> None:
    with torch.device("meta"):
        layer = nn.Linear(2, 2)
        apart = [("a", nn.Sequential(layer)), ("b", nn.Sequential(nn.Linear(2, 2)))]
        assert shared_between(apart) == ()
        assert len(shared_between([*apart, ("c", nn.Sequential(nn.Linear(2, 2), layer))])) == 2


def test_what_lies_within_a_member_is_its_own() -> None:
    layer = nn.Linear(2, 2)
    assert shared_between([("a", nn.Sequential(layer, layer))]) == ()


def test_a_build_refuses_shared_parameters_and_parts_shared_buffers() -> None:
    layer, constant = nn.Linear(2, 2), torch.arange(2.0)
    with pytest.raises(DiagnosticError) as raised:
        set_apart([("a", nn.Sequential(layer)), ("b", nn.Sequential(layer))])
    assert isinstance(raised.value.diagnostics[0], MembersShareState)
    assert "`a` and `b`" in raised.value.diagnostics[0].message()
    first, second = Holds(constant), Holds(constant)
    set_apart([("a", first), ("b", second)])
    second.held.zero_()
    assert torch.equal(first.held, torch.arange(2.0))


def test_an_ensemble_of_one_module_twice_is_refused() -> None:
    program = tiny_program((CHANNELS[0], CHANNELS[0]))
    module = Tiny(CHANNELS[0])
    with pytest.raises(DiagnosticError, match="SW530"):
        initial_parts(program, [module, module])
