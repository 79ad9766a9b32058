"""Scores beyond accuracy, subsets, diversity, temperature, outliers and costs, against independent computations."""

from __future__ import annotations

from itertools import combinations
from math import isnan, log
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score, top_k_accuracy_score
from swc.compiler.driver import compile_file
from swc.compiler.ir.counts import ComposedCounts, composed
from swc.trust.importing import own_code
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_calibration_error

from support.examples import percent
from support.programs import ensemble_of, hard_program, images, tiny_program
from swc_runtime.ensemble import build
from swc_runtime.evaluate.cost import (
    Cost,
    costs_together,
    member_costs,
    multiply_adds,
    planned_costs,
    stored_scalars,
    stored_shapes,
)
from swc_runtime.evaluate.diversity import diversity, mean_diversity
from swc_runtime.evaluate.metrics import aurc, nll, reliability, score
from swc_runtime.evaluate.outliers import MEASURES, detect, uncertainty
from swc_runtime.evaluate.quantise import stored_bytes
from swc_runtime.evaluate.subsets import score_subsets, subsets, together
from swc_runtime.evaluate.temperature import at_temperature, fit_temperature
from swc_runtime.precision import Arithmetic

NO_CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
FULL = Arithmetic("cpu", torch.float32, "tests")


def predictions(members: int, num: int, classes: int, seed: int, sharpness: float = 2.0):
    rng = np.random.default_rng(seed)
    logits = torch.from_numpy(rng.normal(size=(members, num, classes)) * sharpness)
    return logits.softmax(-1), torch.from_numpy(rng.integers(0, classes, num))


SIZES = (st.integers(8, 60), st.integers(6, 12), st.integers(0, 10_000))


@percent(25)
@given(*SIZES)
def test_top5_and_brier_are_those_of_scikit_learn(num: int, classes: int, seed: int) -> None:
    (p,), labels = predictions(1, num, classes, seed)
    found = score(p, labels)
    known = list(range(classes))
    assert found.top5 == pytest.approx(top_k_accuracy_score(labels, p, k=5, labels=known), abs=1e-7)
    assert found.brier == pytest.approx(brier_score_loss(labels, p, labels=known, scale_by_half=False), rel=1e-9)


@percent(25)
@given(*SIZES)
def test_aurc_is_the_mean_risk_of_the_most_confident(num: int, classes: int, seed: int) -> None:
    (p,), labels = predictions(1, num, classes, seed)
    order = np.argsort(-p.max(-1).values.numpy())
    wrong = (p.argmax(-1) != labels).numpy()[order]
    risks = [wrong[: k + 1].mean() for k in range(num)]
    assert aurc(p, labels) == pytest.approx(np.mean(risks), rel=1e-9)


def test_the_order_of_equally_confident_images_does_not_change_aurc() -> None:
    p = torch.tensor([[0.75, 0.25], [0.75, 0.25], [0.75, 0.25]]).double()
    values = {aurc(p, torch.tensor(labels)) for labels in ([0, 0, 1], [0, 1, 0], [1, 0, 0])}
    assert len(values) == 1 and values.pop() == pytest.approx(1 / 3)


@percent(20)
@given(*SIZES)
def test_top1_and_the_calibration_error_are_those_of_torchmetrics(num: int, classes: int, seed: int) -> None:
    (p,), labels = predictions(1, num, classes, seed)
    bins, found = reliability(p, labels), score(p, labels)
    assert sum(part.num_images for part in bins) == num and len(bins) == 15
    assert found.top1 == pytest.approx(float(multiclass_accuracy(p, labels, classes, average="micro")), abs=1e-7)
    # a probability of exactly 1 gets a bin of its own there, and anything above 1 is taken for a logit
    gap = multiclass_calibration_error(p.clamp(max=1 - 2.0**-24), labels, classes, n_bins=15, norm="l1")
    assert found.ece == pytest.approx(float(gap), abs=1e-6)


