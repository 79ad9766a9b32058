"""MIMO and Packed-Ensembles: sizes, what depends on what, and the same networks of torch-uncertainty's layers."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache, partial
from importlib.util import find_spec

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from swc_runtime.models import build_model
from swc_runtime.models import packed as packed_module
from swc_runtime.models.packed import num_groups, packed_channels
from swc_runtime.models.wrn import WideResNet, channels_of, convolution, linear, spread

CIFAR, TINY = (3, 32, 32), (3, 8, 8)
CLASSES, STEM, PIXELS = 5, 16, 32 * 32
MISSING = "torch-uncertainty is not installed: `make test-peers` installs it in an environment of its own"
FOUR = {"outputs": 4, "alpha": 2}


def peers(test: Callable[..., None]) -> Callable[..., None]:
    """A test that needs torch-uncertainty."""
    return pytest.mark.peers(pytest.mark.skipif(find_spec("torch_uncertainty") is None, reason=MISSING)(test))


def made(name: str, classes: int = CLASSES, image_shape=TINY, **arguments) -> nn.Module:
    torch.manual_seed(0)
    return build_model("family", name, {"depth": 10, "width": 0.5} | arguments, classes, image_shape)


@cache
def sketched(name: str, classes: int = 100, **arguments) -> nn.Module:
    """The WRN-28-10 of a family, without numbers."""
    with torch.device("meta"):
        return made(name, classes, CIFAR, **{"depth": 28, "width": 10} | arguments)


def images_of(*sizes: int) -> Tensor:
    return torch.randn(*sizes, *TINY, generator=torch.Generator().manual_seed(1))


def size(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def convolutions(model: nn.Module) -> dict[str, nn.Conv2d]:
    return {path: module for path, module in model.named_modules() if isinstance(module, nn.Conv2d)}


def multiply_adds(model: nn.Module) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.eval()(torch.empty(1, *CIFAR, device="meta"))
    return counter.get_total_flops() // 2


# both


@pytest.mark.parametrize("image_shape", [(1, 8, 8), (3, 12, 9)])
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("mimo", {"outputs": 1}),
        ("mimo", {"outputs": 3}),
        ("packed", {"outputs": 1}),
        ("packed", {"outputs": 3, "alpha": 1.3, "gamma": 2}),
        ("packed", {"outputs": 7, "alpha": 0.5, "width": 0.25}),
    ],
)
def test_a_prediction_for_every_output(name: str, arguments: dict[str, float], image_shape) -> None:
    model = made(name, image_shape=image_shape, **arguments)
    assert model(torch.zeros(2, *image_shape)).shape == (arguments["outputs"], 2, CLASSES)


@pytest.mark.parametrize(("name", "arguments"), [("mimo", {}), ("packed", {"alpha": 1})])
def test_with_one_output_either_is_a_plain_network(name: str, arguments: dict[str, int]) -> None:
    joint, plain = made(name, outputs=1, **arguments), made("wrn")
    expected, found = plain.state_dict(), joint.state_dict()
    assert list(found) == list(expected)
    assert all(torch.equal(found[key].reshape(value.shape), value) for key, value in expected.items())
    torch.testing.assert_close(joint(images_of(2)), plain(images_of(2))[None])


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("mimo", {"outputs": 0}),
        ("packed", {"outputs": 0}),
        ("packed", {"outputs": 2, "alpha": 0}),
        ("packed", {"outputs": 2, "alpha": float("nan")}),
        ("packed", {"outputs": 2, "gamma": 0}),
        ("packed", {"outputs": 2, "depth": 12}),
        ("mimo", {"outputs": 2, "depth": 12}),
    ],
)
def test_numbers_that_make_no_network_are_refused(name: str, wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"at least one|must be positive|not 6n \+ 4"):
        made(name, **wrong)


# MIMO


@pytest.mark.parametrize("training", [True, False])
def test_an_image_that_all_see_is_that_image_for_each(training: bool) -> None:
    model, images = made("mimo", outputs=3).train(training), images_of(4)
    repeated = images[:, None].expand(-1, 3, -1, -1, -1)
    assert torch.equal(model(images), model(repeated))


def test_an_input_has_channels_and_an_output_has_rows_of_its_own() -> None:
    model, images = made("mimo", outputs=3).eval(), images_of(4, 3)
    before = model(images)
    with torch.no_grad():
        model.conv1.weight[:, 3:6] = 0  # those of the second image
        deaf = model(images)
        model.fc.weight[CLASSES : 2 * CLASSES] = 0  # those of the second output
    other = images.clone()
    other[:, 1] = 7
    assert not torch.equal(deaf, before)
    assert torch.equal(model(other)[0], deaf[0])
    assert torch.equal(model(other)[2], deaf[2])
    assert not model(images)[1].any()


@pytest.mark.parametrize(("outputs", "classes"), [(2, 10), (4, 100)])
def test_mimo_adds_inputs_to_the_stem_and_rows_to_the_classifier(outputs: int, classes: int) -> None:
    joint, plain = sketched("mimo", classes, outputs=outputs), sketched("wrn", classes)
    stem = 9 * 3 * STEM
    assert size(joint) == size(plain) + (outputs - 1) * (stem + (640 + 1) * classes)
    assert multiply_adds(joint) == multiply_adds(plain) + (outputs - 1) * (stem * PIXELS + 640 * classes)


def test_mimo_has_about_the_published_number_of_parameters() -> None:
    """36.5M for three members of WRN-28-10 (the published figure): so it is for 10 classes, nearly for 100."""
    assert size(sketched("mimo", 10, outputs=3)) == 36_492_878
    assert size(sketched("mimo", 100, outputs=3)) == 36_665_948


# Packed-Ensembles


def subnetworks(model: nn.Module, outputs: int, gamma: int) -> list[WideResNet]:
    """The networks that a packed one of `outputs` holds, cut out of its state."""
    stages = [model.conv1, model.block1[0].conv1, model.block2[0].conv1, model.block3[0].conv1]
    stem, first, second, third = (conv.out_channels // outputs for conv in stages)
    conv = partial(convolution, groups=gamma)
    made = [WideResNet(spread(10, (stem, first, second, third)), 3, linear(CLASSES), conv) for _ in range(outputs)]
    for number, network in enumerate(made):
        own = {key: t if t.dim() == 0 else t.chunk(outputs)[number] for key, t in model.state_dict().items()}
        network.load_state_dict(own | {"fc.weight": own["fc.weight"].squeeze(2)})
    return made


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("outputs", "gamma"), [(1, 2), (2, 1), (3, 1), (2, 2)])
def test_a_packed_network_is_its_subnetworks_run_one_by_one(
    outputs: int, gamma: int, training: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed_module, "LEAST_GROUP", 1)  # a network as small as this has no other inner groups
    model = made("packed", outputs=outputs, gamma=gamma, alpha=outputs).double().train(training)
    alone = [network.double().train(training) for network in subnetworks(model, outputs, gamma)]
    images = images_of(4).double()
    torch.testing.assert_close(model(images), torch.stack([network(images) for network in alone]))


@pytest.mark.parametrize("number", [0, 2])
def test_an_output_has_gradients_in_its_own_subnetwork_alone(number: int) -> None:
    model = made("packed", outputs=3)
    model(images_of(4))[number].square().sum().backward()
    for name, parameter in model.named_parameters():
        parts = parameter.grad.chunk(3)
        assert [bool(part.any()) for part in parts] == [n == number for n in range(3)], name


def test_subnetworks_start_apart_and_by_the_fan_in_of_a_group() -> None:
    model = made("packed", outputs=4, width=2)
    for conv in convolutions(model).values():
        fan_in = conv.weight[0].numel()
        assert conv.weight.std().item() == pytest.approx((2 / fan_in) ** 0.5, rel=0.1)
    first, second, *_ = model.block2[0].conv2.weight.chunk(4)
    assert not torch.equal(first, second)
    bound = model.fc.weight.shape[1] ** -0.5
    assert not model.fc.bias.any()
    assert 0.9 * bound < model.fc.weight.abs().max() <= bound


@pytest.mark.parametrize(
    ("alpha", "outputs", "expected"),
    [
        (2, 4, (32, 320, 640, 1280)),
        (2, 3, (33, 321, 642, 1281)),  # rounded up until three divides it
        (1.1, 4, (20, 176, 352, 704)),  # 17.6 is 18, and four divides 20
        (0.01, 4, (4, 4, 4, 8)),
    ],
)
def test_channels_are_widened_and_rounded_up(alpha: float, outputs: int, expected: tuple[int, ...]) -> None:
    assert packed_channels(channels_of(10), outputs, alpha) == expected


@pytest.mark.parametrize(
    ("inputs", "channels", "gamma", "groups"),
    [
        (640, 640, 1, 4),
        (640, 640, 2, 8),  # 80 channels to a group
        (320, 320, 2, 4),  # 40 would be too narrow
        (32, 320, 9, 4),
        (1280, 1280, 4, 16),
        (1280, 1280, 9, 20),  # 6 to 9 divide nothing or are too narrow; 5 leaves 64
        (640, 1284, 2, 4),  # eight does not divide the outputs
    ],
)
def test_gamma_gives_way_where_groups_would_be_narrow(inputs: int, channels: int, gamma: int, groups: int) -> None:
    assert num_groups(inputs, channels, 4, gamma) == groups


@pytest.mark.parametrize(
    ("arguments", "ratio"),
    [(FOUR, 1.0), (FOUR | {"alpha": 4}, 4.0), (FOUR | {"outputs": 8}, 0.5), (FOUR | {"alpha": 1}, 0.25)],
)
def test_packed_weights_and_multiply_adds_are_those_published(arguments: dict[str, int], ratio: float) -> None:
    """A convolution's are alpha ** 2 / (M gamma) times the plain one's, by construction (Laurent et al., 2023)."""
    joint, plain = sketched("packed", **arguments), sketched("wrn")
    own, usual = convolutions(joint), convolutions(plain)
    assert list(own) == list(usual)
    inner = [path for path in own if path != "conv1"]
    assert all(own[path].weight.numel() == ratio * usual[path].weight.numel() for path in inner)
    alpha, stem = arguments["alpha"], 9 * 3 * STEM
    rest = multiply_adds(plain) - stem * PIXELS - 640 * 100
    assert multiply_adds(joint) == ratio * rest + alpha * (stem * PIXELS + 640 * 100)


def packed_size(classes: int, gamma: int) -> int:
    """The parameters of four WRN-28-10 packed with alpha 2, term by term."""
    stem, first, second, third, num_blocks, outputs = 32, 320, 640, 1280, 4, 4
    total = 9 * 3 * stem + third * classes + outputs * classes  # the stem has no groups, the classifier has four
    for inputs, channels in ((stem, first), (first, second), (second, third)):
        entering = outputs * (gamma if inputs // (outputs * gamma) >= 64 else 1)
        inside = outputs * (gamma if channels // (outputs * gamma) >= 64 else 1)
        total += (9 + 1) * inputs * channels // entering  # the first convolution and the shortcut
        total += (2 * num_blocks - 1) * 9 * channels**2 // inside
    return total + 2 * (stem + 2 * num_blocks * (first + second + third))


@pytest.mark.parametrize(
    ("classes", "gamma", "count"),
    [(10, 1, 36_504_008), (100, 1, 36_619_568), (10, 2, 19_352_008), (100, 2, 19_467_568)],
)
def test_packed_parameters_are_those_of_the_formula(classes: int, gamma: int, count: int) -> None:
    assert size(sketched("packed", classes, gamma=gamma, **FOUR)) == packed_size(classes, gamma) == count


# torch-uncertainty: its blocks activate after their norms and stride in the second convolution, so that its layers, and
# its way from images to logits, are compared in blocks of ours


def theirs(name: str, **arguments) -> nn.Module:
    """Its network with the same numbers."""
    from torch_uncertainty.models.classification.resnet.utils import ResNetStyle
    from torch_uncertainty.models.classification.wideresnet.mimo import _MIMOWideResNet
    from torch_uncertainty.models.classification.wideresnet.packed import _PackedWideResNet

    made_by = {"mimo": _MIMOWideResNet, "packed": _PackedWideResNet}[name]
    small = {"in_channels": 3, "conv_bias": False, "dropout_rate": 0.0, "style": ResNetStyle.CIFAR}
    return made_by(**small, **arguments)


def shapes(model: nn.Module) -> list[tuple[tuple[int, ...], int]]:
    """Of every convolution in order the weight's shape and the groups."""
    return sorted((tuple(conv.weight.shape), conv.groups) for conv in convolutions(model).values())


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("mimo", {"outputs": 3}),
        ("packed", FOUR | {"gamma": 1}),
        ("packed", FOUR | {"gamma": 2}),
        ("packed", {"outputs": 2, "alpha": 3, "gamma": 4}),
        ("packed", {"outputs": 8, "alpha": 1.5, "gamma": 1}),
    ],
)
@peers
def test_a_peers_network_has_the_same_convolutions_and_parameters(name: str, arguments: dict[str, float]) -> None:
    with torch.device("meta"):
        renamed = {{"outputs": "num_estimators"}.get(key, key): value for key, value in arguments.items()}
        other = theirs(name, depth=28, widen_factor=10, num_classes=100, **renamed)
    own = sketched(name, **arguments)
    assert shapes(own) == shapes(other)
    assert size(own) == size(other)


