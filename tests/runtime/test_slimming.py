"""The channel search: cuts, the greedy path, and that a cut network is the leading part of the whole one."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from swc_runtime.evaluate.cost import multiply_adds
from swc_runtime.models import build_model
from swc_runtime.precision import choose_arithmetic
from swc_runtime.training.channel_search import (
    ChannelGroup,
    Measures,
    OutOfReachError,
    Slimmer,
    cut,
    groups_of,
    search,
    smallest,
)

WIDE = (16, 24, 24, 32, 32, 64, 64)


def slimmer(channels: tuple[int, ...] = (16, 16, 8, 16, 16, 24, 16), dropout: float = 0) -> Slimmer:
    torch.manual_seed(0)
    arguments = {"depth": 10, "width": 1, "channels": " ".join(map(str, channels)), "dropout": dropout}
    module = build_model("family", "wrn", arguments, 4, (1, 8, 8)).eval()
    batches = [(torch.randn(8, 1, 8, 8), torch.arange(8) % 4) for _ in range(2)]
    return Slimmer(module, 10, batches, choose_arithmetic("float32"))


def linear(weights: tuple[float, ...]) -> Measures:
    """A loss that rises by a weight for each channel that goes, and channels that cost 10 each."""
    return Measures(
        lambda numbers: -sum(w * n for w, n in zip(weights, numbers, strict=True)), lambda numbers: 10 * sum(numbers)
    )


def test_groups_follow_the_sums() -> None:
    assert groups_of(WIDE)[:3] == (ChannelGroup((0,), 2), ChannelGroup((1,), 3), ChannelGroup((2,), 3))
    assert groups_of((16, 16, 4))[:2] == (ChannelGroup((0, 1), 2), ChannelGroup((2,), 1))


def test_a_cut_takes_a_step_and_leaves_something() -> None:
    assert cut(WIDE, ChannelGroup((2,), 3)) == (16, 24, 21, 32, 32, 64, 64)
    assert cut((16, 16, 4), ChannelGroup((0, 1), 2)) == (14, 14, 4)
    assert cut((2, 2, 4), ChannelGroup((0, 1), 2)) is None


def test_a_cut_keeps_the_shortcut_of_the_first_stage() -> None:
    assert cut((16, 18, 4), ChannelGroup((1,), 2)) == (16, 15, 4)
    assert cut((2, 1, 4), ChannelGroup((0,), 1)) is None


def test_the_search_cuts_what_matters_least() -> None:
    found = search((9, 16, 9), linear((3.0, 1.0, 2.0)), [220, 280])
    assert [one.numbers for one in found] == [(9, 10, 9), (9, 4, 9)]
    assert [one.multiply_adds for one in found] == [280, 220]


def test_the_search_compares_by_what_is_saved() -> None:
    """A step of the second group, of two channels, costs more loss than one of the third, but saves more for it."""
    assert search((8, 16, 8), linear((3.0, 1.0, 1.5)), [300])[0].numbers == (8, 14, 8)


def test_of_equal_cuts_the_first_is_taken() -> None:
    assert search((8, 20, 8), linear((1.0, 1.0, 1.0)), [350])[0].numbers == (7, 20, 8)


def test_a_limit_below_the_smallest_is_out_of_reach() -> None:
    with pytest.raises(OutOfReachError, match="smallest takes 40"):
        search((8, 16, 8), linear((1.0, 1.0, 1.0)), [39])
    assert search((8, 16, 8), linear((1.0, 1.0, 1.0)), [40])[0].numbers == smallest((8, 16, 8)) == (1, 2, 1)


def cut_network(whole: Slimmer, numbers: tuple[int, ...]) -> nn.Module:
    """What a spec with these numbers builds, with the weights of the cut."""
    arguments = {"depth": whole.depth, "width": 1, "channels": " ".join(map(str, numbers))}
    member = build_model("family", "wrn", arguments, 4, (1, 8, 8))
    member.load_state_dict(whole.state(numbers))
    return member.eval()


def test_a_network_is_cut_to_its_first_channels() -> None:
    whole = slimmer()
    member = cut_network(whole, (14, 14, 6, 10, 16, 20, 2))
    state = whole.module.state_dict()
    assert torch.equal(member.get_parameter("block1.0.conv1.weight"), state["block1.0.conv1.weight"][:6, :14])
    assert torch.equal(member.get_parameter("block3.0.conv2.weight"), state["block3.0.conv2.weight"][:20, :2])
    assert torch.equal(member.get_parameter("fc.weight"), state["fc.weight"][:, :20])
    assert member(torch.zeros(2, 1, 8, 8)).shape == (2, 4)


def test_dropout_has_no_part_in_the_losses() -> None:
    plain, dropping = slimmer(), slimmer(dropout=0.5)
    assert dropping.loss(dropping.numbers) == plain.loss(plain.numbers)


def test_a_deeper_network_with_shortcuts_is_cut() -> None:
    arguments = {"depth": 16, "width": 1, "channels": "8 9 4 5 6 7 8 9 10 11"}
    module = build_model("family", "wrn", arguments, 4, (1, 8, 8)).eval()
    batches = [(torch.randn(4, 1, 8, 8), torch.arange(4))]
    whole = Slimmer(module, 16, batches, choose_arithmetic("float32"))
    assert whole.numbers == (8, 9, 4, 5, 6, 7, 8, 9, 10, 11)
    numbers = (7, 3, 4, 4, 5, 6, 8, 9, 8, 11)
    assert whole.cost(numbers) == multiply_adds(cut_network(whole, numbers), torch.zeros(1, 1, 8, 8))


def test_the_uncut_network_is_the_member_itself() -> None:
    whole = slimmer()
    images = whole.batches[0][0]
    assert torch.equal(cut_network(whole, whole.numbers)(images), whole.module(images))


def test_a_cut_network_equals_the_whole_one_whose_last_channels_nothing_reads() -> None:
    whole = slimmer()
    images = whole.batches[0][0]
    with torch.no_grad():
        whole.module.get_parameter("block2.0.conv2.weight")[:, 12:] = 0
    torch.testing.assert_close(cut_network(whole, (16, 16, 8, 16, 12, 24, 16))(images), whole.module(images))


def test_the_loss_is_that_of_batches_and_leaves_no_trace() -> None:
    whole = slimmer()
    numbers = (14, 14, 6, 10, 16, 20, 2)
    before = {name: tensor.clone() for name, tensor in whole.module.state_dict().items()}
    found = whole.loss(numbers)
    assert all(torch.equal(tensor, before[name]) for name, tensor in whole.module.state_dict().items())
    assert not whole.module.training
    member = cut_network(whole, numbers).train()
    with torch.no_grad():
        expected = sum(F.cross_entropy(member(images), labels) for images, labels in whole.batches) / 2
    assert found == pytest.approx(expected.item())


def test_the_cost_is_that_of_one_image() -> None:
    """Depth 10 on 8 x 8 pixels, by hand: area x kernel x inputs x outputs."""
    stem, first = 64 * 9 * 1 * 16, 64 * 9 * (16 * 8 + 8 * 16)
    second = 16 * (9 * (16 * 16 + 16 * 16) + 16 * 16)
    third = 4 * (9 * (16 * 16 + 16 * 24) + 16 * 24)
    whole = slimmer()
    assert whole.cost(whole.numbers) == stem + first + second + third + 24 * 4
    numbers = (14, 14, 6, 10, 16, 20, 2)
    assert whole.cost(numbers) == multiply_adds(cut_network(whole, numbers), torch.zeros(1, 1, 8, 8))


def test_the_same_search_gives_the_same_numbers() -> None:
    limit = slimmer().cost(slimmer().numbers) * 95 // 100
    first, second = (search(one.numbers, one.measures(), [limit]) for one in (slimmer(), slimmer()))
    assert first == second and first[0].multiply_adds <= limit
