"""`swc export` of members whose outputs depend on chance, on their batch, or on what they were asked before."""

from __future__ import annotations

import json
from contextlib import chdir
from pathlib import Path

import pytest
import torch
from attrs import evolve
from safetensors.torch import load_file
from swc.compiler.frontend import examine
from swc.export import formats
from swc.export.job import reason_of, traits_of
from swc.export.member_files import MemberFiles, nothing_beside
from swc.running.checkpoints import open_trained
from swc.trust.importing import own_code

from support.runs import Place
from swc_runtime.evaluate import predict
from swc_runtime.evaluate.chance import Dependence
from swc_runtime.precision import Arithmetic

NETS = '''
import random

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8, track_running_stats=False)
        self.head = nn.Linear(8, 10)

    def features(self, x):
        return F.relu(self.conv(x)).mean(dim=(2, 3))

    def forward(self, x):
        return self.head(self.features(x))


class Dropping(Small):
    def forward(self, x):
        return self.head(F.dropout(self.features(x)))


class Noisy(Small):
    def forward(self, x):
        return self.head(self.features(x) * (1 + torch.randn(1)))


class Branching(Small):
    """One of two ways, by the toss of a coin."""

    def forward(self, x):
        made = super().forward(x)
        return made * 2 if torch.rand(()) > 0.5 else made


class Numpy(Small):
    def forward(self, x):
        return self.head(self.features(x) * (1 + np.random.rand()))


class Coin(Small):
    """A coin that a program would toss once and for all; a few outputs need not show it."""

    def forward(self, x):
        made = super().forward(x)
        return made * 2 if random.random() > 0.999 else made


class Python(Small):
    def forward(self, x):
        return self.head(self.features(x) * (1 + random.random()))


class Counting(Small):
    def __init__(self):
        super().__init__()
        self.asked = 0

    def forward(self, x):
        self.asked += 1
        return self.head(self.features(x) * (1 + self.asked % 7))


class ByBatch(Small):
    def forward(self, x):
        return self.head(F.relu(self.norm(self.conv(x))).mean(dim=(2, 3)))


class Centred(Small):
    def forward(self, x):
        return super().forward(x - x.mean(0))


class Running(Small):
    """Always the batch's statistics, and running ones that change in eval mode too."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(8)

    def forward(self, x):
        norm, made = self.norm, self.conv(x)
        made = F.batch_norm(made, norm.running_mean, norm.running_var, norm.weight, norm.bias, training=True)
        return self.head(F.relu(made).mean(dim=(2, 3)) + norm.running_mean)


class Pairs(Small):
    """Takes no single image."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(8, track_running_stats=False)

    def forward(self, x):
        return self.head(self.norm(self.features(x)))


class Sized(Small):
    """Looks at the others of its batch where they are many, but not when it is traced."""

    def forward(self, x):
        if not torch.compiler.is_exporting() and len(x) > 5:
            x = x - x.mean(0)
        return super().forward(x)


class Traced(Small):
    """Takes batches of three alone when it is traced."""

    def forward(self, x):
        if torch.compiler.is_exporting():
            x = x + torch.zeros(3, 1, 1, 1)
        return super().forward(x)
'''

SPEC = """
import "digits.sw"

ensemble tiny {{
  data digits
{members}
  budget unlimited
  share conv as none
  train digits {{
    batch 256
    phase only: 1 epochs at lr 0.05
  }}
}}
"""