def test_with_fewer_classes_than_five_every_label_is_among_the_first_five() -> None:
    assert score(torch.tensor([[0.9, 0.1]]), torch.tensor([1])).top5 == 1.0


def test_subsets_are_all_but_the_empty_one_by_size() -> None:
    assert subsets(3) == ((0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2))
    assert len(subsets(6)) == 63


def test_a_subset_predicts_the_mean_of_its_members() -> None:
    p, labels = predictions(3, 40, 6, 1)
    scored = score_subsets(p, labels)
    assert scored[0, 2] == score((p[0] + p[2]) / 2, labels)
    assert scored[1,] == score(p[1], labels)
    assert torch.equal(together(p, (0, 1, 2)), p.mean(0))


def test_diversity_is_disagreement_over_the_error_of_the_rows_member() -> None:
    labels = torch.tensor([0, 0, 0, 0])
    votes = torch.tensor([[0, 0, 0, 1], [0, 0, 1, 1], [0, 0, 0, 0]])
    p = torch.nn.functional.one_hot(votes, 2).double()
    found = diversity(p, labels)
    assert found[0].tolist() == [0.0, 0.25 / 0.25, 0.25 / 0.25]
    assert found[1].tolist() == [0.25 / 0.5, 0.0, 0.5 / 0.5]
    assert isnan(found[2, 0]) and isnan(found[2, 1]) and found[2, 2] == 0
    assert isnan(mean_diversity(found))
    assert mean_diversity(found[:2, :2]) == pytest.approx(0.75)
    assert isnan(mean_diversity(found[:1, :1]))


@percent(25)
@given(*SIZES)
def test_diversity_of_random_members(num: int, classes: int, seed: int) -> None:
    p, labels = predictions(3, num, classes, seed)
    votes = p.argmax(-1).numpy()
    found = diversity(p, labels)
    for first, second in combinations(range(3), 2):
        error = (votes[first] != labels.numpy()).mean()
        if error:
            assert found[first, second] == pytest.approx((votes[first] != votes[second]).mean() / error)


@percent(20)
@given(st.floats(0.3, 5.0), st.integers(0, 1000))
def test_a_temperature_undoes_what_sharpened_the_logits(factor: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits = torch.from_numpy(rng.normal(size=(4000, 5)) * 1.5)
    labels = torch.multinomial(logits.softmax(-1), 1, generator=torch.Generator().manual_seed(seed))[:, 0]
    honest = fit_temperature(logits.softmax(-1), labels)
    sharp = (logits * factor).softmax(-1)
    fitted = fit_temperature(sharp, labels)
    assert fitted == pytest.approx(factor * honest, rel=1e-3)  # exact but for the search's tolerance
    assert honest == pytest.approx(1.0, abs=0.15)
    calibrated = at_temperature(sharp, fitted)
    assert torch.equal(calibrated.argmax(-1), sharp.argmax(-1))
    assert nll(calibrated, labels) <= nll(sharp, labels) + 1e-9
    for other in (0.9 * fitted, 1.1 * fitted):
        assert nll(calibrated, labels) <= nll(at_temperature(sharp, other), labels)


def test_a_temperature_is_that_of_logits_however_sure_they_are() -> None:
    logits = torch.tensor([[300.0, 0.0, -50.0]], dtype=torch.float64)
    torch.testing.assert_close(at_temperature(logits.softmax(-1), 10.0), (logits / 10).softmax(-1))


def test_temperature_needs_images() -> None:
    with pytest.raises(ValueError, match="no images"):
        fit_temperature(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64))


