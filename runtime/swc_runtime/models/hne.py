"""Hierarchical Neural Ensembles (Ruiz and Verbeek, AAAI 2021): a binary tree of branches over a bottleneck ResNet.

Takes a number of leaves, a depth and widths; gives a torch module with the logits of all leaves. Layer paths are
`conv1`, `bn1`, `levels.2.3.0.conv1` (level 2, its branch 3, that branch's first block) and `heads.15`. Guarantees:
branch j of a level goes on in the branches 2j and 2j + 1 of the next, so that leaves 0 to k need the first branches of
every level, and `until` runs no others; one leaf of width 1 is the function that `resnet` of that depth is.

Of the paper: N = 2^B leaves are the ends of a binary tree of B + 1 levels, level b has 2^b branches with parameters of
their own, each used by N / 2^b leaves, and leaves are asked in the order of a depth-first walk, which makes the first
1, 2, 4, ... of them whole subtrees. A level's branches side by side are one grouped convolution with 2^b groups; here
they are modules of their own, which is the same function, so that each has its layers by name.

Chosen here, as the paper's table of channels was not at hand: the ResNet's blocks are dealt to the levels in order, as
evenly as can be, the first level getting what is over (of ResNet-50's 16 blocks 4, 3, 3, 3, 3, so that the last level
is its last stage); branches narrow by `narrowing` from level to level. With 2, the default, all branches of a level
together are as wide as the ResNet, i.e. its convolutions in 2^b groups; with 1 every leaf is a whole ResNet.

Suffixes: B images, C channels, H x W pixels, K leaves.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.resnet import Bottleneck

from swc_runtime.models.exits import num_wanted
from swc_runtime.models.resnet import STAGES, is_small, make_stem

STEM_CHANNELS = 64
EXPANSION = Bottleneck.expansion


class BlockPlan(NamedTuple):  # models need torch alone, so that they can be carried away
    """Where one block of the ResNet goes in the tree, and its inner channels in each branch of that level."""

    level: int
    channels: int
    stride: int


class HierarchicalEnsemble(nn.Module):
    """A tree with `outputs` leaves over the ResNet of this depth."""

    has_exits = True

    def __init__(
        self,
        num_classes: int,
        image_shape: tuple[int, int, int],
        outputs: int,
        depth: int,
        width: float,
        narrowing: float,
    ) -> None:
        super().__init__()
        self.num_splits = outputs.bit_length() - 1
        stem = _narrowed(STEM_CHANNELS, width)
        self.conv1 = make_stem(image_shape, stem)
        self.bn1 = nn.BatchNorm2d(stem)
        self.pooled = not is_small(image_shape)
        plan = plan_blocks(depth, self.num_splits, width, narrowing)
        self.levels = nn.ModuleList(_levels(plan, stem))
        features = EXPANSION * plan[-1].channels
        self.heads = nn.ModuleList(nn.Linear(features, num_classes) for _ in range(outputs))
        _initialise(self)

    def forward(self, images_BCHW: Tensor, until: int | None = None) -> Tensor:
        """Logits [K, B, classes] of all leaves, or of those up to and with number `until`, whose branches alone run."""
        last = num_wanted(until, len(self.heads)) - 1
        x_BCHW = F.relu(self.bn1(self.conv1(images_BCHW)))
        features = [F.max_pool2d(x_BCHW, 3, 2, padding=1) if self.pooled else x_BCHW]
        for level, branches in enumerate(self.levels):
            assert isinstance(branches, nn.ModuleList)
            wanted = self._num_branches(level, last)
            # branch j grows out of branch j // 2, and the only one of level 0 out of the stem
            features = [branches[j](features[j // 2]) for j in range(wanted)]
        return torch.stack([head(x.mean(dim=(2, 3))) for head, x in zip(self.heads, features, strict=False)])

    def _num_branches(self, level: int, last: int) -> int:
        """How many branches of a level the leaves up to and with number `last` grow out of."""
        return (last >> (self.num_splits - level)) + 1

    def parts_until(self, until: int) -> tuple[str, ...]:
        """The stem, the branches and the heads that run for the leaves up to and with number `until`."""
        branches = (
            f"levels.{level}.{branch}"
            for level in range(self.num_splits + 1)
            for branch in range(self._num_branches(level, until))
        )
        return ("conv1", "bn1", *branches, *(f"heads.{leaf}" for leaf in range(until + 1)))


def plan_blocks(depth: int, num_splits: int, width: float, narrowing: float) -> list[BlockPlan]:
    """Each block of the ResNet in order; ValueError for an unusual depth, or where blocks are fewer than levels."""
    if depth not in STAGES:
        raise ValueError(f"no bottleneck resnet has depth {depth}: choose one of {', '.join(map(str, STAGES))}")
    blocks = [(stage, block) for stage, size in enumerate(STAGES[depth]) for block in range(size)]
    if num_splits >= len(blocks):
        raise ValueError(f"{2**num_splits} leaves need {num_splits + 1} blocks, and depth {depth} has {len(blocks)}")
    plans = []
    for number, (stage, block) in enumerate(blocks):
        level = number * (num_splits + 1) // len(blocks)
        channels = _narrowed(64 * 2**stage, width / narrowing**level)
        plans.append(BlockPlan(level, channels, stride=2 if stage > 0 and block == 0 else 1))
    return plans


def _narrowed(channels: int, factor: float) -> int:
    return max(1, round(channels * factor))


def _levels(plan: list[BlockPlan], inputs: int) -> Iterator[nn.ModuleList]:
    for level in range(plan[-1].level + 1):
        own = [block for block in plan if block.level == level]
        yield nn.ModuleList(_branch(own, inputs) for _ in range(2**level))
        inputs = EXPANSION * own[-1].channels


def _branch(plan: list[BlockPlan], inputs: int) -> nn.Sequential:
    blocks = []
    for block in plan:
        outputs = EXPANSION * block.channels
        blocks.append(Bottleneck(inputs, block.channels, block.stride, _shortcut(inputs, outputs, block.stride)))
        inputs = outputs
    return nn.Sequential(*blocks)


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Module | None:
    if inputs == outputs and stride == 1:
        return None
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


def _initialise(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def hne(
    num_classes: int,
    image_shape: tuple[int, int, int],
    *,
    outputs: int,
    depth: int = 50,
    width: float = 1.0,
    narrowing: float = 2.0,
) -> nn.Module:
    """A tree of `outputs` leaves, a power of two, for images of this shape (channels, height, width).

    `width` multiplies all channels of the ResNet, and a level's branches have 1 / `narrowing` of the channels of those
    before. ValueError for other numbers of leaves, unusual depths, and trees of more levels than the depth has blocks.
    """
    if outputs < 1 or outputs & (outputs - 1):
        raise ValueError(f"a binary tree has no {outputs} leaves: choose a power of two")
    if width <= 0 or narrowing < 1:
        raise ValueError(f"width {width} must be above 0 and narrowing {narrowing} 1 at least")
    return HierarchicalEnsemble(num_classes, image_shape, outputs, depth, width, narrowing)
