from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from attrs import evolve
from swc.diagnostics import DiagnosticError
from swc.files.checkpoint import Meta, Position
from swc.program.program import Program
from swc.program.training import Loss, Optimiser, Phase, Recipe, Schedule
from torch import Tensor, nn

from support.programs import ensemble_of, hard_program, images, of_a_family, tiny_program
from swc_runtime.data.shares import part_sizes
from swc_runtime.ensemble import Ensemble, load_state_tensors, state_parameters, state_tensors
from swc_runtime.precision import Arithmetic, choose_arithmetic, laid_out, make_deterministic
from swc_runtime.records.checkpoint import load_checkpoint, save_checkpoint, under_prefix, with_prefix
from swc_runtime.training.losses import loss_of
from swc_runtime.training.optimiser import make_optimiser
from swc_runtime.training.optimiser_state import OptimiserState, load_optimiser_state, optimiser_state
from swc_runtime.training.schedule import learning_rate
from swc_runtime.training.steps import STEPS, Batch, StepOptions
from swc_runtime.training.trainer import Epoch, EpochResult, Tally, noise_of, train_epoch

FULL = Arithmetic("cpu", torch.float32, "tests")
PROGRAM = tiny_program(((1, 4, 4, 6), (1, 6, 6, 5)))
PHASE = Phase("main", 4)
RECIPE = Recipe(
    "r", batch=6, optimiser=Optimiser.of(lr=0.05), schedule=Schedule("cosine"), loss=Loss.of(label_smoothing=0.1)
)
STEPS_PER_EPOCH = 4


def labels(num: int, seed: int) -> Tensor:
    return torch.randint(0, 2, (num,), generator=torch.Generator().manual_seed(seed))


def batches(epoch: int, start: int = 0, dtype: torch.dtype = torch.float32) -> Iterator[tuple[Tensor, Tensor]]:
    for step in range(start, STEPS_PER_EPOCH):
        seed = 100 * epoch + step
        yield images(6, seed, dtype), labels(6, seed)


def epoch_of(number: int, start: int = 0, seen: Tally | None = None) -> Epoch:
    return Epoch(PHASE, number, STEPS_PER_EPOCH, start, seen)


def run(ensemble: Ensemble, optimiser: torch.optim.Optimizer, *epochs: int) -> list[EpochResult]:
    return [train_epoch(ensemble, optimiser, batches(n), RECIPE, epoch_of(n), FULL) for n in epochs]


def gradients(ensemble: Ensemble) -> dict[str, Tensor]:
    return {n: torch.zeros_like(p) if p.grad is None else p.grad for n, p in state_parameters(ensemble).items()}


