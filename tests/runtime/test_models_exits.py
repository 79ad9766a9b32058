"""MSDNet: its exits, what they cost and which layers they use."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from swc_runtime.models.exits import runs_until
from swc_runtime.models.msdnet import finest_scales, msdnet

CIFAR = (3, 32, 32)
DIGIT = (1, 8, 8)


def size(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def multiply_adds(model: nn.Module, until: int | None = None, image_shape=CIFAR) -> list[int]:
    """Of all convolutions and linear layers that have run after each linear one, for one image."""
    seen, after = [], []

    def count(module: nn.Module, _, outputs: torch.Tensor) -> None:
        seen.append(module.weight[0].numel() * outputs.numel())
        if isinstance(module, nn.Linear):
            after.append(sum(seen))

    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    with torch.no_grad():
        model(torch.empty(1, *image_shape, device=layers[0].weight.device), until=until)
    for hook in hooks:
        hook.remove()
    return after


def counted_by_torch(model: nn.Module, until: int | None, image_shape) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.empty(1, *image_shape), until=until)
    return counter.get_total_flops() // 2


def meta(family, num_classes: int = 100, image_shape=CIFAR, **arguments) -> nn.Module:
    with torch.device("meta"):
        return family(num_classes, image_shape, **arguments)


def used(model: nn.Module, scalar: torch.Tensor) -> set[str]:
    """The parameters that a scalar has a gradient for that is not zero throughout."""
    model.zero_grad()
    scalar.backward()
    return {name for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}


@pytest.fixture(scope="module")
def small_msdnet() -> nn.Module:
    torch.manual_seed(0)
    return msdnet(5, DIGIT, outputs=3, growth=2, channels=4, base=3, step=2).eval()


def test_msdnet_gives_logits_of_each_exit(small_msdnet: nn.Module) -> None:
    assert small_msdnet.has_exits is True
    assert small_msdnet(torch.randn(2, *DIGIT)).shape == (3, 2, 5)
    for shape in [(1, 28, 28), (3, 4, 4), (2, 33, 17)]:
        model = meta(msdnet, 7, shape, outputs=2, growth=2, channels=4, base=2, step=1)
        assert model(torch.empty(2, *shape, device="meta")).shape == (2, 2, 7)


@pytest.mark.parametrize("training", [False, True])
def test_msdnet_until_an_exit_gives_the_same_logits_and_runs_no_later_block(training: bool) -> None:
    torch.manual_seed(0)
    model = msdnet(5, DIGIT, outputs=3, growth=2, channels=4, base=1, step=1).train(training)
    images = torch.randn(4, *DIGIT)
    whole = model(images)
    ran = []
    for path in ["blocks.0", "blocks.1", "blocks.2", "exits.0", "exits.1", "exits.2"]:
        model.get_submodule(path).register_forward_hook(lambda *_, path=path: ran.append(path))
    for k in range(3):
        ran.clear()
        assert torch.equal(model(images, until=k), whole[: k + 1])
        assert sorted(ran) == sorted(f"{kind}.{i}" for kind in ("blocks", "exits") for i in range(k + 1))


@pytest.mark.parametrize("until", [-1, 3])
def test_msdnet_has_no_other_exits(small_msdnet: nn.Module, until: int) -> None:
    with pytest.raises(ValueError, match="they are 0 to 2"):
        small_msdnet(torch.randn(1, *DIGIT), until=until)


@pytest.mark.parametrize("name", ["outputs", "growth", "channels", "base", "step"])
def test_msdnet_refuses_sizes_below_one(name: str) -> None:
    with pytest.raises(ValueError, match=f"`{name}` is 0"):
        msdnet(5, DIGIT, **{"outputs": 2, name: 0})


@pytest.mark.parametrize("until", [0, 1, 2])
def test_what_runs_for_an_exit_is_what_its_logits_are_made_of(small_msdnet: nn.Module, until: int) -> None:
    logits = small_msdnet(torch.rand(4, *DIGIT))[: until + 1]
    needed = {name for name, _ in small_msdnet.named_parameters() if runs_until(small_msdnet, name, until)}
    assert used(small_msdnet, logits.square().sum()) <= needed  # a block computes finer scales for those behind it
    assert needed == {name for name, _ in small_msdnet.named_parameters() if int(name.split(".")[1]) <= until}


# from the authors' PyTorch code (kalviny/MSDNet-PyTorch) with the same settings; convolutions and linear layers alone
@pytest.mark.parametrize(
    ("classes", "outputs", "growth", "parameters", "costs"),
    [
        (10, 10, 6, 4_839_544, {0: 14_955_776, 4: 61_687_040, 9: 120_971_776}),
        (100, 16, 12, 18_794_216, {0: 36_147_712, 4: 182_573_568, 5: 246_463_488, 10: 470_660_608, 15: 697_858_048}),
    ],
)
def test_msdnet_has_the_authors_parameters_and_multiply_adds(classes, outputs, growth, parameters, costs) -> None:
    model = meta(msdnet, classes, outputs=outputs, growth=growth)
    assert size(model) == parameters
    found = multiply_adds(model)
    assert len(found) == outputs
    assert {k: found[k] for k in costs} == costs


def test_msdnet_grows_by_12_24_and_48_channels_over_34_layers() -> None:
    model = meta(msdnet, outputs=16)
    new = [model.get_submodule(f"blocks.0.layer1.scale{scale}.same.expand.conv").out_channels for scale in range(3)]
    new[1] += model.get_submodule("blocks.0.layer1.scale1.down.expand.conv").out_channels
    new[2] += model.get_submodule("blocks.0.layer1.scale2.down.expand.conv").out_channels
    assert new == [12, 24, 48]
    names = [name for block in model.blocks for name, _ in block.named_children()]
    assert [name for name in names if name.startswith("layer")] == [f"layer{i}" for i in range(1, 35)]
    assert [name for name in names if not name.startswith("layer")] == ["stem", "transition13", "transition25"]
    assert [len(block) for block in model.blocks] == [5, 2, 2, 2, 2, 3, 2, 2, 2, 2, 2, 3, 2, 2, 2, 2]


def test_msdnet_drops_the_finest_scale_after_each_third() -> None:
    assert finest_scales(7) == [0, 0, 0, 1, 1, 1, 2]
    assert finest_scales(34) == [0] * 12 + [1] * 12 + [2] * 10


def test_msdnet_of_one_layer_has_as_many_parameters_as_by_hand() -> None:
    g, c, classes = 3, 5, 7

    def unit(inputs: int, outputs: int, side: int) -> int:
        return inputs * outputs * side**2 + 2 * outputs

    def path(inputs: int, outputs: int, factor: int) -> int:
        inner = min(inputs, factor * outputs)
        return unit(inputs, inner, 1) + unit(inner, outputs, 3)

    stem = unit(1, c, 3) + unit(c, 2 * c, 3) + unit(2 * c, 4 * c, 3)
    finest, middle = path(c, g, 1), path(c, g, 1) + path(2 * c, g, 2)
    coarsest = path(2 * c, 2 * g, 2) + path(4 * c, 2 * g, 4)
    end = unit(4 * (c + g), 128, 3) + unit(128, 128, 3) + 128 * classes + classes
    model = meta(msdnet, classes, DIGIT, outputs=1, growth=g, channels=c, base=1)
    assert size(model) == stem + finest + middle + coarsest + end


def test_msdnet_exits_use_their_block_and_those_before(small_msdnet: nn.Module) -> None:
    images = torch.randn(2, *DIGIT)
    for k in range(3):
        paths = used(small_msdnet, small_msdnet(images)[k].sum())
        assert {path.split(".")[1] for path in paths if path.startswith("blocks")} == {str(i) for i in range(k + 1)}
        assert {path.split(".")[1] for path in paths if path.startswith("exits")} == {str(k)}


def test_msdnet_cost_rises_with_every_exit(small_msdnet: nn.Module) -> None:
    costs = [multiply_adds(small_msdnet, k, DIGIT)[-1] for k in range(3)]
    assert costs == sorted(set(costs))
    assert costs == [counted_by_torch(small_msdnet, k, DIGIT) for k in range(3)]
    assert multiply_adds(small_msdnet, None, DIGIT) == costs


def test_msdnet_starts_with_the_spread_of_its_outputs(small_msdnet: nn.Module) -> None:
    weight = small_msdnet.get_submodule("exits.0.down2.conv").weight
    assert abs(weight.std().item() / (2 / (9 * 128)) ** 0.5 - 1) < 0.02
    assert not small_msdnet.get_submodule("exits.0.fc").bias.any()


def test_msdnet_trains_with_the_norms_of_its_batch(small_msdnet: nn.Module) -> None:
    images = torch.randn(4, *DIGIT)
    before = small_msdnet.get_submodule("blocks.0.stem.scale0.bn").running_mean.clone()
    in_eval = small_msdnet(images)
    torch.testing.assert_close(small_msdnet(images[:2]), in_eval[:, :2])
    small_msdnet.train()
    small_msdnet(images)
    small_msdnet.eval()
    assert not torch.equal(small_msdnet.get_submodule("blocks.0.stem.scale0.bn").running_mean, before)
