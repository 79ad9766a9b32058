from __future__ import annotations

import pytest
import torch
from attrs import evolve
from swc.program.program import BankPlan, TensorPlan
from swc.program.training import Recipe, Training

from support.programs import tiny_program
from swc_runtime.members.seeds import derived_seed, seed_of, seeded
from swc_runtime.weights.init import initial_tables, initial_templates, initial_tensor


def test_coefficients_of_a_member_and_bank_are_orthonormal_rows():
    program = tiny_program(num_templates=4)
    for bank, table in zip(program.banks, initial_tables(program, 0), strict=True):
        slots = [slot for slot in program.slots if slot.bank == bank.id]
        assert torch.allclose(table.norm(dim=1), torch.ones(len(slots)), atol=1e-6)
        for member in {slot.member for slot in slots}:
            own = table[[n for n, slot in enumerate(slots) if slot.member == member]]
            assert torch.allclose(own @ own.t(), torch.eye(len(own)), atol=1e-6)


def test_more_slots_than_templates_still_have_norm_one():
    for table in initial_tables(tiny_program(num_templates=1), 0):
        assert torch.allclose(table.abs(), torch.ones_like(table))


def test_a_tied_coefficient_takes_the_row_of_its_first_slot():
    own, tied = tiny_program(), tiny_program(tie=True)
    for all_rows, one_row in zip(initial_tables(own, 3), initial_tables(tied, 3), strict=True):
        assert torch.equal(all_rows[:1], one_row)


def test_coefficients_start_with_the_norm_that_their_first_slot_says():
    program = tiny_program(tie=True)
    scaled = evolve(program, slots=tuple(evolve(s, start_scale=1.5 + n) for n, s in enumerate(program.slots)))
    for bank, plain, table in zip(program.banks, initial_tables(program, 3), initial_tables(scaled, 3), strict=True):
        first = next(slot.start_scale for slot in scaled.slots if slot.bank == bank.id)
        assert torch.equal(table, plain * first)


@pytest.mark.parametrize(("initialisation", "fan_in"), [("kaiming", 576), ("release", 9)])
def test_templates_have_the_deviation_of_their_fan_in(initialisation, fan_in):
    templates = initial_templates(BankPlan("c0.0", 4, 20_000, 576, initialisation), 0)
    assert templates.std().item() == pytest.approx((2 / fan_in) ** 0.5, rel=0.02)


def test_one_bank_does_not_depend_on_the_others():
    bank = BankPlan("c1.0", 2, 30, 9)
    assert torch.equal(initial_templates(bank, 5), initial_templates(bank, 5))
    assert not torch.equal(initial_templates(bank, 5), initial_templates(evolve(bank, id="c1.1"), 5))
    assert not torch.equal(initial_templates(bank, 5), initial_templates(bank, 6))
    program = tiny_program()
    fewer = evolve(program, banks=program.banks[1:])
    for table, other in zip(initial_tables(program, 0)[1:], initial_tables(fewer, 0), strict=True):
        assert torch.equal(table, other)


def test_stored_tensors():
    assert initial_tensor(TensorPlan("t", (64, 32, 3, 3), 288), 0).std().item() == pytest.approx(1 / 12, rel=0.05)
    assert initial_tensor(TensorPlan("r", (50,), 1, "signs"), 0).abs().eq(1).all()


def test_seeds():
    program = tiny_program()
    assert seed_of(program) == 0
    assert seed_of(evolve(program, training=Training(Recipe("r", seed=4), ()))) == 4
    assert derived_seed(0, "bank/c0.0") == 7120712205160465272
    assert derived_seed(0, "a") != derived_seed(1, "a")


def test_seeding_leaves_the_global_generator_alone():
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    with seeded(9):
        torch.rand(3)
    assert torch.equal(torch.rand(1), expected)
