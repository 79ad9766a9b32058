"""Losses, schedules and steps of augmentation of packages train; what they refuse or raise is told as theirs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from support.plug_ins import install
from support.runs import Place
from swc_runtime.records.checkpoint import load_checkpoint

SPEC = """
ensemble tiny {
  data digits
  member a = wrn(depth: 10, width: 0.5)
  budget unlimited
  train {
    batch 256
    ITEM
    phase main: 2 epochs
  }
}
"""
ROW = """
    from swc.registry.KIND import CLASS
    from swc.registry.row import ArgumentRow

    row = CLASS(
        name="mine",
        words="one of a package",
        implementation="swc_mine_code:mine",
        arguments=(ArgumentRow("amount", "number", least=0, default=0.5),),
        MORE
    )
"""
# the group of the entry points and module of the row, the row's class, what else it says, its code, the same by ours
LOSS = (
    "losses", "LossRow", "",
    """
    import torch.nn.functional as F

    def mine(logits_BC, labels_B, amount):
        return F.cross_entropy(logits_BC, labels_B, reduction="sum", label_smoothing=amount)
    """,
    "loss mine(amount: 0.25)", "label_smoothing 0.25",
)  # fmt: skip
SCHEDULE = (
    "schedules", "ScheduleRow", "",
    """
    def mine(place, amount):
        return amount if place.epoch >= 1 else 1.0
    """,
    "schedule mine(amount: 0.25)", "schedule steps(at: [1], factor: 0.25)",
)  # fmt: skip
AUGMENTATION = (
    "augmentations", "AugmentationRow", 'stage="placing",',
    """
    from swc_runtime.data.augment import flip

    def mine(chosen, draw, amount):
        return flip(chosen, draw)
    """,
    "augment mine", "augment flip",
)  # fmt: skip
KINDS = {"loss": LOSS, "schedule": SCHEDULE, "augmentation": AUGMENTATION}
OPTIMISER = ("optimisers", "OptimiserRow", "state=(),")


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where packages are installed; what was imported from them is forgotten."""
    folder = tmp_path / "packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    for name in ("swc_mine", "swc_mine_code"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return folder


def offer(packages: Path, kind: str, row: str, more: str, code: str) -> None:
    text = ROW.replace("KIND", kind).replace("CLASS", row).replace("MORE", more)
    points = {f"swc.{kind}": {"mine": "swc_mine:row"}}
    install(packages, "swc-mine", points, {"swc_mine": text, "swc_mine_code": code})


def place(folder: Path) -> Place:
    folder.mkdir()
    return Place(folder)


def state(made: Place) -> dict[str, torch.Tensor]:
    return load_checkpoint(made.checkpoint)[0]


@pytest.mark.parametrize("name", KINDS)
def test_what_a_package_offers_trains_as_ours_does(
    name: str, packages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    group, row, more, code, item, ours = KINDS[name]
    offer(packages, group, row, more, code)
    theirs, own = place(tmp_path / "theirs"), place(tmp_path / "own")
    for made, text in ((theirs, item), (own, ours)):
        assert made.compile(SPEC.replace("ITEM", text)) == 0
        assert made.train() == 0, capsys.readouterr().err
    found, expected = state(theirs), state(own)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in found)
    assert theirs.swc("show") == 0
    assert f"{name} mine comes from the plug-in swc-mine 1.2" in capsys.readouterr().out


REFUSALS = {
    "an optimiser without its argument": (
        (*OPTIMISER, "import torch\n\nclass mine(torch.optim.SGD):\n    pass\n"),
        "optimiser mine(lr: 0.1)",
        "`mine` raised TypeError",
    ),
    "an optimiser that refuses its value": (
        (*OPTIMISER, "import torch\n\nclass mine(torch.optim.SGD):\n    def __init__(self, groups, lr, amount):\n"
         "        raise ValueError('no such amount')\n"),
        "optimiser mine(lr: 0.1)",
        "`mine` raised ValueError: no such amount (swc_mine_code.py:5)",
    ),
    "a loss without its argument": (
        (*LOSS[:3], "def mine(logits_BC, labels_B):\n    return logits_BC.sum()\n"),
        "loss mine",
        "`mine` raised TypeError",
    ),
    "a loss that is no number": (
        (*LOSS[:3], "def mine(logits_BC, labels_B, amount):\n    return logits_BC.sum(-1)\n"),
        "loss mine",
        "gives the shape [256], not one number, the sum over the images",
    ),
    "a schedule without its argument": (
        (*SCHEDULE[:3], "def mine(place):\n    return 1.0\n"),
        "schedule mine",
        "`mine` raised TypeError",
    ),
    "a schedule without a factor": (
        (*SCHEDULE[:3], "def mine(place, amount):\n    return None\n"),
        "schedule mine",
        "gives None, not the factor of a learning rate",
    ),
    "a step of augmentation without its argument": (
        (*AUGMENTATION[:3], "def mine(chosen, draw):\n    return chosen\n"),
        "augment mine",
        "`mine` raised TypeError",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
def test_what_a_package_refuses_of_its_own_arguments_is_its_fault(
    case: str, packages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (group, row, more, code), item, said = REFUSALS[case]
    offer(packages, group, row, more, code)
    if group == "optimisers":
        text = (packages / "swc_mine.py").read_text("utf-8")
        lr = 'arguments=(ArgumentRow("lr", "number", above=0, default=1.0), '
        (packages / "swc_mine.py").write_text(text.replace("arguments=(", lr), "utf-8")
    made = place(tmp_path / "place")
    assert made.compile(SPEC.replace("ITEM", item)) == 0
    assert made.train() == 1
    told = " ".join(capsys.readouterr().err.split())
    assert "error[SW170]" in told and "`mine` of the plug-in swc-mine 1.2 is broken" in told
    assert said in told


def test_another_version_of_a_package_is_told(
    packages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(packages, *LOSS[:4])
    made = place(tmp_path / "place")
    assert made.compile(SPEC.replace("ITEM", LOSS[4])) == 0
    assert made.train() == 0
    assert "SW173" not in capsys.readouterr().err
    later = tmp_path / "later"
    later.mkdir()
    for path in packages.glob("*.py"):
        (later / path.name).write_text(path.read_text("utf-8"), "utf-8")
    info = later / "swc_mine-2.0.dist-info"
    info.mkdir()
    for path in packages.glob("*.dist-info/*"):
        (info / path.name).write_text(path.read_text("utf-8").replace("Version: 1.2", "Version: 2.0"), "utf-8")
    monkeypatch.setattr(sys, "path", [str(later), *(one for one in sys.path if one != str(packages))])
    for command in ("train", "eval", "export"):
        assert made.swc(command) == 0
        told = " ".join(capsys.readouterr().err.split())
        assert told.count("warning[SW173]") == 1, command
        assert "`mine` was that of the plug-in swc-mine 1.2; here it is that of swc-mine 2.0" in told
        assert "pip install swc-mine==1.2" in told
    assert made.compile(SPEC.replace("ITEM", LOSS[4])) == 0  # which notes the new version
    assert made.swc("train") == 0  # and is the same spec all the same
    assert "warning[SW173]" in capsys.readouterr().err
