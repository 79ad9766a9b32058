from __future__ import annotations

import copy

import pytest
import torch
from attrs import evolve
from swc.program.program import CoefficientPlan

from support.programs import by_slot, ensemble_of, hard_program, images, naive_weights, tiny_program, with_gains
from support.states import moving
from swc_runtime.carry.fit import Factors, fit, fit_momentum, squared_error, targets_of
from swc_runtime.carry.transfer import carry_weights, untie
from swc_runtime.ensemble import state_parameters, state_tensors
from swc_runtime.training.optimiser_state import NO_STATE
from swc_runtime.weights.compose import gather_rows


def random_momentum(ensemble, seed=3):
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(p.shape, generator=generator, dtype=torch.float64).to(p.dtype)
        for name, p in state_parameters(ensemble).items()
    }


def trained(program, dtype=torch.float64):
    ensemble = ensemble_of(program, dtype)
    ensemble(images(dtype=dtype))  # moves the running statistics
    return ensemble


@pytest.mark.parametrize("tied", [tiny_program(tie=True), with_gains(tiny_program(tie=True))], ids=["plain", "gains"])
@pytest.mark.parametrize("training", [True, False])
def test_untying_keeps_every_output_to_the_bit(training, tied):
    ensemble = trained(tied, torch.float32).train(training)
    after, _ = untie(ensemble, NO_STATE, by_slot(tied))
    x = images(16, dtype=torch.float32)
    assert after.training is training
    assert torch.equal(after(x), ensemble(x))
    before, now = state_tensors(ensemble), state_tensors(after)
    assert all(torch.equal(before[name], now[name]) for name in before if not name.startswith("coefficient/"))


def test_untying_leaves_the_old_ensemble_alone():
    tied = tiny_program(tie=True)
    ensemble = trained(tied)
    before = {name: t.clone() for name, t in state_tensors(ensemble).items()}
    after, _ = untie(ensemble, NO_STATE, by_slot(tied))
    with torch.no_grad():
        for p in after.parameters():
            p.add_(1)
    assert all(torch.equal(before[name], t) for name, t in state_tensors(ensemble).items())


def test_kept_coefficients_keep_their_momentum_and_new_ones_have_none():
    tied = tiny_program(tie=True)
    ensemble = trained(tied)
    momentum = random_momentum(ensemble)
    after, state = untie(ensemble, moving(momentum), by_slot(tied))
    kept = state.tensors["momentum"]
    for name, parameter in state_parameters(after).items():
        assert kept[name].shape == parameter.shape
        if name.startswith("coefficient/"):
            assert torch.equal(kept[name][:1], momentum[name]) and not kept[name][1:].any()
        else:
            assert torch.equal(kept[name], momentum[name])


def test_untying_in_part_copies_from_the_right_source():
    tied = tiny_program(tie=True)
    bank = tied.banks[0].id
    own = [slot for slot in tied.slots if slot.bank == bank]
    extra = CoefficientPlan(own[1].id, bank)
    slots = tuple(evolve(s, coefficient=own[1].id) if s.id in {own[1].id, own[2].id} else s for s in tied.slots)
    partly = evolve(tied, coefficients=(*tied.coefficients, extra), slots=slots)
    ensemble = trained(tied)
    half, _ = untie(ensemble, NO_STATE, partly)
    with torch.no_grad():
        half.coefficients[0][1] += 1
    full, _ = untie(half, NO_STATE, by_slot(tied))
    assert torch.equal(full.coefficients[0], half.coefficients[0][[0, 1, 1]])
    with pytest.raises(ValueError, match="not tied"):
        untie(full, NO_STATE, tied)
    with pytest.raises(ValueError, match="slots differ"):
        untie(ensemble, NO_STATE, with_gains(tied))
    with pytest.raises(ValueError, match="banks differ"):
        untie(ensemble, NO_STATE, tiny_program(tie=True, num_templates=3))


def test_weights_are_not_carried_in_the_middle_of_a_step():
    ensemble = trained(tiny_program())
    ensemble.begin_step()
    with pytest.raises(ValueError, match="between steps"):
        untie(ensemble, NO_STATE, tiny_program())


def plain(program):
    return program


