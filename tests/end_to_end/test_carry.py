"""Restart or continue after a split, untying in a run, and the rules of allocation that measure."""

from __future__ import annotations

import pytest
import torch
from attrs import evolve
from swc.program.feedback import ClusterFeedback

from support.revisions import keep_revisions
from support.runs import Place, place, trained
from swc_runtime.ensemble import build
from swc_runtime.records.checkpoint import load_checkpoint, under_prefix


@pytest.fixture(scope="module")
def continued(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return trained(tmp_path_factory, carry="continue", batch=64, search=3)


@pytest.fixture(scope="module")
def restarted(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return trained(tmp_path_factory, carry="restart", batch=64, search=3)


def first_epoch_of_main(made: Place) -> float:
    rows = [row for row in made.metrics() if row["kind"] == "epoch" and row["phase"] == "main"]
    return sum(rows[0]["losses"])  # type: ignore[arg-type]


def test_continuing_begins_far_below_a_restart(continued: Place, restarted: Place) -> None:
    assert continued.metrics()[:3] == restarted.metrics()[:3]
    assert continued.revision(1, "graph.txt") == restarted.revision(1, "graph.txt")
    assert first_epoch_of_main(continued) < 0.5 * first_epoch_of_main(restarted)


@pytest.mark.parametrize("carry", ["continue", "restart"])
def test_the_revision_after_a_split(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, carry: str
) -> None:
    """`restart` is what `build` makes afresh; `continue` is not, and has momentum."""
    made = place(tmp_path_factory, carry=carry)
    kept = keep_revisions(monkeypatch)
    assert made.train() == 0
    split = kept[1]
    fresh = build(split.compiled.program)
    same = [torch.equal(a, b) for a, b in zip(split.state, fresh.state_dict().values(), strict=True)]
    assert all(same) is (carry == "restart")
    assert bool(split.momentum) is (carry == "continue")


def test_untying_keeps_every_score(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    made = place(tmp_path_factory)
    kept = keep_revisions(monkeypatch)
    assert made.train() == 0
    before, after = kept[2].scores
    assert before == after
    assert len(kept[2].compiled.program.coefficients) > len(kept[1].compiled.program.coefficients)


@pytest.mark.parametrize("rule", ["optimal(coverage)", "optimal(profiled)"])
def test_optimal_allocation_in_a_run(tmp_path_factory: pytest.TempPathFactory, rule: str) -> None:
    made = trained(tmp_path_factory, templates=rule)
    revisions = made.build().revisions
    assert len(revisions) == 3
    feedback = revisions[0].feedback
    assert isinstance(feedback, ClusterFeedback)
    banks = [bank.id for bank in revisions[1].program.banks]
    assert [spectrum.bank for spectrum in feedback.spectra] == (banks if "profiled" in rule else [])
    for spectrum in feedback.spectra:
        assert list(spectrum.energies) == sorted(spectrum.energies, reverse=True)
        assert spectrum.energies[0] > 0
    tensors, _ = load_checkpoint(made.checkpoint)
    assert under_prefix("state", tensors)


def test_spectra_steer_the_allocation(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A bank whose gradients hold more energy gets no fewer templates."""
    from swc.compiler.driver import compile_spec

    made = trained(tmp_path_factory, templates="optimal(profiled)")
    build_ = made.build()
    measured = build_.revisions[0].feedback
    assert isinstance(measured, ClusterFeedback)
    turned = tuple(evolve(s, energies=tuple(1e3 * e for e in s.energies)) for s in measured.spectra[:1])
    changed = evolve(measured, spectra=(*turned, *measured.spectra[1:]))
    found = [
        [bank.num_templates for bank in compile_spec(build_.spec, build_.tables, 1, (feedback,)).program.banks]
        for feedback in (measured, changed)
    ]
    assert found[1][0] >= found[0][0]
    assert found[0] == [bank.num_templates for bank in build_.revisions[1].program.banks]