@percent(20)
@given(*SIZES, st.sampled_from(MEASURES))
def test_outliers_are_detected_as_scikit_learn_says(num: int, classes: int, seed: int, measure) -> None:
    familiar, _ = predictions(3, num, classes, seed, sharpness=3.0)
    strange, _ = predictions(3, num + 5, classes, seed + 1, sharpness=1.0)
    found = detect(familiar, strange, measure)
    scores = torch.cat([uncertainty(familiar, measure), uncertainty(strange, measure)]).numpy()
    truth = np.r_[np.zeros(num), np.ones(num + 5)]
    assert found.auroc == pytest.approx(roc_auc_score(truth, scores), abs=1e-6)
    assert found.aupr == pytest.approx(average_precision_score(truth, scores), abs=1e-6)
    thresholds = sorted(scores[num:], reverse=True)
    enough = next(t for t in thresholds if (scores[num:] >= t).mean() >= 0.95)
    assert found.fpr95 == pytest.approx((scores[:num] >= enough).mean())


def test_measures_of_uncertainty_by_their_definitions() -> None:
    p = torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]]).double()  # two members, each certain, of different classes
    assert float(uncertainty(p, "probability")) == 0.5
    assert float(uncertainty(p, "entropy")) == pytest.approx(log(2))
    assert float(uncertainty(p, "information")) == pytest.approx(log(2))
    assert float(uncertainty(p[:1], "information")) == 0.0


def test_certain_and_equal_predictions_tell_nothing() -> None:
    p = torch.tensor([[[1.0, 0.0]]]).expand(1, 4, 2)
    found = detect(p, p, "probability")
    assert (found.auroc, found.fpr95) == (0.5, 1.0)
    with pytest.raises(ValueError, match="both kinds"):
        detect(p, p[:, :0], "entropy")


def test_multiply_adds_are_counted_as_in_papers() -> None:
    conv = torch.nn.Conv2d(3, 8, 3, padding=1, bias=False)
    net = torch.nn.Sequential(conv, torch.nn.BatchNorm2d(8), torch.nn.Flatten(), torch.nn.Linear(8 * 36, 10)).eval()
    with torch.no_grad():
        assert multiply_adds(net, torch.zeros(1, 3, 6, 6)) == 36 * 8 * 27 + 8 * 36 * 10


@pytest.mark.parametrize(
    ("product", "count"),
    [
        (lambda x: x @ torch.ones(8), 3 * 8),
        (lambda x: torch.addmv(torch.ones(3), x, torch.ones(8)), 3 * 8),
        (lambda x: torch.dot(x[0], x[1]), 8),
        (lambda x: torch.addbmm(torch.ones(3, 4), x.expand(2, 3, 8), torch.ones(2, 8, 4)), 2 * 3 * 8 * 4),
        (lambda x: torch.nn.Bilinear(8, 7, 5)(x, torch.ones(3, 7)), 3 * 8 * 7 * 5),
    ],
)
def test_products_that_torch_does_not_count_are_counted(product, count: int) -> None:
    assert multiply_adds(product, torch.ones(3, 8)) == count


TOKENS, WIDTH, HIDDEN = 6, 8, 16
PRODUCTS = 2 * TOKENS * TOKENS * WIDTH  # queries by keys, and those by values, over all heads
ATTENTION = 4 * TOKENS * WIDTH * WIDTH + PRODUCTS
ENCODER = ATTENTION + 2 * TOKENS * WIDTH * HIDDEN
RECURRENT = 2 * TOKENS * 4 * WIDTH * (WIDTH + WIDTH)  # two directions, four gates, input and state


class FirstOf(torch.nn.Module):
    """What a recurrent layer, or attention, says of one sequence."""

    def __init__(self, module: torch.nn.Module, inputs: int) -> None:
        super().__init__()
        self.module, self.inputs = module, inputs

    def forward(self, sequences: torch.Tensor) -> torch.Tensor:
        return self.module(*[sequences] * self.inputs)[0]


