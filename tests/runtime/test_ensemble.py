from __future__ import annotations

import copy
import pickle

import pytest
import torch
import torch.nn.functional as F
from attrs import evolve
from swc.program.expressions import Scale
from swc.program.program import TensorPlan

from support.programs import Tiny, channels_of, ensemble_of, hard_program, images, tiny_program
from swc_runtime.ensemble import load_state_tensors, state_parameters, state_tensors
from swc_runtime.weights.bank import initial_parts

LABELS = torch.tensor([0, 1, 1, 0, 1])


def num_scalars(program):
    sizes = {bank.id: bank.num_templates for bank in program.banks}
    return (
        sum(bank.num_templates * bank.template_size for bank in program.banks)
        + sum(sizes[coefficient.bank] for coefficient in program.coefficients)
        + sum(torch.Size(tensor.shape).numel() for tensor in program.tensors)
        + sum(torch.Size(private.shape).numel() for private in program.private)
    )


@pytest.mark.parametrize("program", [tiny_program(), tiny_program(tie=True), hard_program()])
def test_parameters_are_exactly_those_of_the_program(program):
    ensemble = ensemble_of(program)
    assert sum(p.numel() for p in ensemble.parameters()) == num_scalars(program)
    assert len(state_parameters(ensemble)) == len(list(ensemble.parameters()))


def test_forward_equals_the_members_with_the_weights_written_in():
    program = tiny_program()
    ensemble = ensemble_of(program).eval()
    logits = ensemble(images())
    weights = dict(zip(((w.member, w.path) for w in program.weights), ensemble.compose(), strict=True))
    for number, (plan, channels) in enumerate(zip(program.members, channels_of(program), strict=True)):
        plain = Tiny(channels).double().eval()
        own = {path: w for (member, path), w in weights.items() if member == plan.name}
        plain.load_state_dict({**ensemble.members[number].state_dict(), **own})
        torch.testing.assert_close(logits[number], plain(images()))


@pytest.mark.parametrize("program", [tiny_program(tie=True), hard_program()])
def test_a_step_in_parts_gives_the_gradients_of_ordinary_autograd(program):
    ensemble = ensemble_of(program)
    other = copy.deepcopy(ensemble)
    sum(F.cross_entropy(logits, LABELS) for logits in other(images())).backward()
    ensemble.begin_step()
    for member in ensemble.members:
        F.cross_entropy(member(images()), LABELS).backward()
    ensemble.end_step()
    theirs = state_parameters(other)
    for name, parameter in state_parameters(ensemble).items():
        torch.testing.assert_close(parameter.grad, theirs[name].grad, rtol=1e-10, atol=1e-13)


def test_training_in_an_ordinary_loop_lowers_the_loss():
    ensemble = ensemble_of(tiny_program())
    optimiser = torch.optim.SGD(ensemble.parameters(), lr=0.1)
    losses = []
    for _ in range(8):
        optimiser.zero_grad()
        loss = sum(F.cross_entropy(logits, LABELS) for logits in ensemble(images()))
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_members_hold_weights_only_while_composed():
    ensemble = ensemble_of(tiny_program())
    conv = ensemble.members[0].convs[0]
    with ensemble.composed():
        first = conv.weight
        ensemble(images())
        assert conv.weight is first
        assert "weight" not in dict(conv.named_parameters())
    assert not hasattr(conv, "weight")
    copy.deepcopy(ensemble)


def test_steps_must_be_balanced():
    ensemble = ensemble_of(tiny_program())
    with pytest.raises(ValueError, match="without begin_step"):
        ensemble.end_step()
    ensemble.begin_step()
    with pytest.raises(ValueError, match="twice"):
        ensemble.begin_step()
    ensemble.abandon_step()
    ensemble.begin_step()
    ensemble.end_step()
    assert all(p.grad is None for p in ensemble.parameters())


def test_state_goes_round_by_id():
    program = tiny_program()
    ensemble, other = ensemble_of(program), ensemble_of(program)
    ensemble(images())
    with torch.no_grad():
        for p in ensemble.parameters():
            p.add_(1)
    state = {name: t.clone() for name, t in state_tensors(ensemble).items()}
    assert "bank/c0.0" in state and "coefficient/c1.1" in state
    assert "member/m[0]/norms.0.running_mean" in state and "member/m[2]/head.bias" in state
    load_state_tensors(other, state)
    assert torch.equal(other.eval()(images()), ensemble.eval()(images()))


