from __future__ import annotations

import pytest
import torch
from attrs import evolve
from swc.program.expressions import Combine, Resize, Scale, Stored
from torch.utils._python_dispatch import TorchDispatchMode

from support.programs import ensemble_of, hard_program, naive_weights, tiny_program, with_gains
from swc_runtime.weights.compose import Compose
from swc_runtime.weights.expressions.evaluate import evaluate, resize
from swc_runtime.weights.plan import plan_composition

PROGRAMS = {
    "own": tiny_program(),
    "tied": tiny_program(tie=True),
    "one template": tiny_program(num_templates=1),
    "hard": hard_program(),
    "gains": with_gains(tiny_program()),
    "tied gains": with_gains(tiny_program(tie=True)),
}


def random_gradients(weights):
    generator = torch.Generator().manual_seed(7)
    return [torch.randn(w.shape, generator=generator, dtype=w.dtype) for w in weights]


@pytest.mark.parametrize("name", PROGRAMS)
def test_weights_and_gradients_equal_the_naive_composition(name):
    program = PROGRAMS[name]
    ensemble = ensemble_of(program)
    weights, plain = ensemble.compose(), naive_weights(program, ensemble)
    assert [tuple(w.shape) for w in weights] == [w.shape for w in program.weights]
    for made, expected in zip(weights, plain, strict=True):
        torch.testing.assert_close(made, expected, rtol=1e-12, atol=1e-12)
    parameters = [*ensemble.banks, *ensemble.coefficients, *ensemble.tensors]
    gradients = random_gradients(plain)
    ours = torch.autograd.grad(weights, parameters, gradients)
    theirs = torch.autograd.grad(plain, parameters, gradients)
    for got, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-12)


def test_crops_are_present_and_cropped_entries_get_no_gradient():
    program = tiny_program()
    plan = plan_composition(program)
    assert any(block.visible != block.shape for output in plan.outputs for block in output.blocks)
    assert any(len(output.blocks) > 1 for output in plan.outputs)


def test_gradcheck():
    program = tiny_program(((1, 2), (1, 3)), (("0",),), tie=True)
    ensemble = ensemble_of(program)
    indices = [ensemble.get_buffer(f"index_{n}") for n in range(len(ensemble.banks))]
    parameters = [p.detach().clone().requires_grad_() for p in (*ensemble.banks, *ensemble.coefficients)]
    assert torch.autograd.gradcheck(lambda *p: Compose.apply(ensemble.plan, None, (), *indices, *p), parameters)


@pytest.mark.parametrize("name", ["gains", "tied gains"])
def test_a_step_pulls_back_what_compose_does_with_gains(name):
    ensemble = ensemble_of(PROGRAMS[name])
    parameters = [*ensemble.banks, *ensemble.coefficients]
    weights = ensemble.compose()
    gradients = random_gradients(weights)
    expected = torch.autograd.grad(weights, parameters, gradients)
    ensemble.begin_step()
    for leaf, weight, gradient in zip(ensemble._step.leaves, weights, gradients, strict=True):
        torch.testing.assert_close(leaf, weight, rtol=0, atol=0)
        leaf.grad = gradient.clone()
    ensemble.end_step()
    assert all(torch.equal(p.grad, wanted) for p, wanted in zip(parameters, expected, strict=True))


def test_gains_of_one_are_not_multiplied():
    program = tiny_program()
    assert all(bank.gains == () for bank in plan_composition(program).banks)
    few = with_gains(program, (*[1.0] * (len(program.slots) - 1), 2.0))
    assert [bool(bank.gains) for bank in plan_composition(few).banks] == [
        bank.id == program.slots[-1].bank for bank in program.banks
    ]
    for made, expected in zip(ensemble_of(few).compose()[:-1], ensemble_of(program).compose(), strict=False):
        assert torch.equal(made, expected)


def test_gains_are_exact_in_both_precisions():
    """They are no parameters: a module brought to float32 and back has them as they were."""
    program = with_gains(tiny_program(), (3**0.5,))
    ensemble = ensemble_of(program)
    expected = [weight.detach() for weight in ensemble.compose()]
    assert not any("gains" in name for name in ensemble.state_dict())
    for made, wanted in zip(ensemble.compose(), naive_weights(program, ensemble), strict=True):
        torch.testing.assert_close(made, wanted, rtol=1e-14, atol=1e-14)
    single = ensemble_of(program, torch.float32).compose()
    assert all(weight.dtype == torch.float32 for weight in single)
    for made, wanted in zip(single, expected, strict=True):
        torch.testing.assert_close(made.double(), wanted, rtol=1e-5, atol=1e-6)