@pytest.mark.parametrize("before", [plain, with_gains])
@pytest.mark.parametrize("after", [plain, with_gains])
def test_continuing_with_enough_templates_is_exact(before, after):
    old = before(tiny_program(tie=True))
    ensemble = trained(old)
    momentum = random_momentum(ensemble)
    new = after(tiny_program(clusters=(("0",), ("1",), ("2",)), num_templates=9))
    carried = carry_weights(ensemble, moving(momentum), new)
    assert max(r.relative for r in carried.residuals) < 1e-12
    assert torch.allclose(carried.ensemble.eval()(images()), ensemble.eval()(images()), atol=1e-9)
    before, after = state_tensors(ensemble), state_tensors(carried.ensemble)
    members = [name for name in before if name.startswith("member/")]
    assert members and all(torch.equal(before[name], after[name]) for name in members)
    assert all(
        torch.equal(momentum[name], carried.state.tensors["momentum"][name]) for name in members if name in momentum
    )


def velocity_of(program, ensemble, momentum):
    """How the weights move when the parameters move with `momentum`, by finite differences of a bilinear map."""
    ahead, behind = copy.deepcopy(ensemble), copy.deepcopy(ensemble)
    with torch.no_grad():
        for sign, moved in ((1, ahead), (-1, behind)):
            for name, p in state_parameters(moved).items():
                p.add_(momentum[name], alpha=sign)
    pairs = zip(naive_weights(program, ahead), naive_weights(program, behind), strict=True)
    names = [(w.member, w.path) for w in program.weights]
    return dict(zip(names, [(a - b) / 2 for a, b in pairs], strict=True))


@pytest.mark.parametrize("before", [plain, with_gains])
@pytest.mark.parametrize("after", [plain, with_gains])
def test_momentum_moves_the_new_weights_as_it_moved_the_old(before, after):
    old = before(tiny_program(tie=True))
    ensemble = trained(old)
    momentum = random_momentum(ensemble)
    new = after(tiny_program(clusters=(("0",), ("1",), ("2",)), num_templates=9))
    carried = carry_weights(ensemble, moving(momentum), new)
    was, now = (
        velocity_of(old, ensemble, momentum),
        velocity_of(new, carried.ensemble, carried.state.tensors["momentum"]),
    )
    for name, velocity in was.items():
        torch.testing.assert_close(now[name], velocity, rtol=1e-8, atol=1e-8)
    assert carry_weights(ensemble, NO_STATE, new).state.named() == {}


def test_fresh_templates_fill_up_so_that_no_factor_is_dead():
    carried = carry_weights(trained(tiny_program()), NO_STATE, tiny_program(num_templates=9)).ensemble
    for bank, table in zip(carried.banks, carried.coefficients, strict=True):
        dead = (bank.norm(dim=1) == 0) & (table.norm(dim=0) == 0)
        assert not dead.any()
        assert table.square().sum(1).mean().item() == pytest.approx(1)


def seen_rows(rows, seen, factors, index, gains=1.0):
    return ((gains * (factors.table @ factors.templates)[index] - rows) * seen).square().sum().item()