def test_a_state_that_does_not_fit_changes_nothing_and_is_named():
    ensemble = ensemble_of(tiny_program())
    before = ensemble.banks[0].clone()
    state = {name: t.clone() + 1 for name, t in state_tensors(ensemble).items()}
    state["bank/c0.1"] = state["bank/c0.1"][:1]
    state["extra"] = torch.zeros(())
    with pytest.raises(ValueError, match=r"`bank/c0.1`, `extra`"):
        load_state_tensors(ensemble, state)
    assert torch.equal(ensemble.banks[0], before)


def test_a_member_that_does_not_fit_is_refused_by_name():
    program = tiny_program()
    modules = [Tiny(c) for c in channels_of(program)]
    with pytest.raises(ValueError, match=r"`m\[0\]` does not fit the program: `head.weight`"):
        initial_parts(
            evolve(program, private=tuple(p for p in program.private if "head.weight" not in p.path)), modules
        )
    with pytest.raises(ValueError, match=r"`convs.0.weight` should have shape \(4, 1, 3, 3\)"):
        initial_parts(program, [Tiny((1, 5, 4, 6)), *modules[1:]])


def scaled_program():
    """One member's first weight is scaled, and so reads a whole SuperWeight."""
    program = tiny_program()
    first = program.weights[0]
    tensors = TensorPlan("r", (first.shape[0],), 1), TensorPlan("s", (first.shape[1],), 1)
    weight = evolve(first, expression=Scale(first.expression, "r", "s"))
    return evolve(program, tensors=tensors, weights=(weight, *program.weights[1:]))


STEPPED = {
    "tied": tiny_program(tie=True),
    "own": tiny_program(),
    "hard": hard_program(),
    "scaled": scaled_program(),
    "one slot": tiny_program(((1, 3),), (("0",),)),
}


def run_step(ensemble, batch, *, end_members=True, dtype=None):
    ensemble.begin_step(dtype)
    for number, member in enumerate(ensemble.members):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype is not None):
            logits = member(batch)
        F.cross_entropy(logits.to(ensemble.banks[0].dtype), LABELS[: len(batch)]).backward()
        if end_members:
            ensemble.end_member(number)
    ensemble.end_step()


def ordinary_step(ensemble, batch):
    sum(F.cross_entropy(logits, LABELS[: len(batch)]) for logits in ensemble(batch)).backward()


