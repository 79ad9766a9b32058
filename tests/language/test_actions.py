"""Actions between epochs: read, scaled, and held to what was frozen before."""

from __future__ import annotations

import pytest
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.actions import UnknownAction
from swc.language.semantics.check import check_text
from swc.program.stages import frozen_at, scale_epochs, stages
from swc.program.training import PhaseAction, Training, UntieCoefficients, row_of
from swc.registry.actions import ACTIONS

TEXT = """ensemble a {{
  data digits
  member b = wrn(depth: 10, width: 1)
  member c = wrn(depth: 10, width: 1)
  budget 50% of native
  share conv{policy}
  train {{
    {phases}
  }}
}}
"""


def training(phases: str, policy: str = "") -> Training:
    found = check_text(TEXT.format(phases=phases, policy=policy), "a.sw").training
    assert found is not None
    return found


def refusals(phases: str, policy: str = "") -> list[str]:
    with pytest.raises(DiagnosticError) as caught:
        training(phases, policy)
    return [found.code for found in caught.value.diagnostics]


def frozen(phases: str) -> list[tuple[str, ...]]:
    found = training(phases)
    return [frozen_at(found, stage.revision) for stage in stages(found)]


@pytest.mark.parametrize("row", ACTIONS.rows, ids=lambda row: row.name)
def test_a_row_is_right_and_its_implementation_is_there(row: object) -> None:
    assert row.fault() == ""  # type: ignore[attr-defined]
    for method in ("measure", "recompile", "carry"):
        assert callable(getattr(row.load(), method))  # type: ignore[attr-defined]


def test_what_happens_within_a_phase_stands_in_order() -> None:
    phase = "phase m: 9 epochs after 2 epochs untie coefficients below 0.9 after 5 epochs freeze coefficients"
    (read,) = training(phase).phases
    assert read.within == (UntieCoefficients(2, 0.9), PhaseAction("freeze_coefficients", (), 5))
    assert [row_of(action).name for action in read.within] == ["untie_coefficients", "freeze_coefficients"]
    assert [(s.start, s.stop) for s in stages(training(phase))] == [(0, 2), (2, 5), (5, 9)]


def test_epochs_are_scaled_alike() -> None:
    phase = "phase m: 9 epochs after 3 epochs untie coefficients below 0.9 after 6 epochs freeze coefficients"
    (scaled,) = scale_epochs(training(phase), 1 / 3).phases
    assert ([action.after for action in scaled.within], scaled.epochs) == ([1, 2], 3)
    (least,) = scale_epochs(training(phase), 0.01).phases
    assert ([action.after for action in least.within], least.epochs) == ([1, 2], 3)


def test_frozen_parameters_stay_so_until_all_is_fresh() -> None:
    cold = ("coefficients",)
    assert frozen("phase m: 3 epochs after 1 epochs freeze coefficients phase n: 1 epochs") == [(), cold, cold]
    search = "phase m: 3 epochs after 1 epochs freeze coefficients then split clusters below 0 then restart"
    assert frozen(f"{search} phase n: 2 epochs after 1 epochs untie coefficients below 0") == [(), cold, (), ()]


@pytest.mark.parametrize(
    ("phases", "codes"),
    [
        ("phase m: 3 epochs after 1 epochs freeze coeficients", ["SW163"]),
        ("phase m: 3 epochs after 1 epochs melt coefficients", ["SW163"]),
        ("phase m: 3 epochs after 1 epochs split clusters", ["SW163"]),
        ("phase m: 3 epochs after 3 epochs freeze coefficients", ["SW207"]),
        ("phase m: 3 epochs after 0 epochs freeze coefficients", ["SW202"]),
        ("phase m: 4 epochs after 2 epochs freeze coefficients after 1 epochs untie coefficients below 0", ["SW207"]),
        ("phase m: 3 epochs after 1 epochs freeze coefficients(hard: yes)", ["SW106"]),
        ("phase m: 4 epochs after 1 epochs freeze coefficients after 2 epochs freeze coefficients", ["SW164"]),
        ("phase m: 4 epochs after 1 epochs freeze coefficients after 2 epochs untie coefficients below 0", ["SW164"]),
        (
            "phase m: 4 epochs after 1 epochs freeze coefficients "
            "phase n: 4 epochs after 2 epochs untie coefficients below 0",
            ["SW164"],
        ),
        (
            "phase m: 4 epochs after 1 epochs freeze coefficients then split clusters below 0 then continue "
            "phase n: 4 epochs",
            ["SW164"],
        ),
    ],
)
def test_what_cannot_be_done_is_told(phases: str, codes: list[str]) -> None:
    assert refusals(phases) == codes


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("freeze coeficients", "did you mean `freeze coefficients`?"),
        ("thaw coefficients", "choose one of `freeze coefficients`, `untie coefficients`"),
    ],
)
def test_an_action_is_offered_where_both_words_are_alike(name: str, advice: str) -> None:
    assert UnknownAction(name=name, actions=("freeze coefficients",)).help() == advice


def test_nothing_can_be_frozen_that_is_not_there() -> None:
    assert refusals("phase m: 3 epochs after 1 epochs freeze coefficients", " as hard") == ["SW165"]
