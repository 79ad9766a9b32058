"""The hierarchical ensemble: what its leaves share and what they cost."""

from __future__ import annotations

from inspect import signature
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from swc_runtime.models.exits import runs_until
from swc_runtime.models.hne import hne, plan_blocks
from swc_runtime.models.resnet import resnet

CIFAR = (3, 32, 32)
DIGIT = (1, 8, 8)


def size(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def multiply_adds(model: nn.Module, until: int | None) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.empty(1, *DIGIT), until=until)
    return counter.get_total_flops() // 2


@pytest.fixture(scope="module")
def tree() -> nn.Module:
    torch.manual_seed(0)
    return hne(5, DIGIT, outputs=8, depth=26, width=0.25).eval()


@pytest.mark.parametrize("until", range(8))
def test_what_runs_for_a_leaf_is_what_its_logits_are_made_of(tree: nn.Module, until: int) -> None:
    tree.zero_grad()
    tree(torch.rand(4, *DIGIT))[: until + 1].square().sum().backward()
    used = {name for name, p in tree.named_parameters() if p.grad is not None and p.grad.any()}
    assert used == {name for name, _ in tree.named_parameters() if runs_until(tree, name, until)}


def branches_used(model: nn.Module) -> set[tuple[str, ...]]:
    """The branches, as level and number, and the heads that have a gradient that is not zero throughout."""
    paths = [path.split(".") for path, p in model.named_parameters() if p.grad is not None and p.grad.any()]
    return {tuple(path[1:3] if path[0] == "levels" else path[:2]) for path in paths if path[0] in ("levels", "heads")}


def test_hne_gives_logits_of_each_leaf(tree: nn.Module) -> None:
    assert tree.has_exits is True
    assert tree(torch.randn(2, *DIGIT)).shape == (8, 2, 5)
    assert [len(level) for level in tree.levels] == [1, 2, 4, 8]
    with torch.device("meta"):
        large = hne(7, (3, 96, 96), outputs=2, depth=26, width=0.25)
        assert large(torch.empty(2, 3, 96, 96)).shape == (2, 2, 7)


@pytest.mark.parametrize("training", [False, True])
def test_hne_until_a_leaf_gives_the_same_logits_and_runs_no_other_branch(training: bool) -> None:
    torch.manual_seed(0)
    model = hne(5, DIGIT, outputs=4, depth=26, width=0.125).train(training)
    images = torch.randn(4, *DIGIT)
    whole = model(images)
    ran: list[tuple[int, int]] = []
    for level, branches in enumerate(model.levels):
        for number, branch in enumerate(branches):
            branch.register_forward_hook(lambda *_, place=(level, number): ran.append(place))
    for k in range(4):
        ran.clear()
        torch.testing.assert_close(model(images, until=k), whole[: k + 1], rtol=0, atol=0)
        assert ran == [(level, j) for level in range(3) for j in range(2**level) if j <= k >> (2 - level)]
    with pytest.raises(ValueError, match="they are 0 to 3"):
        model(images, until=4)


def test_hne_leaves_use_their_path_and_nothing_else(tree: nn.Module) -> None:
    logits = tree(torch.randn(2, *DIGIT))
    for leaf in range(8):
        tree.zero_grad()
        logits[leaf].sum().backward(retain_graph=True)
        path = {(str(level), str(leaf >> (3 - level))) for level in range(4)}
        assert branches_used(tree) == path | {("heads", str(leaf))}
    tree.zero_grad()


def test_hne_cost_rises_with_each_leaf_by_the_branches_it_adds(tree: nn.Module) -> None:
    costs = [multiply_adds(tree, k) for k in range(8)]
    added = [after - before for before, after in pairwise(costs)]
    assert min(added) > 0
    leaf, subtree = added[0], added[1]
    assert added == [leaf, subtree, leaf, added[3], leaf, subtree, leaf]
    assert added[3] > subtree > leaf
    assert multiply_adds(tree, None) == costs[-1]


def bottleneck(inputs: int, channels: int, groups: int, stride: int, first_copies: int = 1) -> int:
    """Scalars of a bottleneck whose convolutions have so many groups; `channels` are the inner ones of all groups.

    `first_copies` tells how many groups see each of the `inputs` channels.
    """
    outputs, seen = 4 * channels, inputs * first_copies
    products = seen * channels // groups + 9 * channels**2 // groups + channels * outputs // groups
    shortcut = seen * outputs // groups + 2 * outputs if seen != outputs or first_copies > 1 or stride > 1 else 0
    return products + 4 * channels + 2 * outputs + shortcut