@pytest.mark.parametrize("end_members", [True, False])
@pytest.mark.parametrize("name", STEPPED)
def test_steps_in_kept_memory_add_up_the_gradients_of_ordinary_autograd(name, end_members):
    ensemble = ensemble_of(STEPPED[name]).eval()
    other = copy.deepcopy(ensemble)
    for batch in (images(), images()[:3] * 2):  # without clearing gradients in between
        run_step(ensemble, batch, end_members=end_members)
        ordinary_step(other, batch)
    theirs = state_parameters(other)
    for path, parameter in state_parameters(ensemble).items():
        torch.testing.assert_close(parameter.grad, theirs[path].grad, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("name", ["tied", "own", "hard"])
def test_rounded_steps_round_what_exact_ones_compose(name):
    ensemble = ensemble_of(STEPPED[name], torch.float32).eval()
    other = copy.deepcopy(ensemble)
    run_step(ensemble, images().float(), dtype=torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = other(images().float())
    sum(F.cross_entropy(each.float(), LABELS) for each in logits).backward()
    theirs = state_parameters(other)
    for path, parameter in state_parameters(ensemble).items():
        torch.testing.assert_close(parameter.grad, theirs[path].grad, rtol=1e-4, atol=1e-5)


def test_a_step_uses_the_memory_of_the_step_before():
    ensemble = ensemble_of(STEPPED["own"])
    seen = []
    for _ in range(2):
        ensemble.begin_step()
        seen.append([weight.data_ptr() for weight in weights_of(ensemble)])
        ensemble.abandon_step()
    assert seen[0] == seen[1]
    ensemble.float()
    ensemble.begin_step()
    assert all(weight.dtype is torch.float32 for weight in weights_of(ensemble))


@pytest.mark.parametrize("name", STEPPED)
def test_without_gradients_weights_are_the_same_in_kept_memory(name):
    ensemble = ensemble_of(STEPPED[name]).eval()
    expected = ensemble(images())
    seen = []
    for _ in range(2):
        with torch.no_grad(), ensemble.composed():
            assert torch.equal(ensemble(images()), expected)
            seen.append([weight.data_ptr() for weight in weights_of(ensemble)])
    assert seen[0] == seen[1] or name == "scaled"  # a scaled weight is recomputed
    run_step(ensemble, images())
    with torch.no_grad():
        assert torch.equal(ensemble(images()), expected)  # nothing of the gradients is left


def test_training_goes_on_after_inference_mode():
    ensemble, fresh = ensemble_of(STEPPED["own"]).eval(), ensemble_of(STEPPED["own"]).eval()
    with torch.inference_mode():
        ensemble(images())
    run_step(ensemble, images())
    run_step(fresh, images())
    assert torch.equal(ensemble.banks[0].grad, fresh.banks[0].grad)


def weights_of(ensemble):
    return [getattr(module, name) for module, name in ensemble._places]


def test_a_gradient_takes_the_place_of_its_weight_once_the_member_has_run():
    ensemble = ensemble_of(STEPPED["own"]).eval()
    ensemble.begin_step()
    first = ensemble.members[0]
    weights = [w for w, plan in zip(weights_of(ensemble), ensemble.weights, strict=True) if plan.member == "m[0]"]
    F.cross_entropy(first(images()), LABELS).backward()
    gradients = [weight.grad.clone() for weight in weights]
    ensemble.end_member(0)
    replaced = [torch.equal(w, g) for w, g in zip(weights, gradients, strict=True)]
    assert any(replaced) and replaced == list(ensemble.plan.replaceable[: len(weights)])
    assert all(weight.grad is None for weight in weights)
    with pytest.raises(AttributeError):  # it must not run again on gradients
        first(images())


def test_hooks_on_templates_run_once_a_step():
    ensemble = ensemble_of(STEPPED["own"])
    calls = []
    ensemble.banks[0].register_hook(lambda gradient: calls.append(gradient.shape))
    run_step(ensemble, images())
    assert calls == [ensemble.banks[0].shape]


def test_members_end_within_a_step():
    with pytest.raises(ValueError, match="without begin_step"):
        ensemble_of(STEPPED["own"]).end_member(0)


def test_members_may_all_run_before_the_first_ends():
    ensemble = ensemble_of(STEPPED["own"]).eval()
    other = copy.deepcopy(ensemble)
    with ensemble.step():
        losses = [F.cross_entropy(member(images()), LABELS) for member in ensemble.members]
        for number, loss in enumerate(losses):
            loss.backward()
            ensemble.end_member(number)
    ordinary_step(other, images())
    theirs = state_parameters(other)
    for path, parameter in state_parameters(ensemble).items():
        torch.testing.assert_close(parameter.grad, theirs[path].grad, rtol=1e-10, atol=1e-13)


def test_a_backward_pass_through_a_member_that_has_ended_is_refused():
    ensemble = ensemble_of(STEPPED["own"]).eval()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"), ensemble.step():
        first, second = (F.cross_entropy(member(images()), LABELS) for member in ensemble.members[:2])
        second.backward(retain_graph=True)
        ensemble.end_member(1)
        (first + second).backward()
    assert not ensemble.is_composed


def test_a_backward_pass_of_an_earlier_step_is_refused():
    ensemble = ensemble_of(STEPPED["own"]).eval()
    with ensemble.step():
        late = F.cross_entropy(ensemble.members[0](images()), LABELS)
    with ensemble.step(), pytest.raises(RuntimeError, match="modified by an inplace operation"):
        late.backward()


def test_a_step_is_abandoned_by_an_exception():
    ensemble = ensemble_of(STEPPED["own"])
    with pytest.raises(KeyError), ensemble.step():
        raise KeyError
    assert not ensemble.is_composed
    run_step(ensemble, images())


def test_an_ensemble_cannot_answer_while_members_have_ended():
    ensemble = ensemble_of(STEPPED["own"]).eval()
    with ensemble.step():
        assert ensemble(images()).shape == (3, 5, 2)
        ensemble.end_member(0)
        with pytest.raises(ValueError, match="members have ended in the step under way"):
            ensemble(images())
    assert ensemble(images()).shape == (3, 5, 2)


def test_kept_memory_is_neither_copied_nor_saved_and_can_be_given_up():
    ensemble = ensemble_of(STEPPED["own"]).eval()
    ensemble(images())
    before = len(pickle.dumps(ensemble))
    with torch.no_grad():
        ensemble(images())
    assert len(pickle.dumps(ensemble)) == before
    assert copy.deepcopy(ensemble).kernels._workspace is None
    ensemble.release()
    assert ensemble.kernels._workspace is None
    run_step(ensemble, images())
    with ensemble.step(), pytest.raises(ValueError, match="during a step"):
        ensemble.release()


def test_members_of_own_code_are_not_rounded():
    program = tiny_program()
    ours, theirs = (
        evolve(program, members=tuple(evolve(m, source=evolve(m.source, kind=kind)) for m in program.members))
        for kind in ("family", "python")
    )
    seen = []
    for one in (ours, theirs):
        ensemble = ensemble_of(one, torch.float32)
        with ensemble.step(torch.bfloat16):
            seen.append({weight.dtype for weight in weights_of(ensemble)})
    assert seen == [{torch.bfloat16}, {torch.float32}]
