"""The shipped specs: every one checks without a warning, and says what the paper says."""

from __future__ import annotations

from pathlib import Path

import pytest
from swc.diagnostics import Sink
from swc.language.semantics.check import check_file, check_whole, ensembles_in
from swc.program.spec import Spec
from swc.system import resources

SPECS = sorted(resources.specs().glob("*.sw"))
RECIPES = sorted(resources.recipes().glob("*.sw"))
SYSTEMS = [
    "quickstart",
    "multi_width",
    "multi_depth_width",
    "homogeneous",
    "homogeneous_per_layer",
    "homogeneous_wrn28_5",
    "gradient_conflict",
    "heterogeneous",
    "figure5",
    "diverse_families",
    "npas_imagenet",
    "npas_cifar",
    "ensemble_imagenet",
]


def shipped(name: str, **settings: str) -> Spec:
    return check_file(resources.specs() / f"{name}.sw", name, settings)


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_every_spec_checks_without_a_warning(path: Path) -> None:
    sink = Sink()
    for name in ensembles_in(path):
        check_file(path, name, sink=sink)
    assert not sink.diagnostics


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_checks_without_a_warning(path: Path) -> None:
    sink = Sink()
    check_whole(path, {}, sink)
    assert not sink.diagnostics


def test_every_system_of_the_paper_has_a_spec() -> None:
    assert set(SYSTEMS) <= {path.stem for path in SPECS}


@pytest.mark.parametrize("name", [system for system in SYSTEMS if system != "quickstart"])
def test_a_system_of_the_paper_is_trained_as_in_the_paper(name: str) -> None:
    training = shipped(name).training
    assert training is not None
    is_imagenet = "imagenet" in name
    recipe = training.recipe
    assert recipe.name == ("imagenet" if is_imagenet else "cifar")
    assert training.phases[-1].epochs == (90 if is_imagenet else 200)
    assert recipe.batch == (1024 if is_imagenet else 128)
    assert (recipe.optimiser.lr, recipe.optimiser.values["nesterov"]) == ((1.6, False) if is_imagenet else (0.1, True))
    for search in training.phases[:-1]:
        assert search.split is not None
        assert (search.epochs, search.split.threshold, search.carry) == (20, 0.1, "restart")


def test_the_homogeneous_ensembles_have_their_own_schedule() -> None:
    for name in ("homogeneous", "homogeneous_per_layer", "homogeneous_wrn28_5", "gradient_conflict"):
        training = shipped(name).training
        assert training is not None
        assert training.recipe.schedule.milestones == (60, 120, 180)
        assert training.recipe.norm_batch == 64
        assert "cutout" not in {step.name for step in training.recipe.augmentation}


def test_what_the_paper_varies_is_a_param() -> None:
    spec = shipped("multi_width", dataset="cifar10", budget="9M", tau="0.2", beta="0.95")
    assert (spec.data.name, spec.budget.amount) == ("cifar10", 9_000_000)
    assert spec.training is not None
    search, main = spec.training.phases
    assert search.split is not None
    assert (search.split.threshold, main.untie[0].threshold) == (0.2, 0.95)
