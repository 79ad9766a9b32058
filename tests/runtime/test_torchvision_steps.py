"""Steps of augmentation by torchvision: its own results, the same bits wherever a batch is made or divided."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from attrs import evolve
from swc.program.datasets import DataFacts
from swc.program.steps import StepPlan
from swc.program.training import AugmentationStep, Optimiser, Phase, Recipe
from swc.registry.augmentations import AUGMENTATIONS
from torch import Tensor
from torchvision.transforms import v2

from support.programs import ensemble_of, tiny_program
from swc_runtime.data import EpochPlan, epoch_batches, keys
from swc_runtime.data.augment import normalised
from swc_runtime.data.mixing import mixed, with_partner
from swc_runtime.data.shares import WHOLE, Deal
from swc_runtime.data.splits import MemorySplit
from swc_runtime.precision import Arithmetic
from swc_runtime.training.optimiser import make_optimiser
from swc_runtime.training.steps import STEPS, Batch, StepOptions
from swc_runtime.training.trainer import Epoch, train_epoch

FULL = Arithmetic("cpu", torch.float64, "tests")
FACTS = DataFacts("mine", 4, (3, 8, 8), 11, 5, (0.5,) * 3, (0.25,) * 3)
GENERATOR = torch.Generator().manual_seed(3)
PIXELS = torch.randint(0, 256, (11, 3, 8, 8), dtype=torch.uint8, generator=GENERATOR)
LABELS = torch.arange(11) % 4
THEIRS: dict[str, tuple[int, Callable[[], Callable[[Tensor], Tensor]]]] = {
    "randaugment": (keys.RANDAUGMENT, lambda: v2.RandAugment(2, 9)),
    "trivial_augment": (keys.TRIVIAL_AUGMENT, v2.TrivialAugmentWide),
    "erasing": (keys.ERASING, lambda: v2.RandomErasing(p=0.25)),
}


def batches(*names: str, deal: Deal = WHOLE, start: int = 0, batch: int = 4) -> list[tuple[Tensor, Tensor]]:
    split, steps = MemorySplit(FACTS, PIXELS, LABELS), tuple(AugmentationStep.of(name) for name in names)
    return list(epoch_batches(split, EpochPlan(steps, batch, 5, 1, 2, start, deal=deal)))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["randaugment", "trivial_augment"])
def test_images_of_somebody_s_own_in_floats_become_what_bytes_become(name: str) -> None:
    """They are kept from 0 to 255, and torchvision takes floats to be from 0 to 1."""
    bytes_ = torch.randint(60, 196, (64, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(4))
    labels, plan = torch.arange(64) % 4, EpochPlan((AugmentationStep.of(name),), 64, 5, 1, 2)
    (found, _), (expected, _) = (
        next(iter(epoch_batches(MemorySplit(FACTS, kept, labels), plan))) for kept in (bytes_.float(), bytes_)
    )
    difference = (found - expected).abs().flatten(1).mean(1)  # some operations round bytes; deviations, of 4 in all
    assert difference.max() < 0.3
    assert difference.median() < 0.01


def order() -> np.ndarray:
    return keys.permutation(keys.base_of(5, 1, 2, keys.ORDER), 11)


@pytest.mark.parametrize("name", THEIRS)
def test_an_image_is_what_torchvision_makes_of_it(name: str) -> None:
    purpose, make = THEIRS[name]
    seeds = keys.hashes(keys.base_of(5, 1, 2, purpose), order())
    expected = []
    for sample, seed in zip(order(), seeds.tolist(), strict=True):
        image = PIXELS[sample] if name != "erasing" else normalised(PIXELS[sample][None], FACTS)[0]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed >> 1)
            made = make()(image)
        expected.append(made if name == "erasing" else normalised(made[None], FACTS)[0])
    assert torch.equal(torch.cat([images for images, _ in batches(name)]), torch.stack(expected))
    assert not torch.equal(torch.stack(expected), normalised(PIXELS[order()], FACTS))


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_a_batch_is_mixed_as_torchvision_does(name: str) -> None:
    transform = v2.MixUp(alpha=0.2, num_classes=4) if name == "mixup" else v2.CutMix(alpha=1.0, num_classes=4)
    for step, (images, labels) in enumerate(batches(name)):
        samples = order()[4 * step : 4 * step + 4]
        number = int(keys.hashes(keys.base_of(5, 1, 2, keys.MIXING), np.array([step]))[0])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(number >> 1)
            expected, mixture = transform(normalised(PIXELS[samples], FACTS), LABELS[samples])
        assert torch.equal(images, expected)
        assert torch.equal(labels, mixture)


@pytest.mark.parametrize("names", [("mixup",), ("cutmix",), ("mixup", "cutmix"), ("flip", "randaugment", "mixup")])
def test_shares_and_entered_epochs_are_parts_of_the_whole(names: tuple[str, ...]) -> None:
    whole = batches(*names)
    for (images, labels), (late, late_labels) in zip(whole[1:], batches(*names, start=1), strict=True):
        assert torch.equal(images, late) and torch.equal(labels, late_labels)
    for ranks in (2, 3):
        shares = [batches(*names, deal=Deal(rank, ranks)) for rank in range(ranks)]
        for step, (images, labels) in enumerate(whole):
            own = [share[step] for share in shares if len(share[step][1])]
            assert torch.equal(torch.cat([part for part, _ in own]), images)
            assert torch.equal(torch.cat([part for _, part in own]), labels)


def test_making_batches_leaves_torchs_random_state_as_it_is() -> None:
    before = torch.get_rng_state()
    batches("trivial_augment", "erasing", "mixup")
    assert torch.equal(torch.get_rng_state(), before)


def test_each_batch_gets_one_of_both_mixtures() -> None:
    steps = (AugmentationStep.of("mixup", alpha=5), AugmentationStep.of("cutmix"))
    images = normalised(PIXELS, FACTS)
    seen = set()
    for number in range(8):
        made, _ = mixed(images.clone(), LABELS, steps, number, 4)
        is_cut = bool(((made == images) | (made == images.roll(1, 0))).all())
        seen.add("cutmix" if is_cut else "mixup")
    assert seen == {"mixup", "cutmix"}


@pytest.mark.parametrize(
    ("share", "expected"),
    [(slice(0, 4), [5, 6, 7, 8]), (slice(2, 4), [6, 7, 8]), (slice(0, 2), [8, 5, 6]), (slice(4, 4), [])],
)
def test_a_share_has_the_image_before_it(share: slice, expected: list[int]) -> None:
    assert with_partner(np.array([5, 6, 7, 8]), share).tolist() == expected


def test_only_the_new_steps_seed_torch() -> None:
    named = {row.name for row in AUGMENTATIONS.rows if row.seeds_torch}
    assert named == {"randaugment", "trivial_augment", "erasing", "mixup", "cutmix"}


SOFT = torch.tensor([[0.7, 0.3], [0.2, 0.8], [1.0, 0.0], [0.4, 0.6]], dtype=torch.float64)
INPUTS = torch.randn(4, 1, 6, 6, dtype=torch.float64, generator=GENERATOR)


@pytest.mark.parametrize(
    "step", [StepPlan(), StepPlan("sandwich", (("distil", False), ("random", 2))), StepPlan("split", ())]
)
def test_losses_are_taken_against_mixed_labels_and_hits_against_the_larger(step: StepPlan) -> None:
    ensemble = ensemble_of(evolve(tiny_program([(1, 4, 4, 6)]), step=step)).double()
    batch = Batch(INPUTS, SOFT.argmax(-1), soft=SOFT)
    outcome = STEPS[step.name](ensemble, batch, StepOptions(FULL))
    plain = ensemble_of(tiny_program([(1, 4, 4, 6)])).double()
    with plain.composed():
        logits = plain.members[0](INPUTS)
    torch.testing.assert_close(outcome.losses[0], F.cross_entropy(logits, SOFT).detach())
    assert outcome.hits[0] == (logits.argmax(-1) == SOFT.argmax(-1)).sum()


@pytest.mark.parametrize("optimiser", [Optimiser.of("sgd", lr=0.1), Optimiser.of("adamw", lr=0.01)])
def test_a_trainer_learns_mixed_labels_by_parts(optimiser: Optimiser) -> None:
    ensemble = ensemble_of(tiny_program([(1, 4, 4, 6), (1, 6, 6, 7)])).double()
    recipe = Recipe("r", batch=4, optimiser=optimiser, norm_batch=2, augmentation=(AugmentationStep.of("mixup"),))
    made = make_optimiser(ensemble, recipe)
    losses = [
        train_epoch(ensemble, made, [(INPUTS, SOFT)] * 4, recipe, Epoch(Phase("p", 9), epoch, 4), FULL).loss
        for epoch in range(6)
    ]
    assert losses[-1] < 0.95 * losses[0]
