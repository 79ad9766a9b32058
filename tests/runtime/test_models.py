"""The models: sizes known from the literature, layer paths, and the registry."""

from __future__ import annotations

import json
from inspect import signature
from pathlib import Path

import pytest
import torch
from swc.registry.families import FAMILIES
from torch import nn

from swc_runtime.models import (
    ElsewhereError,
    NoModuleError,
    NotAFactoryError,
    StandardLibraryError,
    build_model,
)
from swc_runtime.models import factories as factories_of_models
from swc_runtime.models.resnet import STAGES
from swc_runtime.models.wrn import blocks_per_stage

CIFAR = (3, 32, 32)
ALLOCATION = json.loads((Path(__file__).parents[1] / "golden" / "allocation.json").read_text())


def meta(kind: str, name: str, num_classes: int = 100, image_shape=CIFAR, **arguments) -> nn.Module:
    with torch.device("meta"):
        return build_model(kind, name, arguments, num_classes, image_shape)


def size(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def conv_scalars(model: nn.Module) -> int:
    return sum(m.weight.numel() for m in model.modules() if isinstance(m, nn.Conv2d))


@pytest.mark.parametrize(
    ("depth", "width", "classes", "count"),
    [(28, 10, 10, 36_479_194), (28, 10, 100, 36_536_884), (16, 4, 10, 2_748_890), (40, 4, 10, 8_949_210)],
)
def test_wrn_has_the_published_number_of_parameters(depth: int, width: int, classes: int, count: int) -> None:
    assert size(meta("family", "wrn", classes, depth=depth, width=width)) == count


@pytest.mark.parametrize(
    ("ensemble", "members"),
    [
        ("multi_width", [(28, 7), (28, 4), (28, 3)]),
        ("multi_depth_width", [(28, 7), (28, 4), (16, 7), (16, 4)]),
        ("homogeneous", [(28, 10)] * 4),
        ("heterogeneous", [(34, 8), (28, 12), (28, 10), (28, 8)]),
    ],
)
def test_wrn_convolutions_add_up_to_the_recorded_native_size(ensemble: str, members: list[tuple[int, int]]) -> None:
    total = sum(conv_scalars(meta("family", "wrn", depth=d, width=w)) for d, w in members)
    assert total == ALLOCATION[ensemble]["native_conv_scalars"]


def test_wrn_registers_convolutions_stem_first_and_shortcuts_last() -> None:
    model = meta("family", "wrn", depth=16, width=2)
    paths = [path for path, module in model.named_modules() if isinstance(module, nn.Conv2d)]
    assert paths[:6] == [
        "conv1", "block1.0.conv1", "block1.0.conv2", "block1.0.shortcut", "block1.1.conv1", "block1.1.conv2",
    ]  # fmt: skip
    assert [path for path, _ in model.named_children()] == ["conv1", "block1", "block2", "block3", "bn", "fc"]


@pytest.mark.parametrize("depth", [27, 9, 4, 30])
def test_wrn_refuses_other_depths(depth: int) -> None:
    with pytest.raises(ValueError, match="not 6n"):
        meta("family", "wrn", depth=depth, width=1)


def test_wrn_takes_channel_numbers_by_hand() -> None:
    model = meta("family", "wrn", depth=16, width=1, channels="12 24 24 48 40 32 36 96 80 64")
    shapes = {path: tuple(m.weight.shape[:2]) for path, m in model.named_modules() if isinstance(m, nn.Conv2d)}
    assert shapes == {
        "conv1": (12, 3),
        "block1.0.conv1": (24, 12), "block1.0.conv2": (24, 24), "block1.0.shortcut": (24, 12),
        "block1.1.conv1": (48, 24), "block1.1.conv2": (24, 48),
        "block2.0.conv1": (32, 24), "block2.0.conv2": (40, 32), "block2.0.shortcut": (40, 24),
        "block2.1.conv1": (36, 40), "block2.1.conv2": (40, 36),
        "block3.0.conv1": (80, 40), "block3.0.conv2": (96, 80), "block3.0.shortcut": (96, 40),
        "block3.1.conv1": (64, 96), "block3.1.conv2": (96, 64),
    }  # fmt: skip
    assert model(torch.empty(2, *CIFAR, device="meta")).shape == (2, 100)


def test_wrn_by_width_and_by_its_numbers_start_alike() -> None:
    states = []
    for numbers in ("", "16 8 8 16 16 32 32"):
        torch.manual_seed(0)
        model = build_model("family", "wrn", {"depth": 10, "width": 0.5, "channels": numbers}, 4, (1, 8, 8))
        states.append(model.state_dict())
    assert list(states[0]) == list(states[1])
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.parametrize(
    ("channels", "said"),
    [
        ("16 8 8", "depth 10 takes 7 channel numbers, not 3: the stem"),
        ("16 8 8 16 16 32 0", "not `0`"),
        ("16, 8 8 16 16 32 32", "not `16,`"),
        ("16 8 8 16 16 32 -3", "not `-3`"),
    ],
)
def test_wrn_refuses_channel_numbers_that_do_not_fit(channels: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        meta("family", "wrn", depth=10, width=1, channels=channels)


@pytest.mark.parametrize(
    ("name", "arguments", "image_shape"),
    [
        ("wrn", {"depth": 10, "width": 0.5}, (1, 8, 8)),
        ("wrn", {"depth": 10, "width": 1}, CIFAR),
        ("resnet", {"depth": 26}, CIFAR),
        ("resnet", {"depth": 50, "width": 2}, (3, 224, 224)),
        ("resnet", {"depth": 26}, (1, 96, 96)),
        ("mobilenet_v2", {}, CIFAR),
        ("mobilenet_v2", {"width": 0.5}, (3, 224, 224)),
        ("mobilenet_v2", {}, (1, 28, 28)),
    ],
)
def test_families_give_logits_for_images_of_several_shapes(name, arguments, image_shape) -> None:
    model = meta("family", name, 7, image_shape, **arguments)
    assert model(torch.empty(2, *image_shape, device="meta")).shape == (2, 7)


def test_resnet_50_2_is_torchvisions_wide_resnet50_2() -> None:
    ours = meta("family", "resnet", 1000, (3, 224, 224), depth=50, width=2)
    theirs = meta("torchvision", "wide_resnet50_2", 1000, (3, 224, 224))
    assert {k: v.shape for k, v in ours.state_dict().items()} == {k: v.shape for k, v in theirs.state_dict().items()}
    assert size(ours) == 68_883_240
    strides = [(path, m.stride) for path, m in ours.named_modules() if isinstance(m, nn.Conv2d)]
    assert strides == [(path, m.stride) for path, m in theirs.named_modules() if isinstance(m, nn.Conv2d)]


def test_resnet_refuses_depths_without_stages() -> None:
    with pytest.raises(ValueError, match="26, 38, 50, 101, 152"):
        meta("family", "resnet", depth=34)


def test_mobilenet_keeps_four_pixels_of_a_small_image() -> None:
    small = meta("family", "mobilenet_v2")
    assert small.features(torch.empty(2, 3, 32, 32, device="meta")).shape[2:] == (4, 4)
    assert size(small) == size(meta("torchvision", "mobilenet_v2"))


def test_rows_agree_with_the_models() -> None:
    for row in FAMILIES.rows:
        taken = {p.name: p for p in signature(row.load()).parameters.values() if p.kind is p.KEYWORD_ONLY}
        outputs = {"outputs"} if row.is_joint else set()
        assert set(taken) == {argument.name for argument in row.arguments} | outputs
        assert not row.fault()
        for argument in row.arguments:
            default = taken[argument.name].default
            is_required = default is taken[argument.name].empty
            assert is_required is (argument.default is None)  # what is left out where it is not given has one there
            assert argument.default in ("", None) or argument.default == default


def test_wrn_starts_with_activations_of_unit_scale() -> None:
    torch.manual_seed(0)
    model = build_model("family", "wrn", {"depth": 10, "width": 1}, 10, (1, 8, 8))
    first = model.get_submodule("block1.0.conv2").weight
    assert abs(first.std().item() - (2 / (16 * 9)) ** 0.5) < 0.01


FACTORIES = """
import os
import posixpath
import subprocess
from functools import partial
from subprocess import run
from torch import nn
from torchvision.models import resnet18
from torchvision.models.resnet import ResNet

class Net(nn.Linear):
    def __init__(self, num_classes): super().__init__(2, num_classes)
    @classmethod
    def wide(cls, num_classes): return cls(num_classes)

class Maker:
    def __call__(self): raise SystemExit("called")
    def method(self): raise SystemExit("called")

maker, bound, part = Maker(), Maker().method, partial(run, "true")
short = lambda width: nn.Linear(width, 3)
def net(width, num_classes): return nn.Linear(width, num_classes)
def fixed(width): return nn.Linear(width, 3)
def nothing(): return 5
"""


@pytest.fixture
def factories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "factory_of_models_test.py").write_text(FACTORIES)
    monkeypatch.syspath_prepend(tmp_path)
    return "factory_of_models_test"


def test_python_factories_are_called_with_the_number_of_classes(factories: str) -> None:
    for name in ("net", "fixed", "short"):
        shape = meta("python", f"{factories}:{name}", 9, width=4).weight.shape
        assert shape == ((9, 4) if name == "net" else (3, 4))
    for name in ("Net", "Net.wide"):
        assert meta("python", f"{factories}:{name}", 9).weight.shape == (9, 2)
    with pytest.raises(NoModuleError, match="int"):
        meta("python", f"{factories}:nothing")
    with pytest.raises(ValueError, match=r"package\.module:factory"):
        meta("python", factories)
    with pytest.raises(ValueError, match="does not take its arguments: missing"):
        meta("python", f"{factories}:net", 9)


@pytest.mark.parametrize("name", ["maker", "bound", "part", "Maker", "os.system", "os", "FACTORIES.x"])
def test_what_is_no_class_of_modules_and_no_function_is_never_called(factories: str, name: str) -> None:
    with pytest.raises((NotAFactoryError, AttributeError)):
        meta("python", f"{factories}:{name}")


@pytest.mark.parametrize(
    ("name", "home", "path"),
    [
        ("run", "subprocess", "run"),
        ("subprocess.run", "subprocess", "run"),
        ("posixpath.join", "posixpath", "join"),
        ("resnet18", "torchvision.models.resnet", "resnet18"),
        ("ResNet", "torchvision.models.resnet", "ResNet"),
        ("ResNet.train", "torch.nn.modules.module", "Module.train"),
    ],
)
def test_what_is_defined_elsewhere_is_never_called(factories: str, name: str, home: str, path: str) -> None:
    with pytest.raises(ElsewhereError) as raised:
        meta("python", f"{factories}:{name}", args="true")
    assert (raised.value.home, raised.value.path) == (home, path)


@pytest.mark.parametrize(
    "name", ["os:system", "builtins:eval", "subprocess:run", "antigravity:x", "xml.dom:x", "__main__:x"]
)
def test_modules_of_pythons_own_are_not_even_imported(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factories_of_models, "import_module", pytest.fail)
    with pytest.raises(StandardLibraryError):
        meta("python", name, command="true")


def test_unknown_kinds_and_families_are_refused() -> None:
    with pytest.raises(ValueError, match="not a kind of model"):
        meta("keras", "wrn")
    with pytest.raises(ValueError, match="not a family"):
        meta("family", "vgg")


def test_the_depths_of_the_language_are_those_of_the_models() -> None:
    (resnet_depth, *_), (wrn_depth, *_) = (FAMILIES[name].arguments for name in ("resnet", "wrn"))
    assert resnet_depth.among == tuple(STAGES)
    assert (wrn_depth.least, wrn_depth.every, wrn_depth.most) == (10, 6, 9_994)
    assert [blocks_per_stage(depth) for depth in (10, 16, 22, 9_994)] == [1, 2, 3, 1665]