def test_hne_levels_have_the_parameters_of_a_resnet_50_in_groups() -> None:
    with torch.device("meta"):
        model = hne(100, CIFAR, outputs=16)
    widths = [64] * 3 + [128] * 4 + [256] * 6 + [512] * 3
    assert [len(level[0]) for level in model.levels] == [4, 3, 3, 3, 3]
    inputs, number = 64, 0
    for level, branches in enumerate(model.levels):
        expected = 0
        for block in range(len(branches[0])):
            stride = 2 if number in (3, 7, 13) else 1
            copies = 2 if block == 0 and level > 0 else 1
            expected += bottleneck(inputs, widths[number], 2**level, stride, copies)
            inputs, number = 4 * widths[number], number + 1
        assert size(branches) == expected
    assert sum(size(head) for head in model.heads) == 16 * (128 * 100 + 100)
    assert size(model) == 4_475_008


def test_hne_of_one_leaf_is_a_resnet() -> None:
    torch.manual_seed(0)
    one, plain = hne(5, CIFAR, outputs=1, depth=26), resnet(5, CIFAR, depth=26)
    values = dict(zip(one.state_dict(), plain.state_dict().values(), strict=True))
    one.load_state_dict(values)
    images = torch.randn(1, 3, 8, 8)
    assert torch.equal(one.eval()(images)[0], plain.eval()(images))


def test_hne_of_narrowing_one_has_whole_resnets_as_leaves() -> None:
    with torch.device("meta"):
        model = hne(100, CIFAR, outputs=4, depth=26, narrowing=1)
        path = nn.ModuleList([model.conv1, model.bn1, *(level[0] for level in model.levels), model.heads[0]])
        assert size(path) == size(resnet(100, CIFAR, depth=26))


def test_hne_branches_of_a_level_are_one_grouped_convolution(tree: nn.Module) -> None:
    convolutions = [branch[-1].conv2 for branch in tree.levels[2]]
    inputs = [torch.randn(2, c.in_channels, 4, 4) for c in convolutions]
    weight = torch.cat([c.weight for c in convolutions])
    grouped = F.conv2d(torch.cat(inputs, dim=1), weight, padding=1, groups=4)
    apart = torch.cat([c(x) for c, x in zip(convolutions, inputs, strict=True)], dim=1)
    torch.testing.assert_close(grouped, apart)


def test_hne_deals_blocks_to_levels_in_order() -> None:
    for splits in range(5):
        levels = [block.level for block in plan_blocks(50, splits, 1, 2)]
        assert levels == sorted(levels)
        sizes = [levels.count(level) for level in range(splits + 1)]
        assert sizes[0] == max(sizes) <= min(sizes) + 1
    assert [block.channels for block in plan_blocks(50, 4, 1, 2)] == [64, 64, 64, 128] + [64] * 6 + [32] * 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"outputs": 6}, "no 6 leaves"),
        ({"outputs": 0}, "no 0 leaves"),
        ({"outputs": 4, "depth": 34}, "26, 38, 50, 101, 152"),
        ({"outputs": 256, "depth": 26}, "256 leaves need 9 blocks, and depth 26 has 8"),
        ({"outputs": 4, "width": 0}, "width 0"),
        ({"outputs": 4, "narrowing": 0.5}, "narrowing"),
    ],
)
def test_hne_refuses_other_trees(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        hne(5, DIGIT, **arguments)


def test_hne_starts_like_a_resnet_with_branches_that_differ(tree: nn.Module) -> None:
    first, second = (tree.get_submodule(f"levels.1.{j}.1.conv2").weight for j in range(2))
    assert abs(tree.conv1.weight.std().item() / (2 / (9 * 16)) ** 0.5 - 1) < 0.2
    assert abs(first.std().item() / (2 / first[:, 0].numel()) ** 0.5 - 1) < 0.1
    assert not torch.equal(first, second)


def test_hne_takes_no_arguments_by_position() -> None:
    kinds = [p.kind.name for p in signature(hne).parameters.values()]
    assert kinds == ["POSITIONAL_OR_KEYWORD"] * 2 + ["KEYWORD_ONLY"] * 4