CHANCE = ("Dropping", "Noisy", "Branching", "Numpy", "Python", "Coin", "Counting")
BATCH = ("ByBatch", "Centred", "Running", "Pairs", "Sized", "Traced")
NAMES = (*CHANCE, *BATCH)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A run with members that `swc compile` refuses too, as one of an earlier version may have them."""
    made = Place(tmp_path_factory.mktemp("chance"))
    (made.folder / "chance_nets.py").write_text(NETS, encoding="utf-8")
    members = "\n".join(f'  member {name.lower()} = python("chance_nets:{name}")' for name in NAMES)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(examine, "batches", lambda *_, **__: (examine.TrialBatch(2, "eval"),))
        patched.setattr(examine, "_tried", lambda source, data, recipe, table, warn, is_measured: table)
        assert made.compile(SPEC.format(members=members)) == 0
    assert made.train() == 0
    return made


@pytest.mark.parametrize("form", ["torch", "safetensors"])
def test_formats_that_hold_a_state_alone_take_every_member(run: Place, form: str) -> None:
    assert run.swc("export", "--format", form, "-o", f"states_{form}") == 0
    ending = {"torch": ".pt", "safetensors": ".safetensors"}[form]
    assert {path.stem for path in (run.folder / f"states_{form}").glob(f"*{ending}")} == {n.lower() for n in NAMES}


@pytest.mark.parametrize("name", ["dropping", "noisy", "bybatch", "centred", "running", "pairs"])
def test_programs_keep_chance_of_torch_and_what_depends_on_the_batch(run: Place, name: str) -> None:
    assert run.swc("export", "--format", "torch-export", "--members", name, "-o", f"programs_{name}") == 0


@pytest.mark.parametrize("name", ["numpy", "python", "coin", "counting"])
def test_programs_that_hold_chance_as_a_constant_are_refused(
    run: Place, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.swc("export", "--format", "torch-export", "--members", name, "-o", "never") == 1
    told = capsys.readouterr().err
    assert "error[SW668]" in told and f"member `{name}`" in told and "the format torch-export cannot keep" in told
    assert "--format safetensors" in told
    assert not (run.folder / "never").exists()


@pytest.mark.parametrize(("name", "code"), [("sized", "SW669"), ("traced", "SW661")])
def test_programs_that_lose_what_depends_on_the_batch_are_refused(
    run: Place, name: str, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.swc("export", "--format", "torch-export", "--members", name, "-o", "never") == 1
    told = capsys.readouterr().err
    assert f"error[{code}]" in told and f"member `{name}`" in told


def test_what_an_exporter_says_is_told_by_its_first_cause_and_without_colours() -> None:
    try:
        try:
            raise ValueError("a guard on a number\nand more")
        except ValueError as error:
            raise RuntimeError("\x1b[96mstep 1/3\x1b[0m") from error
    except RuntimeError as error:
        assert reason_of(error) == "a guard on a number"
    assert reason_of(RuntimeError("\x1b[96mstep\x1b[0m 1")) == "step 1"
    assert traits_of(Dependence(is_random=True)) == "it draws random numbers in eval mode"
    assert traits_of(Dependence()) == ""


def test_a_program_that_cannot_be_followed_because_of_chance_is_told_so(
    run: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.swc("export", "--format", "torch-export", "--members", "branching", "-o", "never") == 1
    told = capsys.readouterr().err
    assert "error[SW661]: member `branching` cannot be written as torch-export, and it draws random numbers" in told


def test_onnx_refuses_chance_by_name_and_keeps_what_depends_on_the_batch(
    run: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnx"), pytest.importorskip("onnxruntime"), pytest.importorskip("onnxscript")
    assert run.swc("export", "--format", "onnx", "--members", "dropping,centred", "-o", "never") == 1
    told = capsys.readouterr().err
    assert "error[SW668]" in told and "member `dropping` draws random numbers in eval mode" in told
    assert run.swc("export", "--format", "onnx", "--members", "centred", "-o", "onnx") == 0


def test_a_file_that_lacks_part_of_a_random_members_state_is_refused(
    run: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgets(module: torch.nn.Module, path: Path, *rest: object) -> None:
        state = module.state_dict()
        torch.save({**state, "head.bias": state["head.bias"] + 1}, path)

    right = formats.TORCH
    monkeypatch.setattr(formats, "TORCH", evolve(right, write=forgets, beside=nothing_beside))
    assert run.swc("export", "--members", "counting", "-o", "wrong") == 1
    assert "error[SW662]" in capsys.readouterr().err


def test_a_program_that_refuses_a_size_of_batch_is_refused(
    run: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    right = formats.SAFETENSORS

    def asked(module: torch.nn.Module, path: Path, images: torch.Tensor) -> torch.Tensor:
        if len(images) == 1:
            raise RuntimeError("expected 3 images")
        return right.reread(module, path, images)

    monkeypatch.setattr(formats, "TORCH", MemberFiles(".pt", right.write, asked))
    assert run.swc("export", "--members", "centred", "-o", "wrong") == 1
    told = capsys.readouterr().err
    assert "error[SW672]" in told and "takes no batch of one image: expected 3 images" in told


def test_an_evaluation_names_members_that_draw_or_look_at_their_batch_and_gives_the_same_again(
    run: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    found = []
    for _ in range(2):
        assert run.swc("eval", "--time-batch", "0", "--format", "json") == 0
        told = capsys.readouterr()
        found.append(told.out)
    drawing = ", ".join(f"`{name.lower()}`" for name in CHANCE)
    assert f"warning[SW606]: scores of {drawing} depend on chance" in told.err
    assert "warning[SW607]" in told.err and "`bybatch`, `centred`, `running`, `pairs`, `sized`" in told.err
    one, two = (json.loads(text)["evaluations"][0]["predictors"] for text in found)
    assert [p for p in one if "counting" not in p["members"]] == [p for p in two if "counting" not in p["members"]]


def test_an_evaluation_leaves_random_numbers_and_buffers_alone(run: Place) -> None:
    with chdir(run.folder), own_code(run.build().spec):
        ensemble = open_trained(run.build()).ensemble("cpu")
    before = [buffer.clone() for buffer in ensemble.buffers()]
    arithmetic = Arithmetic("cpu", torch.float32, "for a test")
    batch = (torch.rand(4, 1, 8, 8), torch.zeros(4, dtype=torch.int64))
    state = torch.random.get_rng_state()
    expected = torch.rand(3)
    torch.random.set_rng_state(state)
    predict(ensemble, [batch], arithmetic)
    assert torch.equal(torch.rand(3), expected), "an evaluation draws from the random numbers of others"
    assert all(torch.equal(*pair) for pair in zip(ensemble.buffers(), before, strict=True))


def test_an_export_holds_the_buffers_that_training_left(run: Place) -> None:
    assert run.swc("export", "--format", "safetensors", "--members", "running", "-o", "running") == 0
    state = load_file(run.folder / "running" / "running.safetensors")
    kept = load_file(run.checkpoint)
    (name,) = [name for name in kept if name.endswith("running/norm.running_mean") and "momentum" not in name]
    torch.testing.assert_close(state["norm.running_mean"], kept[name], rtol=0, atol=0)


def test_members_that_draw_or_look_at_their_batch_are_compiled(tmp_path: Path) -> None:
    """All but those that keep what no state holds, or take no single image."""
    made = Place(tmp_path)
    (tmp_path / "chance_nets.py").write_text(NETS, encoding="utf-8")
    kinds = (name for name in NAMES if name not in ("Counting", "Pairs"))
    members = "\n".join(f'  member {name.lower()} = python("chance_nets:{name}")' for name in kinds)
    assert made.compile(SPEC.format(members=members)) == 0