@pytest.mark.parametrize("program", [PROGRAM, tiny_program(tie=True), hard_program()])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_members_one_after_another_equal_one_joint_backward(program: Program, smoothing: float) -> None:
    batch = Batch(images(7), labels(7, 0))
    apart, joint = ensemble_of(program), ensemble_of(program)
    outcome = STEPS["independent"](apart, batch, StepOptions(FULL, loss_of(Loss.of(label_smoothing=smoothing))))
    logits = joint(batch.inputs)
    losses = torch.stack([F.cross_entropy(each, batch.labels, label_smoothing=smoothing) for each in logits])
    losses.sum().backward()
    torch.testing.assert_close(outcome.losses, losses.detach(), rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(outcome.votes, logits.detach().softmax(-1).sum(0), rtol=1e-13, atol=1e-13)
    assert torch.equal(outcome.hits, (logits.argmax(-1) == batch.labels).sum(-1))
    assert outcome.images.tolist() == [7] * len(logits)
    torch.testing.assert_close(gradients(apart), gradients(joint), rtol=1e-11, atol=1e-13)


def test_norm_batch_equals_batchnorm_over_each_part() -> None:
    batch = Batch(images(7), labels(7, 0))
    apart, joint = ensemble_of(PROGRAM), ensemble_of(PROGRAM)
    outcome = STEPS["independent"](apart, batch, StepOptions(FULL, norm_batch=3))
    parts = [joint(part) for part in (batch.inputs[:3], batch.inputs[3:])]  # the seventh goes with the second part
    logits = torch.cat(parts, 1)
    loss = sum(F.cross_entropy(each, batch.labels) for each in logits)
    loss.backward()
    torch.testing.assert_close(outcome.losses.sum(), loss.detach())
    torch.testing.assert_close(gradients(apart), gradients(joint), rtol=1e-11, atol=1e-13)
    for have, want in zip(apart.buffers(), joint.buffers(), strict=True):
        torch.testing.assert_close(have, want)


@pytest.mark.parametrize(
    ("num", "part", "sizes"),
    [(128, 64, [64, 64]), (128, None, [128]), (100, 64, [64, 36]), (65, 64, [65]), (3, 64, [3]), (129, 64, [64, 65])],
)
def test_parts_cover_the_batch_and_none_is_a_single_image(num: int, part: int | None, sizes: list[int]) -> None:
    assert part_sizes(num, part) == sizes


def test_the_result_counts_every_image_and_step() -> None:
    ensemble = ensemble_of(PROGRAM, torch.float32)
    seen: list[int] = []
    recipe = evolve(RECIPE, optimiser=RECIPE.optimiser.with_values(lr=0.0), loss=Loss())
    expected = torch.stack([ensemble(x).detach() for x, _ in batches(0)])  # rate 0: the parameters stay; in train mode
    result = train_epoch(
        ensemble, make_optimiser(ensemble, recipe), batches(0), recipe, epoch_of(0), FULL, lambda n, _: seen.append(n)
    )
    truth = torch.stack([y for _, y in batches(0)])
    for m, (loss, accuracy) in enumerate(zip(result.losses, result.accuracies, strict=True)):
        assert loss == pytest.approx(float(F.cross_entropy(expected[:, m].flatten(0, 1), truth.flatten())), rel=1e-5)
        assert accuracy == pytest.approx(float((expected[:, m].argmax(-1) == truth).double().mean()))
    together = expected.softmax(-1).mean(1).argmax(-1)
    assert result.ensemble == pytest.approx(float((together == truth).double().mean()))
    assert result.images == 24 and seen == [1, 2, 3, 4] and result.seconds > 0
    assert result.loss == pytest.approx(sum(result.losses))


def save(path: Path, ensemble: Ensemble, optimiser: torch.optim.Optimizer, tally: Tally | None = None) -> None:
    parts = with_prefix("state", state_tensors(ensemble)) | optimiser_state(ensemble, optimiser, RECIPE).named()
    save_checkpoint(path, parts | (tally.state() if tally else {}), Meta(Position(0, 0, 1), "s", "p"))


def resume(path: Path) -> tuple[Ensemble, torch.optim.Optimizer, dict[str, Tensor]]:
    tensors, _ = load_checkpoint(path)
    ensemble = ensemble_of(PROGRAM, torch.float32)
    with torch.no_grad():
        for parameter in ensemble.parameters():
            parameter.fill_(7.0)  # nothing of a fresh ensemble may survive
    load_state_tensors(ensemble, under_prefix("state", tensors))
    optimiser = make_optimiser(ensemble, RECIPE)
    load_optimiser_state(ensemble, optimiser, OptimiserState.of_named(RECIPE.optimiser.state, tensors))
    return ensemble, optimiser, tensors


def equal(first: Ensemble, second: Ensemble) -> bool:
    pairs = zip(state_tensors(first).values(), state_tensors(second).values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def numbers(result: EpochResult) -> EpochResult:
    return evolve(result, seconds=0.0, waited=0.0)


def test_resumed_after_an_epoch_every_bit_is_the_same(tmp_path: Path) -> None:
    undisturbed = ensemble_of(PROGRAM, torch.float32)
    optimiser = make_optimiser(undisturbed, RECIPE)
    run(undisturbed, optimiser, 0)
    save(tmp_path / "c", undisturbed, optimiser)
    expected = run(undisturbed, optimiser, 1, 2)
    resumed, optimiser, _ = resume(tmp_path / "c")
    assert list(map(numbers, run(resumed, optimiser, 1, 2))) == list(map(numbers, expected))
    assert equal(undisturbed, resumed)


def test_resumed_within_an_epoch_every_bit_is_the_same(tmp_path: Path) -> None:
    undisturbed = ensemble_of(PROGRAM, torch.float32)
    optimiser = make_optimiser(undisturbed, RECIPE)

    def keep(steps_done: int, tally: Tally) -> None:
        if steps_done == 3:
            save(tmp_path / "c", undisturbed, optimiser, tally)

    expected = train_epoch(undisturbed, optimiser, batches(0), RECIPE, epoch_of(0), FULL, keep)
    resumed, optimiser, tensors = resume(tmp_path / "c")
    tally = Tally.of_state(tensors)
    result = train_epoch(resumed, optimiser, batches(0, 3), RECIPE, epoch_of(0, 3, tally), FULL)
    assert numbers(result) == numbers(expected)
    assert equal(undisturbed, resumed)


def test_dropout_does_not_depend_on_where_a_run_was_taken_up(tmp_path: Path) -> None:
    def drop(member: nn.Module, _: object, logits: Tensor) -> Tensor:
        return F.dropout(logits, 0.5, member.training)

    undisturbed = ensemble_of(PROGRAM, torch.float32)
    undisturbed.members[0].register_forward_hook(drop)
    optimiser = make_optimiser(undisturbed, RECIPE)

    def keep(steps_done: int, tally: Tally) -> None:
        if steps_done == 3:
            save(tmp_path / "c", undisturbed, optimiser, tally)

    train_epoch(undisturbed, optimiser, batches(0), RECIPE, epoch_of(0), FULL, keep)
    resumed, optimiser, tensors = resume(tmp_path / "c")
    resumed.members[0].register_forward_hook(drop)
    torch.manual_seed(99)  # another process has drawn other numbers
    tally = Tally.of_state(tensors)
    train_epoch(resumed, optimiser, batches(0, 3), RECIPE, epoch_of(0, 3, tally), FULL)
    assert equal(undisturbed, resumed)


def test_each_step_has_its_own_noise() -> None:
    places = [epoch_of(number) for number in range(3)]
    assert len({noise_of(RECIPE, place) for place in places}) == 3


def test_training_learns() -> None:
    ensemble = ensemble_of(PROGRAM, torch.float32)
    optimiser = make_optimiser(ensemble, RECIPE)
    first = images(6, 0, torch.float32)
    truth = (first.mean((1, 2, 3)) > 0).long()
    losses = [
        train_epoch(ensemble, optimiser, [(first, truth)] * 8, RECIPE, Epoch(Phase("p", 5), n, 8), FULL).loss
        for n in range(5)
    ]
    assert losses[-1] < 0.6 * losses[0]


def test_a_loss_that_is_not_finite_names_its_place_and_reaches_no_parameter() -> None:
    ensemble = ensemble_of(PROGRAM, torch.float32)
    optimiser = make_optimiser(ensemble, RECIPE)
    with torch.no_grad():
        ensemble.members[1].head.bias.fill_(float("nan"))
    before = {name: t.clone() for name, t in state_tensors(ensemble).items() if "norms" not in name}
    with pytest.raises(DiagnosticError, match=r"`m\[1\]` is not finite in phase `main`, epoch 3, step 1") as error:
        run(ensemble, optimiser, 2)
    assert error.value.diagnostics[0].code == "SW520"
    torch.testing.assert_close({n: state_tensors(ensemble)[n] for n in before}, before, equal_nan=True, rtol=0, atol=0)


def test_a_state_that_is_not_finite_ends_the_epoch() -> None:
    ensemble = ensemble_of(PROGRAM, torch.float32)

    def spoil(steps_done: int, tally: Tally) -> None:
        if steps_done == STEPS_PER_EPOCH:
            ensemble.members[0].norms[0].running_mean.fill_(float("inf"))

    with pytest.raises(DiagnosticError, match=r"m\[0\]/norms.0.running_mean") as error:
        train_epoch(ensemble, make_optimiser(ensemble, RECIPE), batches(0), RECIPE, epoch_of(0), FULL, spoil)
    assert error.value.diagnostics[0].code == "SW521"


def test_an_epoch_cut_short_is_not_taken_for_a_whole_one() -> None:
    ensemble = ensemble_of(PROGRAM, torch.float32)
    with pytest.raises(ValueError, match="ended after 1"):
        train_epoch(ensemble, make_optimiser(ensemble, RECIPE), batches(0, 3), RECIPE, epoch_of(0), FULL)


def test_a_member_that_fails_leaves_no_step_behind() -> None:
    ensemble = ensemble_of(PROGRAM, torch.float32)
    options = StepOptions(FULL)
    with pytest.raises(RuntimeError):
        STEPS["independent"](ensemble, Batch(torch.zeros(4, 2, 6, 6), labels(4, 0)), options)
    STEPS["independent"](ensemble, Batch(images(4, 0, torch.float32), labels(4, 0)), options)


def test_bfloat16_keeps_parameters_and_losses_in_float32() -> None:
    ensemble = ensemble_of(PROGRAM, torch.float32)
    half = choose_arithmetic("bfloat16")
    outcome = STEPS["independent"](ensemble, Batch(images(6, 0, torch.float32), labels(6, 0)), StepOptions(half))
    assert outcome.losses.dtype is outcome.votes.dtype is torch.float32
    assert {p.grad.dtype for p in ensemble.parameters() if p.grad is not None} == {torch.float32}
    whole = ensemble_of(PROGRAM, torch.float32)
    exact = STEPS["independent"](whole, Batch(images(6, 0, torch.float32), labels(6, 0)), StepOptions(FULL))
    torch.testing.assert_close(outcome.losses, exact.losses, rtol=0.05, atol=0.05)
    assert not torch.equal(outcome.losses, exact.losses)


def test_the_choice_of_precision_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    assert str(choose_arithmetic("float32")) == "float32 (as the recipe says)"
    assert choose_arithmetic("auto", "cuda").dtype is torch.bfloat16
    for able, dtype in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr("swc_runtime.precision.cpu_has_bfloat16", lambda able=able: able)
        chosen = choose_arithmetic("auto")
        assert chosen.dtype is dtype and "chosen for" in str(chosen)


def test_images_are_laid_out_channels_last() -> None:
    assert laid_out(torch.zeros(2, 3, 4, 4)).is_contiguous(memory_format=torch.channels_last)


def test_deterministic_runs_repeat_their_bits() -> None:
    try:
        made = []
        for _ in range(2):
            make_deterministic(0)
            ensemble = ensemble_of(PROGRAM, torch.float32)
            run(ensemble, make_optimiser(ensemble, RECIPE), 0)
            made.append(ensemble)
        assert torch.are_deterministic_algorithms_enabled()
        assert equal(*made)
    finally:
        torch.use_deterministic_algorithms(False)


def test_every_step_has_the_rate_of_its_place() -> None:
    ensemble = ensemble_of(PROGRAM, torch.float32)
    optimiser = make_optimiser(ensemble, RECIPE)
    rates: list[float] = []

    def note(steps_done: int, tally: Tally) -> None:
        rates.append(optimiser.param_groups[-1]["lr"])

    train_epoch(ensemble, optimiser, batches(1, 1), RECIPE, epoch_of(1, 1), FULL, note)
    assert rates == [learning_rate(RECIPE, PHASE, 1, step, STEPS_PER_EPOCH) for step in (1, 2, 3)]
    assert len(set(rates)) == 3


ROUNDING = Arithmetic("cpu", torch.bfloat16, "tests")


def stepped(
    program: Program, norm_batch: int | None, dtype: torch.dtype | None, monkeypatch: pytest.MonkeyPatch
) -> tuple[Ensemble, set[torch.dtype]]:
    """The gradients of a bfloat16 step whose weights are composed in `dtype`, and the types of the weights seen."""
    ensemble, seen = ensemble_of(of_a_family(program)).float(), set()
    begin, install = Ensemble.begin_step, Ensemble.install

    def watched(self: Ensemble, weights: tuple[Tensor, ...]) -> None:
        seen.update(weight.dtype for weight in weights)
        install(self, weights)

    monkeypatch.setattr(Ensemble, "install", watched)
    if dtype is None:
        monkeypatch.setattr(Ensemble, "begin_step", lambda self, _: begin(self, None))
    batch = Batch(laid_out(images(6, 0, torch.float32)), labels(6, 0))
    STEPS["independent"](ensemble, batch, StepOptions(ROUNDING, norm_batch=norm_batch))
    monkeypatch.undo()
    return ensemble, seen


@pytest.mark.parametrize("program", [PROGRAM, tiny_program(tie=True)])
def test_weights_composed_in_bfloat16_are_those_that_autocast_rounds(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    (rounded, short), (full, long) = (stepped(program, None, dtype, monkeypatch) for dtype in (torch.bfloat16, None))
    assert (short, long) == ({torch.bfloat16}, {torch.float32})
    found, expected = gradients(rounded), gradients(full)
    assert any(gradient.any() for gradient in expected.values())
    assert [name for name in expected if not torch.equal(found[name], expected[name])] == []


def test_gradients_of_several_parts_are_added_up_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    assert stepped(PROGRAM, 3, torch.bfloat16, monkeypatch)[1] == {torch.float32}