def test_the_fit_is_the_truncated_decomposition_where_all_is_seen():
    rows = torch.randn(6, 40, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    index = torch.arange(6)
    factors = fit(targets_of(rows, torch.ones_like(rows), index, 6), 3)
    values = torch.linalg.svdvals(rows)
    expected = values[3:].square().sum().item()
    assert seen_rows(rows, torch.ones_like(rows), factors, index) == pytest.approx(expected, rel=1e-10)


GAINS = torch.tensor([1.0, 2.0, 3.0, 0.5, 1.0], dtype=torch.float64)


@pytest.mark.parametrize("gains", [None, GAINS], ids=["plain", "gains"])
def test_the_fit_of_tied_slots_is_the_best_under_that_constraint(gains):
    rows = torch.randn(5, 12, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    index = torch.tensor([0, 1, 0, 0, 2])
    seen = torch.ones_like(rows)
    g = torch.ones(5, 1).double() if gains is None else gains[:, None]
    ours = seen_rows(rows, seen, fit(targets_of(rows, seen, index, 3, gains), 2), index, g)
    table = torch.randn(3, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for _ in range(300):  # plain alternating least squares on all five rows
        templates = torch.linalg.lstsq(g * table[index], rows).solution
        means = torch.stack([(g * rows)[index == n].sum(0) / g[index == n].square().sum() for n in range(3)])
        table = torch.linalg.lstsq(templates.t(), means.t()).solution.t()
    theirs = (g * table[index] @ templates - rows).square().sum().item()
    assert ours == pytest.approx(theirs, rel=1e-8)


@pytest.mark.parametrize("seed", range(5))
def test_with_crops_the_fit_is_never_worse_than_filling_with_zeros(seed):
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(6, 30, generator=generator, dtype=torch.float64)
    seen = torch.ones_like(rows)
    seen[3:, 20:] = 0
    seen[5:, 5:] = 0
    index = torch.tensor([0, 1, 2, 3, 4, 4]) if seed % 2 else torch.arange(6)
    rows = rows * seen
    num = int(index.max()) + 1
    targets = targets_of(rows, seen, index, num)
    ours = seen_rows(rows, seen, fit(targets, 2), index)
    scale = torch.bincount(index).double().sqrt()[:, None]
    means = torch.zeros(num, 30, dtype=torch.float64).index_add(0, index, rows) / scale.square()
    u, s, v = torch.linalg.svd(means * scale, full_matrices=False)
    filled = Factors(u[:, :2] / scale, s[:2, None] * v[:2])
    assert ours < seen_rows(rows, seen, filled, index)


@pytest.mark.parametrize("gains", [None, torch.tensor([1.0, 2, 3, 0.5, 1, 4, 2, 5], dtype=torch.float64)])
def test_open_entries_are_completed_exactly_where_the_seen_ones_have_low_rank(gains):
    generator = torch.Generator().manual_seed(4)
    low = torch.randn(8, 2, generator=generator).double() @ torch.randn(2, 50, generator=generator).double()
    seen = torch.ones_like(low)
    seen[6:, 40:] = 0
    index = torch.arange(8)
    factors = fit(targets_of(low * seen, seen, index, 8, gains), 2)
    by = 1.0 if gains is None else gains[:, None]
    assert seen_rows(low, seen, factors, index, by) < 1e-5 * low.square().sum()


def test_fitted_momentum_cannot_be_improved():
    generator = torch.Generator().manual_seed(5)
    rows = torch.randn(4, 20, generator=generator, dtype=torch.float64)
    seen = torch.ones_like(rows)
    seen[2:, 15:] = 0
    now = Factors(torch.randn(4, 2, generator=generator).double(), torch.randn(2, 20, generator=generator).double())
    targets = targets_of(rows * seen, seen, torch.arange(4), 4)
    move = fit_momentum(targets, now)
    m_A = move.table.clone().requires_grad_()
    m_T = move.templates.clone().requires_grad_()
    error = (seen * (rows - now.table @ m_T - m_A @ now.templates).square()).sum()
    error.backward()
    assert m_A.grad.abs().max() < 1e-2 * rows.norm() and m_T.grad.abs().max() < 1e-2 * rows.norm()
    assert error < (seen * rows).square().sum()
    assert squared_error(targets, now) > 0


@pytest.mark.parametrize("after", [plain, with_gains])
def test_fewer_templates_report_their_residual(after):
    ensemble = trained(tiny_program(num_templates=4))
    new = after(tiny_program(num_templates=1))
    carried = carry_weights(ensemble, NO_STATE, new)
    plan = carried.ensemble.plan
    wanted = gather_rows(plan, list(ensemble.compose()), ensemble.banks[0].detach())
    made = gather_rows(plan, list(carried.ensemble.compose()), ensemble.banks[0].detach())
    for residual, want, have in zip(carried.residuals, wanted, made, strict=True):
        assert residual.relative == pytest.approx(((want - have).norm() / want.norm()).item(), rel=1e-9)
        if torch.linalg.matrix_rank(want) > 1:
            assert 0 < residual.relative < 1
        else:  # one template is enough; what is left is rounding, or nothing
            assert 0 <= residual.relative < 1e-12


def test_stored_tensors_take_the_mean_of_their_readers():
    program = hard_program()
    ensemble = trained(program)
    momentum = random_momentum(ensemble)
    carried = carry_weights(ensemble, moving(momentum), program)
    torch.testing.assert_close(carried.ensemble.tensors[0], ensemble.tensors[0])
    torch.testing.assert_close(carried.state.tensors["momentum"]["tensor/t0"], momentum["tensor/t0"])


def test_programs_of_other_layers_are_refused():
    with pytest.raises(ValueError, match="same members"):
        carry_weights(trained(tiny_program()), NO_STATE, tiny_program(((1, 4, 4, 6),)))
    with pytest.raises(ValueError, match="private"):
        carry_weights(trained(tiny_program()), NO_STATE, tiny_program(clusters=(("0",), ("1",))))
