"""Numbers that are not finite: reported by name where they do harm, and left alone where they are meant."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from attrs import evolve
from swc.diagnostics import Diagnostic, DiagnosticError
from swc.diagnostics.catalogue.disturbing import NonFiniteGradients, NonFinitePredictions
from swc.diagnostics.catalogue.run import NonFiniteState
from swc.program.program import PrivatePlan
from swc.program.training import Optimiser, Phase, Recipe
from torch import Tensor, nn

from support.programs import Tiny, ensemble_of, images, tiny_program
from swc_runtime.ensemble import Ensemble
from swc_runtime.evaluate import evaluate, predict, predict_logits
from swc_runtime.evaluate.anytime import AnytimePredictor, SubsetChoice
from swc_runtime.export.formats import difference
from swc_runtime.finite import Watch, check_predictions
from swc_runtime.measure.probe import measure_clusters, measure_coefficients, sketch_clusters
from swc_runtime.measure.sketch import Sketch
from swc_runtime.precision import Arithmetic
from swc_runtime.training.optimiser import make_optimiser
from swc_runtime.training.trainer import Epoch, train_epoch
from swc_runtime.weights.bank import initial_parts

FULL = Arithmetic("cpu", torch.float32, "tests")
CHANNELS = ((1, 4, 4, 6), (1, 6, 6, 5))
INF, NAN = float("inf"), float("nan")


class Odd(Tiny):
    """A member that ends with something of its own, and holds a mask on purpose."""

    def __init__(self, channels: tuple[int, ...], last: Callable[[Tensor], Tensor] = torch.clone) -> None:
        super().__init__(channels)
        self.last = last
        self.register_buffer("mask", torch.full((3, 3), -INF).triu(1))
        self.prior = nn.Parameter(torch.tensor([-INF, 0.0]), requires_grad=False)
        self.register_buffer("seen", torch.zeros(2))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))
        self.register_buffer("small", torch.zeros(2).to(torch.float8_e4m3fn))

    def forward(self, x: Tensor) -> Tensor:
        logits = super().forward(x)
        return logits if self.training else self.last(logits)


def ensemble_with(last: Callable[[Tensor], Tensor] = torch.clone) -> Ensemble:
    """Of two members the second is odd."""
    program = tiny_program(CHANNELS)
    program = evolve(program, private=(*program.private, PrivatePlan("m[1]", "prior", (2,))))
    torch.manual_seed(0)
    return Ensemble(program, initial_parts(program, [Tiny(CHANNELS[0]), Odd(CHANNELS[1], last)]))


def batches() -> list[tuple[Tensor, Tensor]]:
    return [(images(6, seed, torch.float32), torch.arange(6) % 2) for seed in range(2)]


def trained(ensemble: Ensemble, during: Callable[[], object] = lambda: None) -> None:
    """An epoch, with something done to the ensemble after its last step."""
    recipe = Recipe("r", batch=6, optimiser=Optimiser.of(lr=0.05))

    def on_step(done: int, _: object) -> None:
        if done == 2:
            during()

    place = Epoch(Phase("main", 1), 0, 2)
    train_epoch(ensemble, make_optimiser(ensemble, recipe), batches(), recipe, place, FULL, on_step)


def told(act: Callable[[], object]) -> Diagnostic:
    with pytest.raises(DiagnosticError) as raised:
        act()
    (found,) = raised.value.diagnostics
    return found


def test_a_mask_of_minus_infinities_trains() -> None:
    ensemble = ensemble_with()
    before = ensemble.members[1].state_dict()["head.bias"].clone()
    trained(ensemble)
    state = ensemble.members[1].state_dict()
    assert state["mask"].isinf().any()
    assert not torch.equal(state["head.bias"], before)
    assert state["head.bias"].isfinite().all()


@pytest.mark.parametrize(
    ("path", "value"), [("seen", INF), ("seen", NAN), ("mask", NAN), ("norms.0.running_var", INF), ("head.bias", INF)]
)
def test_what_training_changes_is_watched(path: str, value: float) -> None:
    ensemble = ensemble_with()
    tensor = ensemble.members[1].state_dict()[path]
    found = told(lambda: trained(ensemble, lambda: tensor.view(-1)[:1].fill_(value)))
    assert isinstance(found, NonFiniteState)
    assert found.tensors == (f"member/m[1]/{path}",)


def test_a_constant_may_begin_with_what_is_no_number() -> None:
    watch = Watch({"buffer": torch.tensor([NAN, INF]), "finite": torch.ones(2)})
    assert watch.broken({"buffer": torch.tensor([INF, NAN]), "finite": torch.tensor([1.0, NAN])}) == ("finite",)
    assert Watch({}).broken({"complex": torch.tensor([1j, INF])}) == ("complex",)


def undefined(logits: Tensor) -> Tensor:
    return logits.index_fill(0, torch.tensor([1]), NAN)


def infinite(logits: Tensor) -> Tensor:
    return logits.index_fill(0, torch.tensor([1]), INF)


def impossible(logits: Tensor) -> Tensor:
    return logits.index_fill(1, torch.tensor([0]), -INF)


@pytest.mark.parametrize("last", [undefined, infinite])
@pytest.mark.parametrize("act", [evaluate, predict, predict_logits])
def test_predictions_are_told_by_the_members_name(act: Callable[..., object], last: Callable[[Tensor], Tensor]) -> None:
    found = told(lambda: act(ensemble_with(last), batches(), FULL))
    assert found == NonFinitePredictions(members=("m[1]",), num_images=(2,), total=12)
    assert "2 of 12 images" in found.message()


def test_a_class_that_is_impossible_is_none_of_it() -> None:
    probabilities, _ = predict(ensemble_with(impossible), batches(), FULL)
    assert torch.equal(probabilities[1, :, 0], torch.zeros(12))
    check_predictions(probabilities, ("a", "b"))


def test_anytime_answers_are_looked_at() -> None:
    choices = [SubsetChoice((0,), 1.0, 1, 0.5, 1.0), SubsetChoice((1,), 1.0, 1, 0.6, 1.0)]
    with AnytimePredictor(ensemble_with(undefined), choices, FULL) as predictor:
        found = told(lambda: predictor.predict(batches()[0][0]))
    assert isinstance(found, NonFinitePredictions)
    assert found.members == ("m[1]",)


@pytest.mark.parametrize(
    "measure", [measure_clusters, measure_coefficients, lambda *given: sketch_clusters(*given, Sketch(2, 4, 0))]
)
def test_gradients_that_are_measured_are_looked_at(measure: Callable[..., object]) -> None:
    ensemble = ensemble_of(tiny_program(CHANNELS, tie=True))
    with torch.no_grad():
        ensemble.members[1].norms[2].running_var.fill_(NAN)  # which training itself does not read
    found = told(lambda: measure(ensemble, [(picture.double(), label) for picture, label in batches()]))
    assert isinstance(found, NonFiniteGradients)
    assert all(layer.startswith("m[1].") for layer in found.layers)


def test_equal_infinities_do_not_differ() -> None:
    logits = torch.tensor([[-INF, 2.0], [0.0, 1.0]])
    assert difference(logits, logits) == 0
    assert difference(logits + torch.tensor([[0.0, 0.0], [0.0, 0.5]]), logits) == pytest.approx(0.25)
    assert not difference(torch.zeros(2, 2), logits) <= 1


def test_programs_with_no_own_members_are_looked_at_alike() -> None:
    ensemble = ensemble_of(evolve(tiny_program(CHANNELS), revision=1), torch.float32)
    nn.init.constant_(ensemble.members[0].head.bias, NAN)
    found = told(lambda: predict(ensemble, batches(), FULL))
    assert isinstance(found, NonFinitePredictions)
    assert found.members == ("m[0]",)
