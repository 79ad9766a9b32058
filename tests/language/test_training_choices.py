"""What a recipe and a phase may ask of training, beside optimiser and schedule."""

from __future__ import annotations

from contextlib import suppress

import pytest
from attrs import evolve
from swc.diagnostics import DiagnosticError, Sink
from swc.diagnostics.catalogue.recipes import ChannelsNotAugmented
from swc.language.semantics.check import check_text
from swc.language.semantics.check_training import check_training
from swc.language.semantics.scope import Scope
from swc.language.syntax.parser import parse_text
from swc.language.syntax.tree import EnsembleDefinition
from swc.program.stages import scale_epochs, stages
from swc.program.training import Training

from support.steps import small_text

PATIENT = "phase main: up to 40 epochs, patience 5"


def training_of(text: str) -> Training:
    spec = check_text(text, "tiny.sw")
    assert spec.training is not None
    return spec.training


@pytest.mark.parametrize(("written", "meant"), [("clip_gradients 5", 5.0), ("clip_gradients none", None), ("", None)])
def test_gradients_are_clipped_where_a_recipe_says_so(written: str, meant: float | None) -> None:
    assert training_of(small_text(written)).recipe.clip_gradients == meant


def test_a_norm_of_nothing_is_refused() -> None:
    with pytest.raises(DiagnosticError) as told:
        training_of(small_text("clip_gradients 0"))
    assert [one.code for one in told.value.diagnostics] == ["SW202"]


def test_patience_stands_in_the_phase_and_its_last_stage() -> None:
    training = training_of(small_text("", f"{PATIENT} at lr 0.05\n      after 3 epochs untie coefficients below 0.5"))
    (phase,) = training.phases
    assert (phase.epochs, phase.patience, phase.lr, phase.length) == (40, 5, 0.05, "up to 40 epochs, patience 5")
    first, last = stages(training)
    assert (first.patience, first.length, first.end) == (None, "3", "epoch 3 of main")
    assert (last.patience, last.length, last.end) == (5, "up to 37", "the best of up to 40 epochs of main")


@pytest.mark.parametrize(("factor", "epochs", "patience"), [(0.5, 20, 2), (0.01, 1, 1), (2.0, 80, 10)])
def test_patience_is_scaled_with_the_epochs(factor: float, epochs: int, patience: int) -> None:
    (phase,) = scale_epochs(training_of(small_text("", PATIENT)), factor).phases
    assert (phase.epochs, phase.patience) == (epochs, patience)


def test_a_phase_of_its_own_rate_may_be_patient_beside_any_schedule() -> None:
    phases = f"{PATIENT} at lr 0.1\n    phase end: 3 epochs"
    assert training_of(small_text("schedule cosine", phases)).phases[0].patience == 5
    with pytest.raises(DiagnosticError) as told:
        training_of(small_text("schedule cosine", PATIENT))
    assert [one.code for one in told.value.diagnostics] == ["SW214"]


@pytest.mark.parametrize("phase", ["up to 40 epochs", "up to 40 epochs, patience 0", "40 epochs, patience 5"])
def test_patience_and_a_limit_stand_together(phase: str) -> None:
    with pytest.raises(DiagnosticError):
        training_of(small_text("", f"phase main: {phase}"))


@pytest.mark.parametrize(
    ("member", "step", "codes"),
    [
        ("mimo", "joint", ["SW215"]),
        ("hne", "distilled", ["SW215"]),
        ("wrn", "independent", []),
        ("wrn", "sandwich", []),
        ("wrn", "split", []),
    ],
)
def test_steps_that_ask_for_one_label_do_not_mix(member: str, step: str, codes: list[str]) -> None:
    depth = 26 if member == "hne" else 10
    text = f"""ensemble e {{
      data digits
      member a[2] = {member}(depth: {depth})
      step {step}
      budget unlimited
      train {{ augment cutmix phase main: 1 epochs }}
    }}""".replace("depth: 10)", "depth: 10, width: 1)")
    sink = Sink()
    with suppress(DiagnosticError):
        check_text(text, "tiny.sw", sink=sink)
    assert [one.code for one in sink.errors] == codes


def test_colours_are_augmented_of_one_channel_or_three() -> None:
    text = """ensemble e {
      data digits
      member a = wrn(depth: 10, width: 1)
      budget unlimited
      train { augment trivial_augment phase main: 1 epochs }
    }"""
    spec = check_text(text, "tiny.sw")
    data = evolve(spec.data, image_shape=(4, 8, 8))
    assert spec.training is not None
    sink = Sink()
    definition = parse_text(text, "tiny.sw").definitions[0]
    assert isinstance(definition, EnsembleDefinition)
    check_training(definition.items, data, spec.step, spec.training, Scope(sink))
    assert [one.code for one in sink.errors] == [ChannelsNotAugmented.code]
