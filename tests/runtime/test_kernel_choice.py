"""Which kernels a run composes with: what was asked for, what there is, and what was measured."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
import torch
from attrs import evolve
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.training import NoKernels

from support.programs import tiny_program
from swc_runtime.training import kernel_choice as choose
from swc_runtime.training.kernel_choice import KernelChoice, choose_kernels, measured, why_not_cupy
from swc_runtime.weights.kernels.reference import TorchKernels

CPU = torch.device("cpu")


def never() -> None:
    raise AssertionError("nothing is to be measured")


@pytest.fixture
def with_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "why_not_cupy", lambda device: None)


@pytest.mark.parametrize("before", [None, "torch", "cupy"])
def test_without_cuda_auto_is_torch(before: str | None) -> None:
    assert choose_kernels("auto", "cpu", never, before) == KernelChoice("torch", "CuPy's need CUDA")


def test_torch_is_taken_as_asked() -> None:
    assert str(choose_kernels("torch", "cuda", never)) == "torch (as asked)"


def test_cupy_that_is_asked_for_and_not_there_is_told() -> None:
    with pytest.raises(DiagnosticError) as caught:
        choose_kernels("cupy", "cpu", never)
    (found,) = caught.value.diagnostics
    assert found == NoKernels(reason="CuPy's need CUDA")
    assert found.message() == "there are no CuPy kernels here: CuPy's need CUDA"
    assert "pip install cupy-cuda13x" in found.help()


def test_cupy_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "find_spec", lambda name: None)
    assert why_not_cupy(torch.device("cuda")) == "CuPy is not installed"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ImportError("no libcuda\nand more"), "CuPy does not work here: no libcuda"),
        (RuntimeError(), "CuPy does not work here: RuntimeError"),
    ],
)
def test_cupy_that_does_not_work_is_told(monkeypatch: pytest.MonkeyPatch, error: Exception, told: str) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(choose, "find_spec", lambda name: SimpleNamespace())
    monkeypatch.setattr(torch, "arange", fail)
    assert why_not_cupy(torch.device("cuda")) == told


@pytest.mark.usefixtures("with_cupy")
def test_cupy_is_taken_as_asked() -> None:
    assert choose_kernels("cupy", "cuda", never, "torch") == KernelChoice("cupy", "as asked")


@pytest.mark.usefixtures("with_cupy")
@pytest.mark.parametrize("before", ["torch", "cupy"])
def test_a_run_that_goes_on_keeps_its_kernels(before: str) -> None:
    assert choose_kernels("auto", "cuda", never, before) == KernelChoice(before, "as the run was begun")


@pytest.mark.parametrize(
    ("own", "theirs", "choice"),
    [
        (0.001, 0.0025, KernelChoice("cupy", "1 ms a step against torch's 2.5")),
        (0.003, 0.0025, KernelChoice("torch", "2.5 ms a step against CuPy's 3")),
        (0.001, 0.001, KernelChoice("torch", "1 ms a step against CuPy's 1")),
    ],
)
def test_the_faster_is_taken(monkeypatch: pytest.MonkeyPatch, own: float, theirs: float, choice: KernelChoice) -> None:
    ours = object()
    monkeypatch.setattr(choose, "step_seconds", lambda kernels, *_: own if kernels is ours else theirs)
    assert measured(tiny_program(), CPU, lambda *_: ours) == choice


def test_both_are_measured_on_the_program_itself() -> None:
    found = measured(tiny_program(tie=True), CPU, lambda plan, *_: TorchKernels(plan))
    assert "ms a step against" in found.why


def test_what_the_kernels_cannot_do_is_not_measured() -> None:
    found = measured(tiny_program(num_templates=9), CPU, lambda *_: never())
    assert found.name == "torch"
    assert "9 templates" in found.why
    nothing = evolve(tiny_program(), weights=(), slots=(), banks=(), coefficients=())
    assert measured(nothing, CPU, lambda *_: never()) == KernelChoice("torch", "nothing is composed")


def test_torch_and_the_cpu_import_no_cupy() -> None:
    choose_kernels("auto", "cpu", never)
    choose_kernels("torch", "cpu", never)
    assert "cupy" not in sys.modules