def test_a_layer_of_one_whole_block_is_a_channels_last_view_of_the_rows():
    ensemble = ensemble_of(tiny_program())
    weights = ensemble.compose()
    views = [n for n, output in enumerate(ensemble.plan.outputs) if output.is_view]
    assert views
    for n in views:
        assert weights[n].is_contiguous(memory_format=torch.channels_last)
        assert weights[n].untyped_storage().nbytes() > weights[n].nbytes


def test_assembled_weights_are_channels_last():
    ensemble = ensemble_of(tiny_program())
    assert all(w.is_contiguous(memory_format=torch.channels_last) for w in ensemble.compose())


def test_autocast_does_not_reach_inside():
    ensemble = ensemble_of(tiny_program(), torch.float32)
    plain = ensemble.compose()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = ensemble.compose()
        sum(w.sum() for w in cast).backward()
    assert all(torch.equal(a, b) for a, b in zip(plain, cast, strict=True))
    assert ensemble.banks[0].grad.dtype == torch.float32


def test_a_weight_that_is_not_covered_is_refused():
    program = tiny_program()
    short = evolve(program.weights[0], expression=Combine(program.slots[0].id, 0, (1, 1, 3, 3)))
    with pytest.raises(ValueError, match="do not cover"):
        plan_composition(evolve(program, weights=(short, *program.weights[1:])))


def test_a_scaled_superweight_is_evaluated_from_the_same_product():
    program = tiny_program(((1, 3),), (("0",),))
    weight = program.weights[0]
    ensemble = ensemble_of(program)
    scaled = evolve(weight, expression=Scale(weight.expression, "r", "s"))
    plan = plan_composition(evolve(program, weights=(scaled,)))
    assert plan.direct == () and plan.rows == (program.slots[0].id,)
    r, s = torch.tensor([1.0, -2.0, 3.0]).double(), torch.tensor([0.5]).double()
    row = (ensemble.coefficients[0] @ ensemble.banks[0])[0]
    made = evaluate(scaled.expression, {plan.rows[0]: row}, {"r": r, "s": s})
    torch.testing.assert_close(made, ensemble.compose()[0] * r.view(3, 1, 1, 1) * 0.5)


@pytest.mark.parametrize("mode", ["bilinear", "average", "repeat", "mask"])
def test_resizing(mode):
    bank = torch.arange(16.0).view(4, 4, 1, 1)
    made = evaluate(Resize(Stored("t", (4, 4, 1, 1)), (2, 2, 1, 1), mode), {}, {"t": bank})
    expected = {
        "bilinear": [[2.5, 4.5], [10.5, 12.5]],
        "average": [[2.5, 4.5], [10.5, 12.5]],
        "repeat": [[0, 1], [2, 3]],
        "mask": [[0, 1], [4, 5]],
    }
    assert made[..., 0, 0].tolist() == expected[mode]
    assert resize(bank, (4, 4, 1, 1), mode).equal(bank)


def test_growing_by_repeat_and_mask():
    bank = torch.tensor([[1.0, 2.0]])
    assert resize(bank, (2, 2), "repeat").tolist() == [[1, 2], [1, 2]]
    assert resize(bank, (2, 3), "mask").tolist() == [[1, 2, 0], [0, 0, 0]]
    with pytest.raises(ValueError, match="unknown mode"):
        resize(bank, (1, 1), "cubic")
    with pytest.raises(ValueError, match="not the kernel"):
        resize(torch.zeros(2, 2, 3, 3), (2, 2, 1, 1), "average")


def test_rows_that_weights_are_views_of_come_first_whichever_weights_are_composed():
    program = tiny_program()
    whole = plan_composition(program)
    some = plan_composition(program, program.weights[:2])
    assert [(b.slots, b.index, b.num_kept) for b in some.banks] == [(b.slots, b.index, b.num_kept) for b in whole.banks]
    assert some.outputs == whole.outputs[:2]
    viewed = {(block.bank, block.row) for output in whole.outputs if output.is_view for block in output.blocks}
    assert viewed == {(b, row) for b, bank in enumerate(whole.banks) for row in range(bank.num_kept)}
    assert any(0 < bank.num_kept < len(bank.slots) for bank in whole.banks)


class Operations(TorchDispatchMode):
    """Notes the name of every operation that runs inside."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        self.names.append(operation.overloadpacket.__name__)
        return operation(*args, **(kwargs or {}))


def test_steps_after_the_first_take_no_views_of_blocks():
    # Views of a small layer's block cost more than the block's scalars; the memory stays, and so do they.
    ensemble = ensemble_of(tiny_program())
    stored, kernels = ensemble.sources().stored, ensemble.kernels
    made = kernels.make(stored)
    with Operations() as operations:
        kernels.make(stored)
        kernels.pull(list(made), stored)
    assert "copy_" in operations.names and "mm" in operations.names
    assert not {"slice", "select", "permute", "as_strided"} & set(operations.names)
