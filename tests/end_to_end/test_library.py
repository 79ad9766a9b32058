"""The two functions of the public interface, in an ordinary torch program."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import swc
import torch
from sklearn.datasets import load_digits
from swc.compiler.ir.counts import count
from torch.nn import functional as F

import swc_runtime
from support.runs import spec_text


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> swc.Compiled:
    path = tmp_path_factory.mktemp("library") / "tiny.sw"
    path.write_text(spec_text(), encoding="utf-8")
    return swc.compile_file(path, {"amount": "40%"})


def test_import_is_light() -> None:
    code = "import sys, swc; print(swc.__version__, *sorted({'torch', 'attrs', 'lark', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == swc.__version__


def test_names_are_those_of_the_interface() -> None:
    assert {"Compiled", "compile_file"} <= set(dir(swc))
    assert callable(swc.compile_file)
    with pytest.raises(AttributeError, match="no attribute `compile_fil`"):
        swc.compile_fil  # noqa: B018


def test_a_path_may_be_a_text(tmp_path: Path) -> None:
    path = tmp_path / "tiny.sw"
    path.write_text(spec_text(), encoding="utf-8")
    assert swc.compile_file(str(path)).program == swc.compile_file(path).program


def test_an_ensemble_trains_in_an_ordinary_loop(compiled: swc.Compiled) -> None:
    ensemble = swc_runtime.build(compiled.program)
    assert sum(p.numel() for p in ensemble.parameters()) == count(compiled.graph).parameter_scalars
    digits = load_digits()
    images = torch.tensor(digits.images[:256, None], dtype=torch.float32) / 8 - 1
    labels = torch.tensor(digits.target[:256])
    optimiser = torch.optim.SGD(ensemble.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for _ in range(25):
        logits = ensemble(images)
        assert logits.shape == (2, 256, 10)
        loss = F.cross_entropy(logits.flatten(0, 1), labels.repeat(2))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert all(p.grad is not None for p in ensemble.parameters())
    assert losses[-1] < 0.5 * losses[0]


def test_the_seed_alone_makes_an_ensemble(compiled: swc.Compiled) -> None:
    torch.manual_seed(1)
    one = swc_runtime.build(compiled.program)
    torch.manual_seed(2)
    two = swc_runtime.build(compiled.program)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


def test_an_ensemble_takes_other_devices_and_types(compiled: swc.Compiled) -> None:
    ensemble = swc_runtime.build(compiled.program, device="cpu", dtype=torch.float64)
    assert {p.dtype for p in ensemble.parameters()} == {torch.float64}
    assert ensemble(torch.zeros(2, 1, 8, 8, dtype=torch.float64)).dtype == torch.float64
