"""A model of one's own is tried when it is compiled: it works in a run, or it is refused for what is the matter."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from swc.compiler.frontend import LayerTable
from swc.compiler.frontend.costs import multiply_adds_of
from swc.compiler.frontend.examine import PAST, TrialBatch, batches, examine
from swc.diagnostics import Diagnostic, DiagnosticError
from swc.diagnostics.catalogue.trying import TRYING
from swc.program.datasets import DATASETS
from swc.program.model_source import ModelSource
from swc.program.training import Recipe

DIGITS = DATASETS["digits"]
RECIPE = Recipe("tests", precision="float32")


def look(name: str, module: str = "trial_nets") -> tuple[LayerTable, list[Diagnostic]]:
    warnings: list[Diagnostic] = []
    return examine(ModelSource("python", f"support.{module}:{name}"), DIGITS, RECIPE, warnings.append), warnings


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
@pytest.mark.parametrize(
    "name",
    [
        "old_weight_norm", "old_spectral_norm", "new_weight_norm", "new_spectral_norm", "pruned", "Attached", "Drawn",
        "Expanded", "Overlapping", "Parts", "Kinds", "Tied", "FrozenNorms", "Normalising", "Silent",
        "NoGradientsInEval",
    ],
)  # fmt: skip
def test_what_can_be_trained_and_kept_is_taken(name: str) -> None:
    table, warnings = look(name)
    assert warnings == []
    assert any(row.is_sharable for row in table.parameters)
    assert all(row.obstacle != PAST for row in table.parameters)


@pytest.mark.parametrize(
    ("name", "paths"),
    [
        ("Captured", ["net.3"]),
        ("Hooked", ["net.3"]),
        ("Walking", ["net.0", "net.3"]),
        ("Averaged", ["net.0", "net.3", "net.6"]),
    ],
)
def test_a_weight_that_is_read_past_its_layer_stays_private(name: str, paths: list[str]) -> None:
    table, _ = look(name)
    assert [row.path for row in table.parameters if row.obstacle == PAST] == paths


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("grows", "SW312", "0.weight"),
        ("by_chance", "SW312", "0.weight"),
        ("Constant", "SW312", "noise"),
        ("Clocked", "SW312", "what they compute"),
        ("Sparse", "SW314", "map"),
        ("Quantised", "SW314", "scale"),
        ("Late", "SW314", "shift"),
        ("Growing", "SW314", "shift"),
        ("Counting", "SW315", "in eval mode"),
        ("Generating", "SW315", "in training mode"),
        ("Hidden", "SW315", "in eval mode"),
        ("Queue", "SW315", "in eval mode"),
        ("Rounded", "SW315", "no checkpoint holds"),
        ("Overwriting", "SW316", "cannot be trained"),
        ("Detached", "SW317", "without gradients"),
        ("Whole", "SW317", "int64"),
        ("Follower", "SW319", "after a step of training"),
        ("Twins", "SW319", "in training mode"),
        ("PairInEval", "SW308", "a tuple for one image in eval mode"),
        ("NamedInTraining", "SW308", "a dict for two images in training mode"),
        ("Squeezed", "SW308", "[10] for one image in eval mode"),
        ("Paired", "SW309", "29 images of 1x8x8 in training mode"),
    ],
)
def test_what_would_fail_in_a_run_is_refused(name: str, code: str, words: str) -> None:
    with pytest.raises(DiagnosticError) as refused:
        look(name, "refused_nets")
    (told,) = refused.value.diagnostics
    assert (told.code, words in told.message()) == (code, True), told.message()


def test_gradients_are_asked_for_in_eval_mode_where_they_will_be_measured() -> None:
    source = ModelSource("python", "support.trial_nets:NoGradientsInEval")
    with pytest.raises(
        DiagnosticError, match=r"SW317: `support\.trial_nets:NoGradientsInEval` gives logits without gradients in"
    ):
        examine(source, DIGITS, RECIPE, is_measured=True)


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning", "ignore:.*jit.script:FutureWarning")
@pytest.mark.parametrize(("name", "code"), [("scripted", "SW313"), ("compiled", "SW313"), ("OfDoubles", "SW316")])
def test_what_cannot_be_read_is_refused_and_changes_nothing(name: str, code: str) -> None:
    with pytest.raises(DiagnosticError, match=code):
        look(name, "refused_nets")
    assert torch.get_default_dtype() is torch.float32


@pytest.mark.parametrize("name", ["FrozenNorms", "Silent"])
def test_costs_are_counted_of_whatever_is_taken(name: str) -> None:
    state = np.random.get_state()[1]
    assert multiply_adds_of(ModelSource("python", f"support.trial_nets:{name}"), DIGITS) == 5820
    assert np.array_equal(np.random.get_state()[1], state)


def test_a_layer_that_gets_no_gradient_is_told() -> None:
    _, (warning,) = look("Unused", "refused_nets")
    assert (warning.code, warning.layers) == ("SW318", ("auxiliary",))  # type: ignore[attr-defined]


def test_a_softmax_in_the_model_is_told_and_logits_that_happen_to_be_positive_are_not() -> None:
    _, (warning,) = look("Softmax", "refused_nets")
    assert warning.code == "SW338"
    assert look("Positive", "refused_nets")[1] == []


def test_every_code_is_among_these() -> None:
    marks = [mark for mark in test_what_would_fail_in_a_run_is_refused.pytestmark if mark.name == "parametrize"]  # type: ignore[attr-defined]
    assert {case[1] for case in marks[0].args[1]} | {"SW318", "SW338"} >= {found.code for found in TRYING}


def test_trying_leaves_the_generators_alone() -> None:
    torch.manual_seed(3)
    np.random.seed(3)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index]
    look("Drawn")
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()  # type: ignore[index]


def test_the_batches_that_are_asked_for_are_those_of_a_run() -> None:
    recipe = Recipe("r", batch=128, norm_batch=50)
    asked = batches(recipe, DIGITS, is_dear=False)
    assert asked[0] == TrialBatch(2, "training")
    # 1437 = 11 * 128 + 29 and 128 = 50 + 50 + 28; of the test images 360 = 2 * 128 + 104
    assert {one.num_images for one in asked if one.mode == "training"} == {2, 28, 29, 50}
    assert {one.num_images for one in asked if one.mode == "eval"} == {1, 2, 104, 128}
    assert batches(recipe, DIGITS, is_dear=True) == (
        TrialBatch(2, "training"),
        TrialBatch(1, "eval"),
        TrialBatch(2, "eval"),
    )