@peers
def test_mimo_stacks_and_splits_as_a_peer_does() -> None:
    model, images = made("mimo", outputs=3), images_of(4, 3)
    other = theirs("mimo", depth=10, widen_factor=1, num_classes=CLASSES, num_estimators=3)
    other.conv1, other.linear, other.bn1, other.activation_fn = model.conv1, model.fc, nn.Identity(), nn.Identity()
    other.layer1, other.layer2 = model.block1, model.block2
    other.layer3 = nn.Sequential(model.block3, model.bn, nn.ReLU())
    inputs = images.transpose(0, 1).flatten(0, 1)  # member by member
    torch.testing.assert_close(model(images), other(inputs).unflatten(0, (3, 4)), rtol=0, atol=1e-5)
    model.eval()
    other.eval()
    alike = images[:, 0]
    torch.testing.assert_close(model(alike), other(alike).unflatten(0, (3, 4)), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "arguments",
    [{"outputs": 4, "alpha": 2, "gamma": 1}, {"outputs": 2, "alpha": 2, "gamma": 2, "width": 2}],
)
@peers
def test_packed_computes_what_a_peers_layers_do(arguments: dict[str, float]) -> None:
    model, images = made("packed", **arguments), images_of(4)
    outputs, gamma = arguments["outputs"], arguments["gamma"]
    assert {conv.groups for conv in convolutions(model).values()} == {1, outputs, outputs * gamma}
    other = of_peers_layers(model, **arguments)
    for training in (True, False):
        expected = other.train(training)(images).unflatten(0, (outputs, 4))
        torch.testing.assert_close(model.train(training)(images), expected, rtol=0, atol=1e-5)


def of_peers_layers(model: nn.Module, outputs: int, alpha: int, gamma: int, width: float = 0.5) -> nn.Module:
    """A copy whose convolutions and classifier are torch-uncertainty's, with the same weights."""
    from torch_uncertainty.layers import PackedConv2d, PackedLinear

    other, common = copy.deepcopy(model), {"alpha": alpha, "num_estimators": outputs}
    for path, conv in convolutions(model).items():
        first = path == "conv1"
        inputs, channels = conv.in_channels // (1 if first else alpha), conv.out_channels // alpha
        where = {"stride": conv.stride, "padding": conv.padding, "bias": False, "first": first}
        packed = PackedConv2d(inputs, channels, conv.kernel_size, gamma=gamma, **where, **common)
        packed.conv.load_state_dict(conv.state_dict())
        other.set_submodule(path, packed)
    other.fc = PackedLinear(model.fc.in_channels // alpha, CLASSES, last=True, **common)
    own = {"weight": model.fc.weight.reshape(other.fc.weight.shape), "bias": model.fc.bias}
    other.fc.load_state_dict(own)
    return other