class Products(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        heads = x.unflatten(-1, (2, -1)).transpose(1, 2)
        return torch.nn.functional.scaled_dot_product_attention(heads, heads, heads)


def encoder_layer() -> torch.nn.Module:
    return torch.nn.TransformerEncoderLayer(WIDTH, 2, HIDDEN, batch_first=True)


UNFUSED = {
    "encoder layer": (encoder_layer, ENCODER),
    "encoder": (lambda: torch.nn.TransformerEncoder(encoder_layer(), 2), 2 * ENCODER),
    "attention": (lambda: FirstOf(torch.nn.MultiheadAttention(WIDTH, 2, batch_first=True), 3), ATTENTION),
    "scaled dot product": (Products, PRODUCTS),
    "LSTM": (lambda: FirstOf(torch.nn.LSTM(WIDTH, WIDTH, batch_first=True, bidirectional=True), 1), RECURRENT),
}


@pytest.mark.parametrize("device", ["cpu", "meta", pytest.param("cuda", marks=(pytest.mark.cuda, NO_CUDA))])
@pytest.mark.parametrize("name", UNFUSED)
@pytest.mark.filterwarnings("error")
def test_what_torch_fuses_in_eval_mode_is_counted_too(name: str, device: str) -> None:
    make, expected = UNFUSED[name]
    with torch.device(device), torch.no_grad():
        assert multiply_adds(make().eval(), torch.zeros(1, TOKENS, WIDTH)) == expected


def test_counting_leaves_torch_as_it_was() -> None:
    def flags() -> tuple[bool, ...]:
        backends = torch.backends
        sdp = (backends.cuda.flash_sdp_enabled(), backends.cuda.mem_efficient_sdp_enabled())
        return (backends.mha.get_fastpath_enabled(), backends.mkldnn.enabled, backends.cudnn.enabled, *sdp)

    def fails(images: torch.Tensor) -> torch.Tensor:
        assert flags() == (False,) * 5
        raise RuntimeError("no single image")

    before = flags()
    with pytest.raises(RuntimeError, match="no single image"):
        multiply_adds(fails, torch.zeros(1))
    assert flags() == before and before[0]


def test_costs_leave_the_ensemble_as_it_is() -> None:
    ensemble = ensemble_of(tiny_program(), torch.float32)
    state = {name: t.clone() for name, t in ensemble.state_dict().items()}
    found = member_costs(ensemble, images(dtype=torch.float32), FULL, timed=True)
    assert len(found) == len(ensemble.members)
    assert all(cost.milliseconds > 0 and cost.multiply_adds > 0 for cost in found)
    assert all(torch.equal(t, state[name]) for name, t in ensemble.state_dict().items())
    assert ensemble.training and not ensemble.is_composed
    assert [cost.milliseconds for cost in member_costs(ensemble, images(dtype=torch.float32), FULL, timed=False)] == [
        None
    ] * len(found)


SPEC = """
ensemble pair {
  data digits
  member deep = wrn(depth: 16, width: 0.5)
  member own = python("needs_numbers:net")
  budget unlimited
  share conv { clusters one }
}
"""
OWN, PLAIN = 'python("needs_numbers:net")', "wrn(depth: 10, width: 0.5)"
NET = """
import torch
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_calibration_error
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_calibration_error
from torch import nn

class Net(nn.Conv2d):
    def forward(self, x):
        return super().forward(x).mean((2, 3)) * (1 if bool(x.sum() > -1) else 2)

def net(): return Net(1, 10, 3)
"""
LOOK = " * (1 if bool(x.sum() > -1) else 2)"
ATTENTIVE = """
import torch
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_calibration_error
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        return self.head(self.layer(x[:, 0]).mean(1)) * (1 if bool(x.sum() > -1) else 2)

def net(): return Net()
"""


@pytest.mark.parametrize(
    ("own", "net"),
    [
        (False, NET),
        (True, NET),
        (True, ATTENTIVE),
        (True, ATTENTIVE.replace(LOOK, "")),
    ],
    ids=["ours", "numbers", "attention and numbers", "attention"],
)
def test_costs_are_known_before_anything_is_trained(own: bool, net: str, tmp_path: Path) -> None:
    """Also those of a model whose code looks at numbers, which the meta device has not."""
    (tmp_path / "pair.sw").write_text(SPEC if own else SPEC.replace(OWN, PLAIN))
    (tmp_path / "needs_numbers.py").write_text(net)
    compiled = compile_file(tmp_path / "pair.sw")
    program = compiled.program
    with own_code(compiled.spec):
        real = build(program)
        found = planned_costs(program)
    assert found == member_costs(real, torch.zeros(1, 1, 8, 8), FULL, timed=False)
    assert compiled.tables[1].multiply_adds == (found[1].multiply_adds if own else None)
    assert costs_together(found) == Cost(found[0].multiply_adds + found[1].multiply_adds, None)
    assert costs_together([Cost(1, 0.5), Cost(2, 0.25)]) == Cost(3, 0.75)
    assert costs_together([Cost(1, 0.5, (0.25, 1)), Cost(2, 0.25, (0.25, 0.5))]) == Cost(3, 0.75, (0.5, 1.5))
    assert costs_together([Cost(1, 0.5, (0.25, 1)), Cost(2, 0.25)]) == Cost(3, 0.75)


@pytest.mark.parametrize("share", ["{ clusters one }", "as hard"])
def test_a_step_holds_the_composed_weights_that_were_counted(share: str, tmp_path: Path) -> None:
    (tmp_path / "pair.sw").write_text(SPEC.replace("{ clusters one }", share).replace(OWN, PLAIN))
    compiled = compile_file(tmp_path / "pair.sw")
    ensemble = build(compiled.program)
    stored = {p.untyped_storage().data_ptr() for p in ensemble.parameters()}
    ensemble.begin_step()
    assert ensemble._step is not None
    leaves, held = ensemble._step.leaves, []
    made = [leaf for leaf in leaves if leaf.untyped_storage().data_ptr() not in stored]
    for number, member in enumerate(ensemble.members):
        member(torch.randn(4, 1, 8, 8)).sum().backward()
        held.append(sum(leaf.grad.numel() for leaf in leaves if leaf.grad is not None))
        ensemble.end_member(number)
    ensemble.end_step()
    assert composed(compiled.graph) == ComposedCounts(sum(leaf.numel() for leaf in made), max(held))


def test_an_exit_stores_what_runs_for_it(tmp_path: Path) -> None:
    member = "member m[3] = msdnet(growth: 2, channels: 4, base: 2, step: 1)"
    (tmp_path / "e.sw").write_text(f"ensemble e {{\n  data digits\n  {member}\n  budget unlimited\n}}\n")
    ensemble = build(compile_file(tmp_path / "e.sw").program)
    network = ensemble.members[0]
    parts = [[*network.blocks[: k + 1], *network.exits[: k + 1]] for k in range(3)]
    counts = [sum(p.numel() for part in own for p in part.parameters()) for own in parts]
    assert [stored_scalars(stored_shapes(ensemble, [f"m[{k}]"])) for k in range(3)] == counts
    assert (
        stored_scalars(stored_shapes(ensemble, ["m[0]", "m[2]"]))
        == counts[2]
        == sum(p.numel() for p in ensemble.parameters())
    )
    shapes = [stored_shapes(ensemble, [f"m[{k}]"]) for k in range(3)]
    assert [stored_bytes(one, (), "float32") for one in shapes] == [4 * count for count in counts]


@pytest.mark.parametrize("program", [tiny_program(), tiny_program(tie=True), hard_program()])
def test_all_members_together_store_all_parameters(program) -> None:
    ensemble = ensemble_of(program)
    names = [member.name for member in program.members]
    assert stored_scalars(stored_shapes(ensemble, names)) == sum(p.numel() for p in ensemble.parameters())
    alone = [stored_scalars(stored_shapes(ensemble, [name])) for name in names]
    assert max(alone) <= stored_scalars(stored_shapes(ensemble, names)) < sum(alone)
